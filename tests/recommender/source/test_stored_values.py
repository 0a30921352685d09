"""What is stored in a shop and cannot be true is left out of lists and counts as it is left out of learning; and the
shop may be another than ours: its names follow relations, its keys may be missing."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import numpy as np
import pytest
from django.db import connection
from django.db.models import CharField, FloatField, Value
from django.db.models.functions import NullIf

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.engine.data.left_out import read_left_out
from recommender.errors import RecommendationError
from recommender.feedback.counts import amount_paid, can_credit_purchases, count_recent_lists
from recommender.feedback.events import record_event
from recommender.monitoring import drift
from recommender.serving import customers as people
from recommender.serving import predict_rating, recommend
from recommender.serving.reading import read_catalog
from recommender.serving.tally import Tally, read_newer, read_tally
from recommender.source import Mark
from recommender.source.checks import check_source
from recommender.source.declaration import Sum, get_source
from recommender.source.values import unix_seconds
from recommender.training.export import export_snapshot
from recsite.source import ShopSource
from tests.recommender.lists import popular, similar
from tests.recommender.source.test_source import problems

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


class Scored(ShopSource):
    """A shop that keeps ratings in a column without bounds."""

    interaction_rating = "amount"


class Wordy(ShopSource):
    """A shop that keeps a number of its customers, and one of its purchases, as text."""

    customers = Customer.objects.annotate(weight=Value("much", CharField()), height=Value("180", CharField()))
    all_customers = None
    customer_numerical = ("weight", "height", "paid")
    customer_categorical = ()
    customer_aliases: ClassVar = {}
    customer_from_interactions: ClassVar = {"paid": Sum("feedback")}


class Related(ShopSource):
    """A shop whose purchases have no moment of their own."""

    interaction_time = "customer__created"


class Keyless(ShopSource):
    """A shop some of whose products have no number."""

    items = Product.objects.annotate(number=NullIf("brand", Value("none")))
    item_key = "brand"


class Numbered(ShopSource):
    """A shop whose customers have numbers."""

    customer_key = "pk"


@pytest.fixture
def source(settings):
    def use(source):
        settings.RECOMMENDER_SOURCE = f"{source.__module__}.{source.__name__}"
        get_source.cache_clear()
        return get_source()

    yield use
    get_source.cache_clear()


def buy(customer, product, **fields) -> Purchase:
    return Purchase.objects.create(customer=customer, product=product, **{"time": NOON, **fields})


@pytest.mark.parametrize("stars", ["100", "5.01", "1000000000"])
def test_a_rating_beyond_five_costs_nobody_their_list(trained, source, stars):
    source(Scored)
    ada, lamp = Customer.objects.get(key="C0"), Product.objects.get(key="P1")
    Purchase.objects.filter(customer=ada).update(amount=None)
    buy(ada, lamp, amount=Decimal(stars))
    answer = recommend(customer="C0")
    assert (answer.source, answer.fallback_reason) == ("two_tower", None)
    assert all(event.rating is None for event in people.find_customers(["C0"])["C0"].person.history)
    assert 0 <= predict_rating(customer="C0", item="P1").rating <= 5


def test_a_rating_beyond_five_is_in_no_mean(source):
    shop = source(Scored)
    lamp = Product.objects.create(key="lamp", name="Lamp")
    ada, bob, eve = (Customer.objects.create(key=key) for key in ("ada", "bob", "eve"))
    first = buy(ada, lamp, amount=2)
    buy(bob, lamp, amount=100)
    buy(eve, lamp, amount=4)
    buy(eve, lamp, amount=99, time=NOON + timedelta(days=1))
    for tally in (read_tally(shop), read_newer(shop, Mark())):
        assert tally.counts[lamp.pk] == (3, 2, 6.0)
        assert tally.raters == (2, 6.0)
    buy(bob, lamp, amount=3, time=NOON + timedelta(days=2))
    assert read_newer(shop, Mark(last=Purchase.objects.order_by("pk")[3].pk)).counts[lamp.pk] == (0, 1, 3.0)
    assert first.pk


def test_text_that_is_no_number_is_missing_for_training_and_serving_alike(tmp_path, source):
    shop = source(Wordy)
    ada, lamp = Customer.objects.create(key="ada"), Product.objects.create(key="lamp", name="Lamp")
    for feedback in ("12,5", "7", ""):
        buy(ada, lamp, feedback=feedback, time=NOON + timedelta(days=len(feedback)))
    person = people.find_customers(["ada"])["ada"].person
    assert person.profile == {"weight": None, "height": 180.0}
    assert [event.values["feedback"] for event in person.history] == [None, 7.0, None]
    export_snapshot(source=shop, folder=tmp_path / "s")
    assert {(part.column, part.count) for part in read_left_out(tmp_path / "s")} == {("weight", 1), ("feedback", 1)}


def test_a_sum_of_text_is_told_by_check():
    features = {"customer_numerical": ["paid"], "customer_from_interactions": {"paid": Sum("feedback")}}
    assert problems(**features) == [
        "tests.recommender.source.test_source.Broken: customer_from_interactions['paid']: Sum('feedback') adds up a "
        "CharField, which holds no numbers."
    ]


@pytest.mark.skipif(connection.vendor == "mysql", reason="MariaDB holds no such number")
def test_an_infinite_category_is_counted(tmp_path):
    class Sized(ShopSource):
        items = Product.objects.annotate(size=Value(float("inf"), FloatField()))
        item_categorical = ("size",)
        item_aliases: ClassVar = {}

    Product.objects.create(key="lamp", name="Lamp")
    export_snapshot(source=Sized(), folder=tmp_path / "s")
    assert [(part.table, part.column, part.count) for part in read_left_out(tmp_path / "s")] == [("items", "size", 1)]


@pytest.mark.parametrize("paid", [None, float("inf"), float("-inf"), float("nan"), 1e308, Decimal("NaN")])
def test_a_broken_amount_is_no_revenue(paid):
    assert amount_paid([paid]) == 0
    assert amount_paid([]) == 0
    assert amount_paid([Decimal("12.30")]) == 12.3


def test_a_shop_whose_moments_follow_a_relation_is_watched_and_counted(trained, source):
    shop = source(Related)
    assert can_credit_purchases(shop)
    assert count_recent_lists() == 0
    assert drift.watch_drift(now=datetime.now(UTC))


@pytest.mark.parametrize("key", ["", "  "])
def test_a_product_without_a_key_is_in_no_list(source, key):
    shop = source(Keyless)
    lamp = Product.objects.create(key="1", name="Lamp", brand="L1")
    nameless = Product.objects.create(key="2", name="Rug", brand=key)
    ada = Customer.objects.create(key="ada")
    for product in (lamp, nameless):
        buy(ada, product)
    assert [item.item for item in popular().items] == ["L1"]
    assert similar("L1").items == ()
    assert list(read_catalog(shop, None, Tally()).keys) == ["L1"]


@pytest.mark.parametrize(
    "written", ["0{}", " {}", "{} ", "+{}", "{}.0", "99999999999999999999", "-9223372036854775809", "x"]
)
def test_a_number_written_otherwise_or_too_large_is_nobodys(source, written):
    source(Numbered)
    lamp, ada = Product.objects.create(key="lamp", name="Lamp"), Customer.objects.create(key="ada")
    key = written.format(ada.pk)
    assert recommend(customer=key).fallback_reason == "unknown_customer"
    assert predict_rating(customer=key, item=lamp.key).fallback_reason == "unknown_customer"
    with pytest.raises(RecommendationError, match="There is no customer"):
        record_event(kind="view", item=lamp.key, customer=key)
    assert recommend(customer=str(ada.pk)).fallback_reason == "no_model"
    assert record_event(kind="view", item=lamp.key, customer=str(ada.pk))[1]


@pytest.mark.parametrize("day", [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31), date(2024, 3, 10)])
def test_every_day_has_a_moment(settings, day):
    settings.TIME_ZONE = "America/New_York"
    assert np.sign(unix_seconds(day)) == (1 if day.year > 1970 else -1)


def test_a_site_without_time_zones_is_told_what_to_set(settings):
    settings.USE_TZ = False
    assert [problem.id for problem in check_source(None)] == ["recommender.E010"]
