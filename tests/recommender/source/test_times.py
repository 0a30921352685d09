"""What cannot have happened when it says is told at the door, and in no list where it is stored already."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.models import Event
from recommender.serving import customers as people
from recommender.serving import live as serving
from recommender.serving.kinds.together import bought_with
from recommender.serving.tally import read_tally
from recommender.source.declaration import get_source
from recommender.source.times import credible_time
from tests.recommender.api.test_api import ada, stranger  # noqa: F401 (fixtures)
from tests.recommender.lists import also_viewed, popular
from tests.recommender.serving.test_recommendations import keys

EVENTS = "/api/v1/events/"
FAR_AHEAD, LONG_AGO = datetime(9998, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def eve() -> Customer:
    for key in ("lamp", "sofa", "rug"):
        Product.objects.create(key=key, name=key)
    return Customer.objects.create(key="eve")


def buy(customer: Customer, product: str, time: datetime = NOON, **fields) -> Purchase:
    return Purchase.objects.create(customer=customer, product=Product.objects.get(key=product), time=time, **fields)


def look(item: str, session: str, time: datetime) -> None:
    Event.objects.create(kind="view", item=item, session=session, time=time)


# --- at the door ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"])
def test_an_event_at_a_time_that_cannot_be_true_is_refused_by_name(stocked, api_key, ada, stranger, moment):  # noqa: F811
    told = {"kind": "view", "item": "P1", "time": moment}
    for client in (api_key, ada, stranger):
        refused = client.post(EVENTS, told, format="json")
        assert refused.status_code == 400
        assert [error["field"] for error in refused.json()["errors"]] == ["time"]
    assert not Event.objects.exists()


def test_the_event_of_a_visitor_carries_the_servers_time(stocked, stranger, ada, api_key):  # noqa: F811
    before = timezone.now()
    told = {"kind": "view", "item": "P1", "time": (before - timedelta(hours=5)).isoformat()}
    for client in (stranger, ada, api_key):
        assert client.post(EVENTS, told, format="json").status_code == 201
    of_visitor, of_ada, of_key = Event.objects.order_by("pk")
    assert of_visitor.time >= before
    assert of_ada.time == of_key.time == before - timedelta(hours=5)


# --- what is stored already -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [FAR_AHEAD, LONG_AGO, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_a_purchase_of_another_age_is_in_nobodys_history(eve, moment):
    buy(eve, "lamp", feedback="Good")
    buy(eve, "sofa", moment, feedback="Bad", amount=1000)
    person = people.find_customers(["eve"])["eve"].person
    assert [event.item for event in person.history] == ["lamp"]
    assert person.history[-1].values["feedback"] == "Good"


def test_a_purchase_in_a_day_and_a_half_is_not_the_latest_yet(eve):
    buy(eve, "lamp", timezone.now() + timedelta(hours=23))
    buy(eve, "sofa", timezone.now() + timedelta(hours=36))
    assert [event.item for event in people.find_customers(["eve"])["eve"].person.history] == ["lamp"]


def test_however_many_lie_ahead_the_history_is_what_happened(eve):
    for n in range(7):
        buy(eve, "sofa", FAR_AHEAD + timedelta(minutes=n), amount=1)
        buy(eve, "lamp", NOON + timedelta(minutes=n), amount=10)
    person = people.find_customers(["eve"], max_history=5)["eve"].person
    assert {event.item for event in person.history} == {"lamp"}
    assert (person.purchases, person.profile["amount"], person.profile["total_purchases"]) == (7, 70, 7)


def test_a_purchase_of_another_age_counts_for_no_list(eve):
    others = [Customer.objects.create(key=f"c{n}") for n in range(5)]
    for customer in others:
        buy(customer, "lamp", FAR_AHEAD)
        buy(customer, "rug", FAR_AHEAD)
    buy(eve, "sofa", timezone.now() - timedelta(days=1))
    buy(others[0], "sofa", timezone.now() - timedelta(days=2))
    tally = read_tally(get_source())
    assert {Product.objects.get(pk=pk).key for pk in tally.counts} == {"sofa"}
    assert [Product.objects.get(pk=pk).key for pk, _ in tally.trends] == ["sofa"]
    assert keys(popular(count=3))[0] == "sofa"
    assert len(bought_with([Product.objects.get(key="lamp").pk], serving.live_catalog()).rows) == 0


@pytest.mark.parametrize("moment", [FAR_AHEAD, LONG_AGO])
def test_an_event_of_another_age_pins_nothing_to_what_others_viewed(eve, moment):
    for n in range(210):
        look("lamp", f"bot{n}", moment)
        look("rug", f"bot{n}", moment)
    for n in range(5):
        look("lamp", f"s{n}", timezone.now())
        look("sofa", f"s{n}", timezone.now())
    assert keys(also_viewed(item="lamp", count=2))[0] == "sofa"


def test_times_may_be_days_or_seconds_and_follow_relations():
    class ByDay(type(get_source())):
        interactions = Customer.objects.all()
        interaction_time = "user__date_joined"

    assert "date_joined" in str(ByDay.interactions.filter(credible_time(ByDay())).query)


# --- identical rows ---------------------------------------------------------------------------------------------------


def test_a_purchase_stored_twice_is_one_in_the_history_with_the_money_of_both(eve):
    buy(eve, "lamp", amount=10, rating=4)
    buy(eve, "sofa", amount=1)
    buy(eve, "lamp", amount=5, feedback="Good")
    person = people.find_customers(["eve"])["eve"].person
    assert [(event.item, event.rating, event.values["amount"]) for event in person.history] == [
        ("sofa", None, 1),
        ("lamp", 4.0, 15),
    ]
    for _ in range(3):
        buy(eve, "lamp", amount=5)
    person = people.find_customers(["eve"], max_history=4)["eve"].person  # as many rows, and fewer purchases
    assert [(event.item, event.values["amount"]) for event in person.history] == [("sofa", 1), ("lamp", 30)]
    person = people.find_customers(["eve"], max_history=0)["eve"].person
    assert [(event.item, event.values["amount"]) for event in person.history] == [("lamp", 30)]
    assert (person.purchases, person.profile["amount"], person.profile["total_purchases"]) == (2, 31, 2)


def test_a_view_of_year_one_that_was_taken_once_can_be_shown_wherever_the_shop_is(settings, client, eve):
    eve.user = User.objects.create_user("eve")
    eve.save()
    Event.objects.create(kind="view", item="lamp", customer="eve", time=LONG_AGO)
    migration = import_module("recommender.migrations.0012_moments_that_can_be_shown")
    migration.move_within_every_calendar(apps, SimpleNamespace(connection=connection))
    settings.TIME_ZONE = "America/New_York"
    client.force_login(eve.user)
    assert client.get("/account/history/").status_code == 200
