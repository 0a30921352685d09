"""What is withdrawn or deleted is in no list from that moment on, and what was just created is known at every door."""

import random
from datetime import timedelta

import pytest
from django.db.models import Case, Value, When
from django.utils import timezone

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.errors import RecommendationError
from recommender.feedback import dismissals
from recommender.feedback.events import record_event
from recommender.models import Event
from recommender.serving import ListRequest, predict_rating, recommend, recommend_many, recommendations, why
from recommender.serving import live as serving
from recommender.serving.reading import SLICE_ITEMS, changed_slice, read_catalog
from recommender.serving.rules import availability
from recommender.serving.tally import read_tally
from recommender.source.declaration import get_source
from tests.recommender import lists
from tests.recommender.lists import similar
from tests.recommender.serving.test_recommendations import keys


@pytest.fixture
def views(trained):
    for visitor in range(6):
        for product in ("P1", "P5", "P9", "P13"):
            Event.objects.create(kind="view", item=product, session=f"visitor-{visitor}", time=timezone.now())
    for product in ("P1", "P5", "P9", "P13"):
        Event.objects.create(kind="view", item=product, customer="C2", time=timezone.now())


@pytest.fixture
def not_looking(views, monkeypatch):
    """The process holds the catalog that it read a while ago, and does not look for changes."""
    serving.live_catalog()
    monkeypatch.setattr(serving, "CHECK_EVERY", 600.0)
    monkeypatch.setattr(serving, "items_changed", lambda: None)


@pytest.fixture
def watching(views):
    """The process looks for changes at every request, and has compared nothing since it read the catalog."""
    return serving.live_catalog()


LISTS = {
    "personal": lambda: recommend(customer="C0", count=10),
    "all that is left": lambda: recommend(customer="C0", count=100),
    "of a profile": lambda: recommend(profile={"gender": "F"}),
    "of a visit": lambda: recommend(session_items=["P2"]),
    "popular": lambda: lists.popular(customer="C0"),
    "nobody known": lambda: recommend(),
    "diverse": lambda: recommend(customer="C0", diversity=0.5, rotation=0.5),
    "similar": lambda: similar("P3"),
    "because you bought": lambda: lists.because_you_bought("C0"),
    "bought together": lambda: lists.bought_together("P3"),
    "co-purchased": lambda: lists.co_purchased("P3"),
    "also viewed": lambda: lists.also_viewed("P13"),
    "co-viewed": lambda: lists.co_viewed("P13"),
    "recently viewed": lambda: lists.recently_viewed(customer="C2", exclude_purchased=False),
    "recently viewed, by a visitor": lambda: lists.recently_viewed(["P1", "P2", "P3"]),
    "trending": lambda: lists.trending(),
    "cart": lambda: lists.cart(["P3"]),
    "batch": lambda: recommend_many([ListRequest(customer="C0"), ListRequest(customer="C4")])[0],
    "next page": lambda: recommend(customer="C0", page_token=recommend(customer="C0", count=3).next_page_token),
}


@pytest.mark.parametrize("happens", ["withdrawn", "deleted"])
@pytest.mark.parametrize("ask", LISTS.values(), ids=LISTS)
def test_a_product_that_was_just_withdrawn_is_in_no_list(not_looking, ask, happens):
    before = keys(ask())
    assert before
    first = Product.objects.filter(key=before[0])
    first.update(active=False)
    if happens == "deleted":
        Purchase.objects.filter(product__key=before[0]).delete()
        first.delete()
    after = keys(ask())
    assert before[0] not in after
    wanted, left = len(before), Product.objects.filter(active=True).count()
    if len(before) == 10 and left >= 20:
        assert len(after) == wanted  # the next best took its place


def test_a_list_of_ten_stays_ten_though_most_products_were_withdrawn(not_looking):
    before = keys(recommend(count=48))
    Product.objects.filter(key__in=before[:30]).update(active=False)
    answer = recommend(count=10)
    assert keys(answer) == before[30:40]
    following = recommend(count=10, page_token=answer.next_page_token)
    assert keys(following) == before[40:48]
    assert following.next_page_token is None


def test_where_everything_was_withdrawn_a_list_is_empty(not_looking):
    Product.objects.update(active=False)
    for ask in LISTS.values():
        assert keys(ask()) == []


def test_a_product_that_is_withdrawn_while_the_list_is_made_is_not_in_it(watching, monkeypatch):
    best = keys(recommend(customer="C0"))[0]
    reach = recommendations.reach

    def withdraw_meanwhile(plan):
        Product.objects.filter(key=best).update(active=False)
        return reach(plan)

    monkeypatch.setattr(recommendations, "reach", withdraw_meanwhile)
    assert best not in keys(recommend(customer="C0"))


def test_a_product_under_another_key_is_not_listed_under_its_old_one(not_looking):
    best = keys(recommend(customer="C0"))[0]
    Product.objects.filter(key=best).update(key="renamed")
    assert best not in keys(recommend(customer="C0"))


def test_where_a_source_leaves_withdrawn_rows_out_of_its_items_they_are_not_listed(not_looking, monkeypatch):
    best = keys(recommend(customer="C0"))[0]
    monkeypatch.setattr(type(get_source()), "items", Product.objects.exclude(category="gone"))
    Product.objects.filter(key=best).update(category="gone")
    availability._available_items.cache_clear()
    try:
        assert best not in keys(recommend(customer="C0"))
    finally:
        monkeypatch.undo()
        availability._available_items.cache_clear()


def test_a_batch_is_checked_with_few_queries(not_looking, django_assert_max_num_queries):
    customers = [ListRequest(customer=f"C{n}", count=40) for n in range(50)]
    Product.objects.filter(key="P3").update(active=False)
    with django_assert_max_num_queries(20):
        answers = recommend_many(customers)
    assert not any("P3" in keys(answer) for answer in answers)


# --- changes that leave no trace in `updated` and in counts -----------------------------------------------------------


def swapped(one: str, other: str) -> None:
    """One product is withdrawn and another one put back, in one statement."""
    Product.objects.filter(key__in=[one, other]).update(active=Case(When(key=other, then=True), default=Value(False)))


def test_two_products_that_change_places_do_so_in_lists(watching):
    Product.objects.filter(key="P2").update(active=False)
    assert "P2" not in keys(recommend(count=48))
    swapped("P1", "P2")
    listed = keys(recommend(count=48))
    assert "P2" in listed
    assert "P1" not in listed


def test_a_wrong_clock_hides_no_later_change(watching):
    Product.objects.filter(key="P7").update(updated=timezone.now() + timedelta(days=400))
    recommend()
    product = Product.objects.get(key="P1")
    product.category = "Books"
    product.save()
    assert "P1" in keys(recommend(filter={"category": ["Books"]}, count=48))


def test_a_row_that_was_written_in_a_long_transaction_is_noticed(watching):
    """Its `updated` is earlier than that of a product which was saved meanwhile."""
    newest = Product.objects.latest("updated").updated
    Product.objects.filter(key="P1").update(category="Books", updated=newest - timedelta(seconds=30))
    assert "P1" in keys(recommend(filter={"category": ["Books"]}, count=48))


def test_a_large_catalog_is_compared_part_by_part_and_every_part_comes_by(db):
    source = get_source()
    Product.objects.bulk_create([Product(key=f"K{n}", name="x", category="A") for n in range(2 * SLICE_ITEMS + 10)])
    catalog = read_catalog(source, None, read_tally(source))
    assert [part.after is None for part in catalog.slices] == [True, False, False]
    assert [part.last is None for part in catalog.slices] == [False, False, True]
    changed, at = changed_slice(source, catalog.slices, 0, seconds=0)
    assert (changed, at) == (False, 1)
    assert changed_slice(source, catalog.slices, 0, seconds=60) == (False, 3)
    for key in (f"K{n}" for n in random.Random(0).sample(range(2 * SLICE_ITEMS + 10), 5)):
        Product.objects.filter(key=key).update(active=False)
        assert changed_slice(source, catalog.slices, 0, seconds=60)[0]
        Product.objects.filter(key=key).update(active=True)
    Product.objects.create(key="newest", name="x")
    assert changed_slice(source, catalog.slices, 2, seconds=0)[0]


def test_a_list_that_finds_something_withdrawn_has_the_catalog_read_again(watching, monkeypatch):
    monkeypatch.setattr(serving, "CHECK_EVERY", 600.0)
    best = keys(recommend(count=1))[0]
    swapped(best, "P2")
    recommend(count=1)
    catalog = serving.live_catalog()
    assert not catalog.shown[catalog.row_of[best]]


# --- what was created a moment ago ------------------------------------------------------------------------------------


@pytest.fixture
def new(not_looking) -> Product:
    return Product.objects.create(key="new", name="Running thing new", category="Running")


@pytest.mark.parametrize("kind", Event.Kind.values)
def test_an_event_about_a_product_created_a_second_ago_is_stored(new, kind, client):
    sent = {"kind": kind, "item": "new"} | ({"value": 4} if kind == "rating" else {})
    answer = client.post("/api/v1/events/", sent, content_type="application/json")
    assert answer.status_code == 201, answer.json()
    assert Event.objects.filter(item="new", kind=kind).count() == 1


def test_a_product_created_a_second_ago_has_similar_ones(new, client):
    answer = similar("new")
    assert (answer.source, answer.fallback_reason) == ("popular", "new_item")
    kind = dict(Product.objects.values_list("key", "category"))
    assert {kind[key] for key in keys(answer)} == {"Running"}
    for address in ("similar", "bought-together", "also-viewed"):
        assert client.get(f"/api/v1/products/new/{address}/").status_code == 200
    assert keys(lists.also_viewed("new"))


def test_a_product_created_a_second_ago_has_a_predicted_rating_and_may_be_dismissed(new):
    assert 0 <= predict_rating(customer="C0", item="new").rating <= 5
    assert predict_rating(customer="C0", item="new").model_version == "v1"
    assert why("new", customer="C0").fallback_reason == "new_item"
    dismissals.dismiss(item="new", customer="C0")
    assert lists.cart(["new"], 5).items


@pytest.mark.parametrize("key", ["nothing", "", "a\x00b", "\ud800", "NEW", "new "])
def test_what_is_no_product_is_still_refused(new, key):
    for ask in (lambda: similar(key), lambda: lists.also_viewed(key), lambda: lists.bought_together(key)):
        with pytest.raises(RecommendationError, match="There is no item"):
            ask()
    with pytest.raises(RecommendationError, match="There is no item"):
        record_event(kind="view", item=key, customer=Customer.objects.first().key)
