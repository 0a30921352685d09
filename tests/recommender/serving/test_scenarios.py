"""The lists beside "for you": what goes together, what was looked at, what sells; and what restricts each of them."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.errors import RecommendationError
from recommender.models import Event, ServedList
from recommender.serving import live as serving
from recommender.serving import recommend
from tests.recommender.lists import (
    also_viewed,
    bought_together,
    cart,
    co_purchased,
    popular,
    recently_viewed,
    similar,
    trending,
)
from tests.recommender.serving.test_recommendations import bought_by, categories, keys
from tests.shop import category_of


def sell(product: str, *customers: str, days_ago: float = 0) -> None:
    item, _ = Product.objects.get_or_create(key=product, defaults={"name": product})
    for key in customers:
        customer, _ = Customer.objects.get_or_create(key=key)
        Purchase.objects.create(customer=customer, product=item, time=timezone.now() - timedelta(days=days_ago))


def look(item: str, *, customer: str = "", session: str = "", days_ago: float = 0) -> None:
    time = timezone.now() - timedelta(days=days_ago)
    Event.objects.create(kind=Event.Kind.VIEW, item=item, customer=customer, session=session, time=time)


def people(n: int, prefix: str = "c") -> list[str]:
    return [f"{prefix}{i}" for i in range(n)]


# --- every one of them ------------------------------------------------------------------------------------------------

SCENARIOS = {
    "popular": popular,
    "trending": trending,
    "similar": lambda **options: similar("P1", **options),
    "bought_together": lambda **options: bought_together("P1", **options),
    "also_viewed": lambda **options: also_viewed("P1", **options),
    "recently_viewed": lambda **options: recently_viewed([f"P{p}" for p in range(12, 30)], **options),
    "cart": lambda **options: cart(["P1", "P5"], **options),
}


@pytest.fixture(params=["stocked", "trained"])
def world(request, db):
    """The planted shop with and without a model, where something trends and people look at things."""
    request.getfixturevalue(request.param)
    products, customers = ({row.key: row for row in model.objects.all()} for model in (Product, Customer))
    looked = [(f"P{p}", f"s{n}") for n in range(3) for p in range(1, 20)]
    looked += [(f"P{p}", f"others{n}") for n in range(3) for p in range(30, 48)]
    Event.objects.bulk_create(Event(kind=Event.Kind.VIEW, item=item, session=session) for item, session in looked)
    Purchase.objects.bulk_create(
        Purchase(customer=customers[f"C{n}"], product=products[f"P{p}"]) for n in range(3) for p in range(24, 48)
    )
    serving.forget_live_state()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_filters_and_exclusions_hold_in_every_list(world, scenario):
    ask = SCENARIOS[scenario]
    kitchen = ask(filter={"category": ["Kitchen"]}, count=3)
    assert set(categories(kitchen)) == {"Kitchen"}
    left_out = keys(kitchen)[:1]
    assert left_out[0] not in keys(ask(exclude=left_out, count=100))
    assert ask(filter={"category": ["Cars"]}).items == ()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_list_has_the_length_and_the_pages_asked_for(world, scenario):
    ask = SCENARIOS[scenario]
    whole = keys(ask(count=100))
    walked, token = [], None
    while not walked or token:
        page = ask(count=4, page_token=token)
        assert len(page.items) == 4 or page.next_page_token is None
        walked += keys(page)
        token = page.next_page_token
    assert walked == whole
    assert len(walked) > 4


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_list_is_on_record_under_its_name(world, scenario):
    answer = SCENARIOS[scenario](count=2)
    row = ServedList.objects.get(pk=answer.recommendation_id)
    assert (row.scenario, row.source, row.items) == (scenario, answer.source, keys(answer))
    assert ServedList.objects.count() == 1
    SCENARIOS[scenario](count=2, scenario="my place")
    assert ServedList.objects.filter(scenario="my place").count() == 1


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_the_customer_bought_is_left_out_unless_asked_for(world, scenario):
    ask = SCENARIOS[scenario]
    assert not set(keys(ask(customer="C2", count=100))) & bought_by("C2")
    if scenario != "cart":  # what is recommended beside a cart depends on who fills it
        with_them = keys(ask(customer="C2", count=100, exclude_purchased=False))
        assert with_them == keys(ask(count=100))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_customer_who_opted_out_leaves_no_trace(world, scenario):
    Customer.objects.filter(key="C2").update(personalisation=False)
    assert SCENARIOS[scenario](customer="C2").items
    assert ServedList.objects.count() == 0


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_withdrawn_items_are_in_no_list(world, scenario):
    before = keys(SCENARIOS[scenario](count=5))
    Product.objects.filter(key__in=before).update(active=False, updated=timezone.now())
    assert not set(before) & set(keys(SCENARIOS[scenario](count=100)))


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("options", "field"), [({"count": 0}, "count"), ({"filter": {"colour": ["red"]}}, "filter")])
def test_senseless_options_are_refused_by_field(world, scenario, options, field):
    with pytest.raises(RecommendationError) as caught:
        SCENARIOS[scenario](**options)
    assert caught.value.field == field


def test_diversity_mixes_similar_items(trained):
    plain, mixed = similar("P1", 6), similar("P1", 6, diversity=0.9)
    assert len(mixed.items) == 6
    assert len(set(categories(mixed))) > len(set(categories(plain)))


# --- bought together --------------------------------------------------------------------------------------------------


def test_what_everybody_buys_anyway_does_not_go_with_anything(db):
    sell("water", *people(40))
    sell("tent", *people(5))
    sell("stove", *people(4))
    for n in range(5, 40):  # everybody buys something else, too
        sell(f"thing {n % 7}", f"c{n}")
    stove, water = co_purchased("tent").items
    assert (stove.item, water.item) == ("stove", "water")
    assert stove.score > 1.5
    assert water.score < 1.1  # bought with the tent by all five, and no more than anything else is
    assert keys(popular(1)) == ["water"]


def test_a_pair_sold_a_moment_ago_goes_together_and_a_returned_one_does_not(db):
    for n in range(20):
        sell(f"thing {n % 5}", f"c{n}")
    sell("tent", "ada", "bob")
    assert co_purchased("tent").fallback_reason == "never_bought_together"
    sell("stove", "ada", "bob")
    assert keys(co_purchased("tent")) == ["stove"]
    Purchase.objects.filter(product__key="stove", customer__key="bob").delete()
    assert co_purchased("tent").items == ()


def test_many_shared_buyers_prove_more_than_few(db):
    sell("tent", *people(12))
    sell("stove", *people(10))
    sell("lamp", *people(2))
    for n in range(30):
        sell(f"thing {n % 5}", f"other{n}")
    assert keys(co_purchased("tent")) == ["stove", "lamp"]


def test_before_any_model_a_cart_gets_what_is_bought_with_what_is_in_it(stocked):
    answer = cart(["P1", "P5", "unknown"], count=4)
    assert (answer.source, answer.fallback_reason) == ("bought_together", "no_model")
    assert set(categories(answer)) == {"Kitchen"}
    assert not {"P1", "P5"} & set(keys(answer))
    assert cart(["unknown"], count=4).source == "popular"


def test_a_cart_gets_a_list_of_the_model(trained):
    answer = cart(["P3", "P7"], count=6)
    assert (answer.source, answer.model_version) == ("two_tower", "v1")
    assert categories(answer).count("Garden") >= 4
    assert {reason.kind for item in answer.items for reason in item.reasons} == {"because_in_your_cart"}


# --- looked at --------------------------------------------------------------------------------------------------------


def test_what_viewers_of_an_item_also_look_at(stocked):
    for n in range(3):
        for item in ("P1", "P2"):
            look(item, session=f"s{n}")
        for item in ("P40", "P41", "P42"):
            look(item, session=f"else{n}")
    look("P1", customer="C3")
    look("P9", customer="C3")  # one viewer of both proves nothing
    answer = also_viewed("P1")
    assert (answer.source, keys(answer)) == ("also_viewed", ["P2"])
    alone = also_viewed("P47", 3)
    assert (alone.source, alone.fallback_reason) == ("popular", "never_viewed_together")
    assert set(categories(alone)) == {category_of("P47")}


def test_views_of_customers_who_opted_out_since_tell_nothing(stocked):
    for customer in ("C1", "C2"):
        look("P1", customer=customer)
        look("P2", customer=customer)
    look("P40", session="else")
    assert keys(also_viewed("P1")) == ["P2"]
    Customer.objects.filter(key="C2").update(personalisation=False)
    assert also_viewed("P1").fallback_reason == "never_viewed_together"


def test_a_customer_finds_again_what_they_looked_at_within_a_day(stocked):
    for minutes, item in enumerate(["P5", "P3", "P5", "P9"]):
        look(item, customer="newcomer", days_ago=0.5 - minutes / 1440)
    look("P30", customer="newcomer", days_ago=2)
    look("P31", customer="C1")
    Customer.objects.create(key="newcomer")
    answer = recently_viewed(customer="newcomer")
    assert (answer.source, keys(answer)) == ("recently_viewed", ["P9", "P5", "P3"])
    Product.objects.filter(key="P9").update(active=False, updated=timezone.now())
    assert keys(recently_viewed(customer="newcomer")) == ["P5", "P3"]


def test_a_visitor_finds_again_what_their_session_remembers(stocked):
    assert keys(recently_viewed(["P5", "P3", "?", "P5"])) == ["P5", "P3"]
    nothing = recently_viewed()
    assert (nothing.items, nothing.fallback_reason) == ((), "never_viewed")


# --- selling ----------------------------------------------------------------------------------------------------------


def test_what_sells_better_than_it_used_to_trends_and_a_steady_bestseller_does_not(db):
    for week in range(1, 5):
        sell("steady", *people(20), days_ago=7 * week + 1)
        sell("riser", "ada", days_ago=7 * week + 1)
    sell("steady", *people(20))
    sell("riser", *people(6))
    sell("once", "ada")
    answer = trending()
    assert (answer.source, keys(answer)) == ("trending", ["riser"])
    assert keys(popular(1)) == ["steady"]


def test_a_shop_whose_sales_ended_long_ago_has_trends_too(db):
    sell("old", *people(9), days_ago=1020)
    sell("last", *people(4), days_ago=1000)
    assert keys(trending()) == ["last"]


def test_where_nothing_sells_better_popular_items_stand_in(db):
    sell("lamp", "ada")
    answer = trending()
    assert (answer.source, answer.fallback_reason, keys(answer)) == ("popular", "nothing_trends", ["lamp"])


def test_what_trends_is_counted_again_when_everything_is(db, monkeypatch):
    sell("first", *people(3))
    assert keys(trending()) == ["first"]
    sell("second", *people(9))
    assert keys(trending()) == ["first"]
    now = time.monotonic() + serving.RECOUNT_EVERY + 1
    monkeypatch.setattr(serving.time, "monotonic", lambda: now)
    assert keys(trending()) == ["second", "first"]


# --- looking changes the personal list --------------------------------------------------------------------------------


def test_what_a_customer_looks_at_changes_their_next_list(trained):
    Customer.objects.create(key="newcomer", gender="F")
    before = recommend(customer="newcomer", count=8)
    for item in ("P3", "P7", "P11"):
        look(item, customer="newcomer")
    after = recommend(customer="newcomer", count=8)
    assert categories(after).count("Garden") > categories(before).count("Garden") + 2
    assert not {"P3", "P7", "P11"} & set(keys(after))
    kinds = {reason.kind for item in after.items for reason in item.reasons}
    assert "because_you_viewed" in kinds
    assert "because_you_bought" not in kinds


def test_views_of_yesterday_and_of_what_was_bought_change_nothing(trained):
    before = keys(recommend(customer="C2", count=8))
    look("P3", customer="C2", days_ago=2)
    look(next(iter(bought_by("C2"))), customer="C2")
    assert keys(recommend(customer="C2", count=8)) == before
