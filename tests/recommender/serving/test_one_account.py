"""One account, or one visitor, with very many rows does not decide what others are shown."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from catalog.models import Product
from catalog.selectors import rated_at_least, with_rating
from customers.models import Customer, Purchase
from customers.selectors import rating_summaries, rating_summary
from recommender.models import Event
from recommender.monitoring import drift
from recommender.serving import live as serving
from recommender.serving import predict_rating
from recommender.serving.kinds import together
from recommender.serving.tally import read_tally
from recommender.source.declaration import get_source
from tests.recommender.lists import also_viewed, bought_together, popular, trending
from tests.recommender.serving.test_recommendations import keys
from tests.shop import START

MANY = 2_000


@pytest.fixture
def account(stocked) -> Customer:
    return Customer.objects.create(key="many")


def buys(customer, products, n=MANY, rating=None, start=START):
    found = list(Product.objects.filter(key__in=products).order_by("key"))
    Purchase.objects.bulk_create(
        Purchase(customer=customer, product=found[k % len(found)], time=start + timedelta(minutes=k), rating=rating)
        for k in range(n)
    )


@pytest.mark.parametrize("counted", ["at once", "one after the other"])
def test_purchases_of_one_account_do_not_lead_the_popular_list(account, counted):
    before = keys(popular(48))
    least = before[-3:]
    scores = {item.item: item.score for item in popular(48).items}
    buys(account, least)
    if counted == "at once":
        serving.forget_live_state()
    after = popular(48)
    assert keys(after)[:10] == before[:10]
    assert all(item.score - scores[item.item] == (item.item in least) for item in after.items)


def test_purchases_counted_one_after_the_other_are_counted_as_all_at_once(account):
    serving.live_catalog()
    ada, bob = Customer.objects.get(key="C0"), Customer.objects.get(key="C1")
    lamp = Product.objects.create(key="lamp", name="lamp")
    for customer, rating in ((ada, None), (ada, 4), (bob, 2), (bob, None), (account, 1)):
        Purchase.objects.create(customer=customer, product=lamp, rating=rating)
        counted = serving.live_state().tally
        whole = read_tally(get_source())
        assert dict(counted.counts) == dict(whole.counts)
    assert counted.counts[lamp.pk] == (3, 3, 7.0)


def test_who_changes_their_mind_is_heard_once_and_it_is_the_latest_word(account):
    lamp = Product.objects.create(key="lamp", name="lamp")
    for n, rating in enumerate((1, 1, 1, 5)):
        Purchase.objects.create(customer=account, product=lamp, rating=rating, time=START + timedelta(days=n))
    Purchase.objects.create(customer=account, product=lamp, time=START + timedelta(days=9))
    assert read_tally(get_source()).counts[lamp.pk] == (1, 1, 5.0)
    assert (rating_summary(lamp).average, rating_summary(lamp).count) == (5, 1)


def test_one_star_rows_of_one_account_leave_predicted_ratings(account):
    def predicted():
        serving.forget_live_state()
        return [predict_rating(item=f"P{n}").rating for n in range(48)]

    before = predicted()
    buys(account, [f"P{n}" for n in range(48)], rating=1)
    assert max(abs(now - was) for now, was in zip(predicted(), before, strict=True)) < 0.5


def test_one_star_rows_of_one_account_leave_the_stars_on_the_page(account):
    product = Product.objects.get(key="P1")
    before = rating_summary(product)
    buys(account, ["P1"], rating=1)
    after = rating_summary(product)
    assert after.count == before.count + 1
    assert before.average - after.average < 1
    assert rating_summaries([product])[product.pk] == after
    assert with_rating(Product.objects.filter(key="P1")).get().rating > 3
    assert product in rated_at_least(Product.objects.all(), 4)


def test_purchases_of_nobody_each_count_for_the_stars(account):
    """Whose customer was deleted keeps no rating; where one was imported without a customer, nobody is told apart."""
    lamp = Product.objects.create(key="lamp", name="lamp")
    for rating in (2, 4):
        Purchase.objects.create(customer=None, product=lamp, rating=rating)
    assert (rating_summary(lamp).average, rating_summary(lamp).count) == (3, 2)


def test_purchases_of_one_account_do_not_trend(account):
    newest = Purchase.objects.latest("time").time
    before = keys(trending(48))
    buys(account, before[-3:], start=newest - timedelta(days=1))
    serving.forget_live_state()
    assert keys(trending(48))[:10] == before[:10]


def test_one_account_hides_nobody_from_what_is_bought_together(account):
    before = keys(bought_together("P3"))
    newest = Purchase.objects.latest("time").time
    buys(account, ["P3", "P40"], start=newest + timedelta(minutes=1))
    after = bought_together("P3")
    assert after.source == "bought_together"
    assert set(keys(after)) == set(before)


@pytest.fixture
def views(stocked):
    cache.clear()
    moment = timezone.now() - timedelta(days=2)
    Event.objects.bulk_create(
        Event(kind="view", item=product, session=f"visitor-{visitor}", time=moment)
        for visitor in range(20)
        for product in (("P1", "P5") if visitor % 2 else ("P2", "P6"))
    )


def test_one_visitor_who_looks_again_and_again_hides_nobody_from_what_is_also_viewed(views, monkeypatch):
    monkeypatch.setattr(together, "LATEST_VIEWS", 500)
    before = also_viewed("P1")
    assert (before.source, keys(before)) == ("also_viewed", ["P5"])
    cache.clear()
    Event.objects.bulk_create(
        Event(kind="view", item=["P1", "P40"][n % 2], session="mad", time=timezone.now()) for n in range(MANY)
    )
    after = also_viewed("P1")
    assert (after.source, keys(after)) == ("also_viewed", ["P5"])
    assert after.items[0].score == pytest.approx(before.items[0].score, abs=0.3)


def test_views_of_one_customer_count_once_over_all_their_sessions(views, monkeypatch):
    Event.objects.bulk_create(
        Event(kind="view", item="P40", customer="C0", session=f"s{n}", time=timezone.now()) for n in range(50)
    )
    assert together._latest_views()["P40"] == 1


def test_one_account_is_not_the_whole_of_what_the_drift_watch_looks_at(account, trained):
    now = datetime(2026, 3, 1, tzinfo=UTC)
    for n in range(60):
        customer = Customer.objects.get(key=f"C{n}")
        product = Purchase.objects.filter(customer=customer).first().product
        Purchase.objects.create(customer=customer, product=product, time=now - timedelta(days=1, minutes=n))
    buys(account, ["P40"], n=drift.MAX_ROWS + 10, start=now - timedelta(hours=90))
    found = {(each.subject, each.field, each.measure): each for each in drift.watch_drift(now)}
    assert found["profiles", "gender", "psi"].counted == 61
    assert found["purchases", "category", "psi"].counted == 61
