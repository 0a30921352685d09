"""Every list is on record for a while; what it brought is counted by day, credited once, and stays."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db.models import Sum
from django.test import Client
from django.utils import timezone

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender import serving, tasks
from recommender.feedback import counts as list_counts
from recommender.feedback.counts import BUCKETS, bucket_of, count_lists, prune_lists
from recommender.feedback.events import record_event
from recommender.feedback.results import list_results
from recommender.models import Event, ListCount, ModelVersion, ServedList
from tests.recommender import lists

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
DAY = NOON.date()
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return Customer.objects.create(key="ada")


@pytest.fixture
def lamp():
    return Product.objects.create(key="lamp", name="Lamp")


def served(customer="ada", at=NOON, scenario="home", source="two_tower", items=("lamp", "desk"), version=None):
    made = ServedList.objects.create(
        customer=customer,
        scenario=scenario,
        source=source,
        items=list(items),
        length=len(items),
        bucket=bucket_of(customer),
        version=version,
    )
    ServedList.objects.filter(pk=made.pk).update(created=at)
    return made


def click(on, item="lamp", after=HOUR, kind="click", customer=None, at=NOON):
    customer = on.customer if customer is None else customer
    return Event.objects.create(kind=kind, item=item, customer=customer, recommendation=on, time=at + after)


def bought(customer, product, after, amount="20.00"):
    return Purchase.objects.create(customer=customer, product=product, time=NOON + after, amount=Decimal(amount))


def only(first=DAY, last=DAY):
    (found,) = list_results(first, last)
    return found


# --- counting ---------------------------------------------------------------------------------------------------------


def test_a_purchase_of_what_was_clicked_is_credited_to_the_list(ada, lamp):
    shown = served(version=ModelVersion.objects.create(name="v7"))
    click(shown)
    bought(ada, lamp, after=2 * HOUR)
    count_lists(DAY, DAY)
    row = only()
    assert (row.scenario, row.source, row.version) == ("home", "two_tower", "v7")
    assert (row.lists, row.views, row.clicks, row.clicked, row.orders, row.revenue) == (1, 2, 1, 1, 1, 20.0)


def test_what_was_only_seen_or_bought_before_the_click_or_by_another_is_credited_nothing(ada, lamp):
    shown = served()
    Event.objects.create(kind="view", item="lamp", customer="ada", recommendation=shown, time=NOON)
    bought(ada, lamp, after=HOUR)
    click(shown, after=2 * HOUR)
    bob = Customer.objects.create(key="bob")
    bought(bob, lamp, after=3 * HOUR)
    bought(ada, Product.objects.create(key="desk", name="Desk"), after=3 * HOUR)
    count_lists(DAY, DAY)
    assert (only().clicks, only().orders, only().revenue) == (1, 0, 0.0)


def test_the_last_click_has_it_and_nothing_is_credited_twice(ada, lamp):
    first, last = served(), served(scenario="cart")
    click(first)
    click(last, after=2 * HOUR, kind="add_to_cart")
    bought(ada, lamp, after=3 * HOUR)
    count_lists(DAY, DAY)
    assert {row.scenario: row.orders for row in list_results(DAY, DAY)} == {"home": 0, "cart": 1}


@pytest.mark.parametrize(("days", "credited"), [(6.9, 1), (7.1, 0)])
def test_a_click_holds_for_seven_days(ada, lamp, days, credited):
    click(served(), after=timedelta(0))
    bought(ada, lamp, after=timedelta(days=days))
    count_lists(DAY, DAY)
    assert only().orders == credited


def test_how_long_a_click_holds_is_a_setting(ada, lamp, settings):
    settings.RECOMMENDER_ATTRIBUTION_DAYS = 1
    click(served())
    bought(ada, lamp, after=timedelta(days=2))
    count_lists(DAY, DAY)
    assert only().orders == 0


def test_a_purchase_without_an_amount_is_an_order_worth_nothing(ada, lamp):
    click(served())
    Purchase.objects.create(customer=ada, product=lamp, time=NOON + 2 * HOUR)
    count_lists(DAY, DAY)
    assert (only().orders, only().revenue) == (1, 0.0)


def test_counting_twice_changes_nothing_and_later_clicks_are_added(ada, lamp):
    shown = served()
    count_lists(DAY, DAY)
    count_lists(DAY, DAY)
    assert (only().lists, only().clicks) == (1, 0)
    click(shown, after=timedelta(days=3))
    count_lists(DAY, DAY)
    assert (only().lists, only().clicks) == (1, 1)


def test_a_day_begins_where_the_site_is(ada, settings):
    settings.TIME_ZONE = "Pacific/Auckland"  # thirteen hours before UTC in January
    timezone.get_default_timezone.cache_clear()
    try:
        evening = datetime(2026, 1, 31, 23, 30, tzinfo=ZoneInfo("Pacific/Auckland"))
        for at in (evening, evening + HOUR):
            served(at=at)
        count_lists(evening.date(), evening.date() + timedelta(days=1))
        assert sorted(str(row.day) for row in ListCount.objects.all()) == ["2026-01-31", "2026-02-01"]
        assert [row.lists for row in ListCount.objects.all()] == [1, 1]
    finally:
        settings.TIME_ZONE = "UTC"
        timezone.get_default_timezone.cache_clear()


def test_days_that_nobody_counted_are_made_up_for(ada):
    old = timezone.now() - timedelta(days=60)
    served(at=old)
    call_command("count_lists")
    assert only(old.date(), timezone.now().date()).lists == 1
    tasks.count_lists()
    assert only(old.date(), timezone.now().date()).lists == 1


# --- results ----------------------------------------------------------------------------------------------------------


def planted(source, people, clickers, revenue=0.0):
    """Lists of so many people, one each, of whom some click and buy. People of one bucket are nothing special."""
    for n in range(people):
        person = f"{source}-{n}"
        clicked = n < clickers
        row, _ = ListCount.objects.get_or_create(day=DAY, scenario="home", source=source, bucket=bucket_of(person))
        row.lists += 1
        row.views += 10
        row.clicked += clicked
        row.clicks += clicked
        row.orders += clicked
        row.revenue += revenue * clicked
        row.save()


def test_the_popular_list_is_the_yardstick():
    planted("two_tower", people=600, clickers=180, revenue=10.0)
    planted("popular", people=600, clickers=60, revenue=10.0)
    model, popular = list_results(DAY, DAY)
    assert model.click_rate.value == pytest.approx(0.3)
    assert model.click_rate.low < 0.3 < model.click_rate.high
    assert model.click_rate_beside_popular.value == pytest.approx(0.2)
    assert model.click_rate_beside_popular.low > 0.1
    assert model.revenue_beside_popular.value == pytest.approx(2.0)
    assert model.revenue_per_list.low > popular.revenue_per_list.high
    assert popular.is_popular
    assert popular.click_rate_beside_popular is None


def test_of_few_clicks_there_is_a_rate_and_no_interval():
    planted("two_tower", people=50, clickers=4)
    assert only().click_rate.value == pytest.approx(0.08)
    assert only().click_rate.low is None


def test_intervals_hold_what_they_promise_where_people_come_back_often():
    """People with clicks of their own liking, up to forty lists each: nine in ten intervals and more hold the truth."""
    import numpy as np

    rng, held, tries = np.random.default_rng(3), 0, 200
    buckets = np.array([bucket_of(f"C{n}") for n in range(400)])
    for _ in range(tries):
        lists = rng.integers(1, 41, 400)
        liking = rng.beta(0.5, 4.5, 400)  # 10 % on average
        clicked = rng.binomial(lists, liking)
        ListCount.objects.all().delete()
        ListCount.objects.bulk_create(
            ListCount(
                day=DAY,
                source="two_tower",
                bucket=b,
                lists=lists[buckets == b].sum(),
                clicked=clicked[buckets == b].sum(),
            )
            for b in range(BUCKETS)
        )
        rate = only().click_rate
        held += rate.low <= 0.1 <= rate.high
    assert 0.9 * tries <= held <= 0.99 * tries


def test_a_year_of_lists_costs_one_query(django_assert_num_queries):
    ListCount.objects.bulk_create(
        ListCount(day=DAY - timedelta(days=d), scenario=s, source="two_tower", bucket=b, lists=1)
        for d in range(365)
        for s in ("home", "cart")
        for b in range(BUCKETS)
    )
    with django_assert_num_queries(1):
        found = list_results(DAY - timedelta(days=364), DAY)
    assert [row.lists for row in found] == [365 * BUCKETS] * 2


# --- what is on record ------------------------------------------------------------------------------------------------


DOORS = {
    "home": lambda: serving.recommend(customer="C0"),
    "batch": lambda: serving.recommend_many([serving.ListRequest(customer="C0", scenario="batch")]),
    "cart": lambda: lists.cart(["P3"], customer="C0"),
    "popular": lambda: lists.popular(customer="C0"),
    "trending": lambda: lists.trending(customer="C0"),
    "similar": lambda: lists.similar("P3", customer="C0"),
    "bought_together": lambda: lists.bought_together("P3", customer="C0"),
    "also_viewed": lambda: lists.also_viewed("P3", customer="C0"),
    "recently_viewed": lambda: lists.recently_viewed(["P3"], customer="C0"),
}


@pytest.mark.parametrize("scenario", DOORS)
def test_every_door_puts_one_row_a_list_on_record_and_none_of_who_opted_out(trained, scenario):
    DOORS[scenario]()
    made = ServedList.objects.get(scenario=scenario)
    assert made.customer == "C0"
    assert made.length == len(made.items) > 0
    assert made.bucket == bucket_of("C0")
    ServedList.objects.all().delete()
    Customer.objects.filter(key="C0").update(personalisation=False)
    DOORS[scenario]()
    assert not ServedList.objects.exists()


def test_old_lists_go_and_what_they_brought_stays(ada, settings):
    settings.RECOMMENDER_KEEP_LISTS = 30
    now = timezone.now()
    old, kept = served(at=now - timedelta(days=31)), served(at=now - timedelta(days=29))
    click(old, at=now - timedelta(days=31))
    call_command("count_lists")
    assert list(ServedList.objects.all()) == [kept]
    assert Event.objects.get().recommendation is None
    found = only((now - timedelta(days=40)).date(), now.date())
    assert (found.lists, found.clicks) == (2, 1)
    call_command("count_lists")
    assert only((now - timedelta(days=40)).date(), now.date()) == found


def test_lists_that_may_still_be_credited_are_kept_whatever_is_set(ada, settings):
    settings.RECOMMENDER_KEEP_LISTS = 0
    served(at=timezone.now() - timedelta(days=14))
    assert prune_lists() == 0
    served(at=timezone.now() - timedelta(days=17))
    assert prune_lists() == 1


def test_pruning_goes_in_steps(ada, settings, monkeypatch):
    monkeypatch.setattr(list_counts, "BATCH_SIZE", 2)
    for _ in range(5):
        served(at=timezone.now() - timedelta(days=200))
    assert prune_lists() == 5
    assert not ServedList.objects.exists()


# --- clicks on pages --------------------------------------------------------------------------------------------------


def test_a_link_of_a_card_makes_the_visit_a_click_on_its_list(client, trained):
    page = client.get("/").content.decode()
    address, item, listed = re.search(r'href="(/products/([^/"]+)/\?list=([-0-9a-f]+))"', page).groups()
    shown = ServedList.objects.get(pk=listed)
    client.get(address)
    client.get(address)
    event = Event.objects.get(kind="click")
    assert (event.item, event.recommendation) == (item, shown)


@pytest.mark.parametrize("given", ["nonsense", "00000000-0000-4000-8000-000000000001", ""])
def test_a_list_that_is_not_on_record_makes_it_a_view(client, trained, given):
    assert client.get(f"/products/P3/?list={given}").status_code == 200
    assert Event.objects.get().kind == "view"


def test_a_link_passed_on_is_no_click_of_whom_the_list_was_for(client, trained):
    shown = serving.recommend(customer="C0", count=3)
    client.get(f"/products/{shown.items[0].item}/?list={shown.recommendation_id}")
    assert Event.objects.get().kind == "view"


def test_an_item_that_the_list_did_not_hold_was_not_clicked_in_it(client, trained):
    shown = lists.popular(3)
    other = next(f"P{n}" for n in range(48) if f"P{n}" not in [row.item for row in shown.items])
    client.get(f"/products/{other}/?list={shown.recommendation_id}")
    assert Event.objects.get().kind == "view"


# --- events that count for a list -------------------------------------------------------------------------------------


def shown_to(reader, **options) -> tuple[str, list[str]]:
    """The id and the items of a list that this reader asks the API for."""
    body = reader.post("/api/v1/recommendations/", {"count": 3, **options}, "application/json").json()
    return body["recommendation_id"], [row["item"] for row in body["items"]]


def tell(reader, listed, item, kind="click", **more):
    told = {"kind": kind, "item": item, "recommendation_id": listed, **more}
    response = reader.post("/api/v1/events/", told, "application/json")
    assert response.status_code == 201, response.content


def clicks() -> tuple[int, int]:
    """Clicks and lists clicked on of all lists served today."""
    count_lists(timezone.localdate(), timezone.localdate())
    return tuple(ListCount.objects.aggregate(Sum("clicks"), Sum("clicked")).values())


def test_a_visitors_click_counts_once_however_often_it_is_told(client, trained):
    listed, items = shown_to(client)
    for number in range(20):
        tell(client, listed, items[0], event_id=f"e-{number}")
        tell(client, listed, items[0])
    tell(client, listed, items[0], kind="add_to_cart")
    assert clicks() == (1, 1)
    tell(client, listed, items[1])
    assert clicks() == (2, 1)


def test_a_visitors_click_on_what_the_list_did_not_hold_counts_for_nothing(client, trained):
    listed, items = shown_to(client)
    tell(client, listed, next(f"P{n}" for n in range(48) if f"P{n}" not in items))
    assert clicks() == (0, 0)
    assert Event.objects.count() == 1


def test_a_visitors_click_on_a_list_of_somebody_else_counts_for_nothing(client, trained):
    theirs = serving.recommend(customer="C0", count=3)
    tell(client, theirs.recommendation_id, theirs.items[0].item)
    listed, items = shown_to(Client())
    tell(client, listed, items[0])
    assert clicks() == (0, 0)


@pytest.mark.parametrize("address", ["recommendations/popular/", "recommendations/trending/", "products/P1/similar/"])
def test_a_list_of_every_address_is_clicked_on_by_its_reader_alone(client, trained, address):
    body = client.get(f"/api/v1/{address}?count=3").json()
    tell(Client(), body["recommendation_id"], body["items"][0]["item"])
    assert clicks() == (0, 0)
    tell(client, body["recommendation_id"], body["items"][0]["item"])
    assert clicks() == (1, 1)


def test_a_page_counts_clicks_of_its_reader_alone(client, trained):
    page = client.get("/").content.decode()
    address = re.search(r'href="(/products/[^/"]+/\?list=[-0-9a-f]+)"', page).group(1)
    Client().get(address)
    assert clicks() == (0, 0)
    client.get(address)
    assert clicks() == (1, 1)


def test_a_customers_click_counts_on_their_own_list_once(client, trained):
    mine, theirs = serving.recommend(customer="C0", count=3), serving.recommend(customer="C1", count=3)
    user = User.objects.create_user("ada")
    Customer.objects.filter(key="C0").update(user=user)
    client.force_login(user)
    tell(client, theirs.recommendation_id, theirs.items[0].item)
    assert clicks() == (0, 0)
    for _ in range(5):
        tell(client, mine.recommendation_id, mine.items[0].item)
    tell(client, mine.recommendation_id, next(f"P{n}" for n in range(48) if f"P{n}" not in str(mine.items)))
    assert clicks() == (1, 1)


def test_who_signs_in_still_clicks_on_what_they_were_shown_before(client, trained):
    listed, items = shown_to(client)
    user = User.objects.create_user("ada", password="a-long-password")
    Customer.objects.filter(key="C0").update(user=user)
    client.login(username="ada", password="a-long-password")
    tell(client, listed, items[0])
    assert clicks() == (1, 1)


def test_a_list_made_for_nobody_in_particular_is_its_first_visitors(trained):
    made, first, second = lists.popular(3), Client(), Client()
    tell(first, made.recommendation_id, made.items[0].item)
    tell(second, made.recommendation_id, made.items[1].item)
    assert clicks() == (1, 1)
    tell(first, made.recommendation_id, made.items[2].item)
    assert clicks() == (2, 1)


def test_two_clicks_at_once_count_once(trained, monkeypatch):
    made = lists.popular(3)
    monkeypatch.setattr(
        "recommender.feedback.events._has_event", lambda *row: False
    )  # both look before either is stored
    for _ in range(2):
        record_event(kind="click", item=made.items[0].item, recommendation_id=uuid.UUID(made.recommendation_id))
    assert (Event.objects.count(), clicks()) == (2, (1, 1))
