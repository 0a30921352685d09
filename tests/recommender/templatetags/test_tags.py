"""Lists on pages: what they show, what they say of themselves, and that they never break a page."""

import re

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.cache import SessionStore
from django.template import Context, Template, TemplateSyntaxError

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.models import Event, ServedList
from recommender.serving import KINDS
from recommender.serving import live as serving
from recommender.templatetags.recommendations import register


@pytest.fixture
def request_(rf):
    request = rf.get("/")
    request.user, request.session = AnonymousUser(), SessionStore()
    return request


@pytest.fixture
def show(request_):
    def render(tag: str, **context: object) -> str:
        context = {"request": request_, "user": request_.user, **context}
        return Template("{% load recommendations %}" + tag).render(Context(context))

    return render


def products(html: str) -> list[str]:
    return re.findall(r"<h3>[^<]*?thing (\d+)", html)


def test_a_customer_sees_their_list_with_reasons_in_words(trained, show):
    html = show('{% recommendations for="C2" count=5 title="For you" %}')
    assert ">For you</h2>" in html
    assert len(products(html)) == 5
    assert re.search("Because you bought Kitchen thing [0-9]+", html)
    assert "What most people buy" not in html
    assert f'data-recommendation="{ServedList.objects.get().pk}"' in html


def test_keys_that_are_numbers_are_welcome(trained, show):
    """Where keys are primary keys, templates hold numbers."""
    named = products(show('{% recommendations for="C2" count=5 %}'))
    Customer.objects.filter(key="C2").update(key="7")
    assert products(show("{% recommendations for=customer count=5 %}", customer=7)) == named
    Product.objects.create(key="42", name="Kitchen thing 42", category="Kitchen")
    assert len(products(show("{% similar_items item=item count=3 %}", item=42))) == 3
    rating = show("{% predicted_rating for=customer item=item as r %}{{ r }}", customer=7, item=42)
    assert 0 <= float(rating) <= 5


def test_a_popular_list_says_that_it_is_one(stocked, show):
    assert "What most people buy. Lists of your own come as soon as" in show('{% recommendations for="C2" %}')
    Customer.objects.filter(key="C2").update(personalisation=False)
    assert "What most people buy: personalisation is off." in show('{% recommendations for="C2" %}')
    assert "What most people buy." in show("{% recommendations for=customer.key %}", customer=None)


def test_an_empty_shop_says_that_it_is_empty(db, show):
    assert "There is nothing to recommend yet." in show("{% recommendations %}")


def test_what_a_visitor_looks_at_shapes_their_next_list(trained, show, request_):
    for key in ("P3", "P7", "P11", "P7"):
        show("{% remember_view item=key %}", key=key)
    html = show("{% recommendations count=6 %}")
    assert html.count("Garden thing") > 6  # the items and the reasons
    assert re.search("Because you looked at Garden thing (3|7|11)<", html)
    request_.user = User.objects.create_user("ada")
    assert "What most people buy." in show("{% recommendations count=6 %}")


def test_what_a_customer_looks_at_is_on_record_and_shapes_their_next_list(trained, show, request_):
    request_.user = User.objects.create_user("ada")
    Customer.objects.filter(key="C0").update(user=request_.user)
    for key in ("P3", "P7", "P11"):
        show("{% remember_view item=key %}", key=key)
    assert Event.objects.filter(kind="view", customer="C0").count() == 3
    assert "Because you looked at Garden thing" in show('{% recommendations for="C0" count=6 %}')
    assert products(show('{% recently_viewed for="C0" %}')) == ["11", "7", "3"]
    assert products(show('{% recently_viewed for="C0" without="P7" %}')) == ["11", "3"]


def test_looking_leaves_no_trace_of_who_opted_out_and_unknown_items_break_no_page(trained, show, request_):
    show('{% remember_view item="nothing" %}')
    request_.user = User.objects.create_user("ada")
    Customer.objects.filter(key="C0").update(user=request_.user, personalisation=False)
    show('{% remember_view item="P3" %}')
    assert Event.objects.count() == 0
    assert show('{% recently_viewed for="C0" %}').strip() == ""


def test_lists_of_the_shop_and_of_a_cart(trained, show):
    assert len(products(show("{% popular_items count=3 %}"))) == 3
    trending = show('{% trending_items count=3 title="Hot" %}')
    assert ">Hot</h2>" in trending
    assert len(products(trending)) == 3
    cart = show('{% goes_with_cart items=keys for="C2" count=3 %}', keys=["P3", "P7"])
    assert len(products(cart)) == 3
    assert not {"3", "7"} & set(products(cart))
    assert show("{% goes_with_cart items=keys %}", keys=[]).strip() == ""


def test_what_others_looked_at_shows_nothing_where_nothing_is_known(stocked, show):
    assert show('{% also_viewed item="P1" %}').strip() == ""
    for session in ("a", "b"):
        for item in ("P1", "P2"):
            Event.objects.create(kind="view", item=item, session=session)
        Event.objects.create(kind="view", item="P40", session=f"else {session}")
    assert products(show('{% also_viewed item="P1" %}')) == ["2"]


def test_similar_items_never_show_the_item_itself(trained, show):
    html = show("{% similar_items item=key count=4 %}", key="P1")
    assert len(products(html)) == 4
    assert "1" not in products(html)


def test_bought_together_shows_nothing_where_nothing_is_known(stocked, show):
    assert len(products(show('{% bought_together item="P1" count=3 %}'))) == 3
    Product.objects.create(key="lamp", name="A lamp")
    assert show('{% bought_together item="lamp" %}').strip() == ""


@pytest.mark.parametrize("tag", ['{% similar_items item="nothing" %}', '{% bought_together item="nothing" %}'])
def test_an_unknown_item_does_not_break_the_page(trained, show, tag):
    assert show(tag).strip() == ""


def test_a_predicted_rating_can_be_shown(trained, show):
    tag = "{% predicted_rating for=who item=what as rating %}{{ rating|default_if_none:'?' }}"
    assert 0 <= float(show(tag, who="C2", what="P1")) <= 5
    assert 0 <= float(show(tag, who=None, what="P1")) <= 5
    assert show(tag, who="C2", what="nothing") == "?"
    Purchase.objects.update(rating=None)
    serving.forget_live_state()
    assert show(tag, who="C2", what="P1") == "?"  # nobody rates here: no stars


def test_names_are_escaped(stocked, show):
    Product.objects.all().update(name="<script>alert(1)</script>")
    html = show('{% recommendations for="C2" %}')
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_list_takes_few_queries(trained, show, django_assert_max_num_queries):
    show('{% recommendations for="C2" %}')
    # Five looks at what is live, four at the customer (one trip, on PostgreSQL), one at what may still be listed, one
    # insert, one for the items.
    with django_assert_max_num_queries(12):
        show('{% recommendations for="C2" count=12 %}')


def test_a_list_is_for_a_customer_of_the_site_a_key_a_user_or_nobody(trained, show):
    user = User.objects.create_user("ada")
    Customer.objects.filter(key="C2").update(user=user)
    for whom in (Customer.objects.get(key="C2"), "C2", user):
        assert "Because you bought Kitchen thing" in show("{% recommendations for=whom count=5 %}", whom=whom)
    for nobody in (None, "", AnonymousUser(), User.objects.create_user("staff")):
        assert ">Popular now</h2>" in show("{% recommendations for=whom count=5 %}", whom=nobody)


def test_without_for_a_list_is_for_whoever_is_signed_in(trained, show, request_):
    request_.user = User.objects.create_user("ada")
    Customer.objects.filter(key="C2").update(user=request_.user)
    bought = {key[1:] for key in Purchase.objects.filter(customer__key="C2").values_list("product__key", flat=True)}
    assert "Because you bought Kitchen thing" in show("{% recommendations count=5 %}")
    assert not set(products(show("{% popular_items count=40 %}"))) & bought
    assert "Because you bought" in show("{% because_you_bought %}")
    assert show("{% list_for as whose %}{{ whose }}") == show('{% list_for for="C2" as whose %}{{ whose }}')
    assert ">Popular now</h2>" in show("{% recommendations for=None count=5 %}")
    assert set(products(show("{% popular_items for=None count=40 %}"))) & bought
    request_.user = AnonymousUser()
    assert ">Popular now</h2>" in show("{% recommendations count=5 %}")


def test_an_item_may_be_named_by_the_object_itself(trained, show):
    product = Product.objects.get(key="P3")
    assert len(products(show("{% similar_items item=product count=4 %}", product=product))) == 4
    assert len(products(show("{% goes_with_cart items=cart count=4 %}", cart=Product.objects.filter(key="P3")))) == 4
    assert show("{% predicted_rating for=None item=product as r %}{{ r }}", product=product) != "None"
    show("{% remember_view item=product %}", product=product)
    assert products(show("{% recently_viewed %}")) == ["3"]
    assert show("{% recently_viewed without=product %}", product=product).strip() == ""


def test_one_key_alone_is_a_cart_of_one_and_what_is_no_item_goes_with_nothing(trained, show):
    alone = show('{% goes_with_cart items="P3" count=4 %}')
    assert products(alone) == products(show("{% goes_with_cart items=keys count=4 %}", keys=["P3"]))
    assert ">Goes with your cart</h2>" in alone
    for nothing in (["nope"], "nope", "", None, []):
        assert show("{% goes_with_cart items=cart count=4 for='C2' %}", cart=nothing).strip() == ""


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_before_any_training_no_heading_says_more_than_the_list_holds(stocked, show, kind):
    """What is popular is headed so, or the list says of itself what it is; what is like an item has a value of it."""
    lone = Product.objects.create(key="lamp", name="Lamp thing 999", category="Lamps")
    Product.objects.create(key="vase", name="Vase thing 998", category="")
    about = {"item": ["P1", lone.key, "vase"], "session_items": ["P1", lone.key]}.get(kind.takes, [None])
    for item in about:
        named = f'item="{item}"' if kind.takes == "item" else f'items="{item}"' if kind.is_cart else ""
        html = show(f'{{% {kind.tag} {named} for="C2" count=60 %}}')
        if not html.strip():
            continue
        popular = ">Popular" in html or "most people buy" in html
        listed = set(Product.objects.filter(key__in=[f"P{number}" for number in products(html)]))
        latest = Purchase.objects.filter(customer__key="C2").first().product
        like = {"because_you_bought": {latest.category}}.get(kind.name)
        assert listed
        if like is not None:
            assert {product.category for product in listed} == like
            assert "Items of the same kind." in html
        elif kind.name not in ("cart", "recently_viewed", "bought_together", "also_viewed", "trending"):
            assert popular, html
            assert kind.name != "similar" or (">Similar</h2>" in html) == (item == "P1")
        elif "most people buy" in html:
            assert ">Popular now</h2>" in html


def test_a_cart_of_which_nothing_is_known_is_headed_by_what_is_listed_instead(trained, show):
    Customer.objects.filter(key="C0").update(personalisation=False)
    for whom in ("C0", "unknown"):
        html = show("{% goes_with_cart items='P1' for=whom count=4 %}", whom=whom)
        assert ">Popular now</h2>" in html
        assert "What most people buy" in html


def test_a_misspelt_option_is_told(trained, show):
    with pytest.raises(TemplateSyntaxError, match="recommendations takes for=, and no customer="):
        show('{% recommendations customer="C2" %}')


def test_because_you_bought_names_the_latest_purchase_and_lists_what_is_like_it(trained, show):
    latest = Purchase.objects.filter(customer__key="C2").first().product
    html = show('{% because_you_bought for="C2" count=4 %}')
    assert f"Because you bought {latest.name}</h2>" in html
    bought = set(Purchase.objects.filter(customer__key="C2").values_list("product__key", flat=True))
    assert len(products(html)) == 4
    assert not {f"P{number}" for number in products(html)} & bought
    assert "Because you bought" not in html.split("</h2>")[1], "said once"


def test_because_you_bought_shows_nothing_where_nothing_is_known(trained, show):
    Customer.objects.create(key="new")
    Customer.objects.filter(key="C0").update(personalisation=False)
    for whom in ("new", "C0", "nobody", None):
        assert show("{% because_you_bought for=whom %}", whom=whom).strip() == ""


def test_lists_of_one_page_do_not_repeat_each_other(trained, show):
    page = '{% recommendations for="C2" count=8 %}{% because_you_bought for="C2" %}{% trending_items for="C2" %}'
    listed = products(show(page))
    assert len(listed) > 14
    assert len(set(listed)) == len(listed)


def test_what_a_customer_bought_is_not_popular_or_trending_for_them(trained, show):
    bought = {key[1:] for key in Purchase.objects.filter(customer__key="C2").values_list("product__key", flat=True)}
    for tag in ("popular_items", "trending_items"):
        assert not set(products(show(f'{{% {tag} for="C2" count=40 %}}'))) & bought


def test_the_docs_tell_of_every_tag_and_of_no_other():
    """And their examples can be rendered."""
    docs = (settings.BASE_DIR / "docs" / "plugging_in.md").read_text(encoding="utf-8")
    section = docs.partition("## Lists on your pages")[2].partition("\n## ")[0]
    table = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {tag for cell in table for tag in re.findall(r"`(\w+)`", cell)} == set(register.tags)
    for example in re.findall(r"```html\n(.*?)```", section, re.DOTALL):
        Template(example)
