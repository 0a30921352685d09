"""The generated shop: the same for the same numbers, and its tastes are really there."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db.models import Avg, Count
from django.test import TestCase

from catalog.models import Product
from customers import seeding
from customers.errors import SeedRefused
from customers.models import Customer, Purchase
from customers.seeding import ShopSize, seed_shop
from customers.tastes import INTERESTS

pytestmark = pytest.mark.django_db

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def run_seed(capsys):
    def run(**numbers: object) -> str:
        call_command("seed_shop", *(f"--{name}={value}" for name, value in numbers.items()))
        return capsys.readouterr().out

    return run


def shop() -> tuple:
    """All that was generated, without primary keys and the times of storing."""
    return (
        list(Customer.objects.order_by("key").values_list("key", "name", "age", "gender", "city", "income", "segment")),
        list(Product.objects.order_by("key").values_list("key", "name", "category", "brand", "type", "price")),
        list(
            Purchase.objects.order_by("external_id").values_list(
                "external_id", "customer__key", "product__key", "time", "quantity", "amount", "rating", "feedback",
                "shipping_method", "payment_method", "order_status",
            )
        ),
    )  # fmt: skip


def empty() -> None:
    for model in (Purchase, Customer, Product):
        model.objects.all().delete()


def planted(size: ShopSize) -> dict[str, set[str]]:
    """For each customer of this shop, the names of the interests that were planted."""
    interests = INTERESTS[: max(2, size.products // seeding.PRODUCTS_PER_INTEREST)]
    rng = np.random.default_rng(size.seed)
    seeding.make_products(size, interests, rng)
    customers, people = seeding.make_customers(size, interests, rng)
    return {
        customer.key: {interests[number].name for number in person.interests}
        for customer, person in zip(customers, people, strict=True)
    }


def interest_of(description: str) -> str:
    return description.split("people who like ")[1].rstrip(".")


def test_the_shop_has_the_size_that_was_asked_for(run_seed):
    told = run_seed(customers=60, products=50, purchases=700, seed=3)
    assert "New: 60 customers, 50 products, 700 purchases (seed 3; a typical customer is S3-C1)." in told
    assert (Customer.objects.count(), Product.objects.count(), Purchase.objects.count()) == (60, 50, 700)
    assert Product.objects.values("name").distinct().count() == 50


def test_the_same_numbers_make_the_same_shop():
    size = ShopSize(customers=80, products=60, purchases=900, seed=4)
    seed_shop(size=size, until=UNTIL)
    first = shop()
    empty()
    seed_shop(size=size, until=UNTIL)
    assert shop() == first


def test_another_seed_makes_another_shop():
    seed_shop(size=ShopSize(customers=80, products=60, purchases=900, seed=4), until=UNTIL)
    bought = Counter(Purchase.objects.values_list("product__type", flat=True))
    empty()
    seed_shop(size=ShopSize(customers=80, products=60, purchases=900, seed=5), until=UNTIL)
    assert Counter(Purchase.objects.values_list("product__type", flat=True)) != bought


def test_the_day_moves_the_purchases_and_nothing_else():
    size = ShopSize(customers=30, products=40, purchases=300, seed=4)
    seed_shop(size=size, until=UNTIL)
    first = list(Purchase.objects.order_by("external_id").values_list("customer__key", "product__key", "time"))
    empty()
    seed_shop(size=size, until=UNTIL + timedelta(days=10))
    later = list(Purchase.objects.order_by("external_id").values_list("customer__key", "product__key", "time"))
    assert [(who, what, time + timedelta(days=10)) for who, what, time in first] == later


def test_a_second_run_changes_nothing_not_even_on_another_day(run_seed):
    run_seed(customers=50, products=40, purchases=600, seed=2, until="2026-03-01")
    models = (Customer, Product, Purchase)
    before = [list(model.objects.order_by("pk").values_list()) for model in models]
    told = run_seed(customers=50, products=40, purchases=600, seed=2, until="2026-05-01")
    assert "New: 0 customers, 0 products, 0 purchases" in told
    assert [list(model.objects.order_by("pk").values_list()) for model in models] == before


def test_the_same_seed_in_another_size_is_refused(run_seed):
    run_seed(customers=20, products=20, purchases=100, seed=2)
    with pytest.raises(CommandError, match="Seed 2 is in this database in another size"):
        run_seed(customers=20, products=21, purchases=100, seed=2)
    assert (Customer.objects.count(), Product.objects.count(), Purchase.objects.count()) == (20, 20, 100)


def test_the_same_seed_in_another_size_is_refused_even_where_nothing_was_bought(run_seed):
    run_seed(customers=20, products=20, purchases=0, seed=2)
    with pytest.raises(CommandError, match="Seed 2 is in this database in another size"):
        run_seed(customers=30, products=40, purchases=0, seed=2)
    assert (Customer.objects.count(), Product.objects.count()) == (20, 20)


def test_two_seeds_live_beside_each_other(run_seed):
    run_seed(customers=20, products=20, purchases=100, seed=2)
    run_seed(customers=30, products=40, purchases=200, seed=22)
    assert (Customer.objects.count(), Product.objects.count(), Purchase.objects.count()) == (50, 60, 300)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"customers": 0}, "--customers is 0; a shop has at least one."),
        ({"products": -1}, "--products is -1; a shop has at least one."),
        ({"purchases": -1}, "--purchases is -1; it cannot be negative."),
        ({"seed": -1}, "--seed is -1; it is a number from 0 up."),
    ],
)
def test_a_shop_that_cannot_be_made_is_refused_in_one_sentence(run_seed, numbers, sentence):
    with pytest.raises(CommandError) as caught:
        run_seed(**numbers)
    assert str(caught.value) == sentence
    assert not Customer.objects.exists()


def test_a_day_that_is_none_is_refused(run_seed):
    with pytest.raises(CommandError, match="argument --until: invalid day value: 'soon'"):
        run_seed(until="soon")


@pytest.mark.parametrize("products", [1, 2, 3, 39, 41])
def test_the_smallest_shops_can_be_made(products):
    seed_shop(size=ShopSize(customers=1, products=products, purchases=7, seed=1), until=UNTIL)
    assert (Customer.objects.count(), Product.objects.count(), Purchase.objects.count()) == (1, products, 7)


def test_a_large_catalog_has_a_name_of_its_own_for_each_product():
    seed_shop(size=ShopSize(customers=1, products=3000, purchases=0, seed=1), until=UNTIL)
    assert Product.objects.values("name").distinct().count() == 3000
    assert Product.objects.filter(name="iPhone 14", brand="Apple", type="Smartphone", category="Electronics").exists()


def test_a_shop_that_could_not_be_finished_is_not_begun(monkeypatch):
    def breaks_off(*args: object) -> list[Purchase]:
        raise SeedRefused("the power went out")

    monkeypatch.setattr(seeding, "make_purchases", breaks_off)
    with pytest.raises(SeedRefused):
        seed_shop(size=ShopSize(customers=10, products=10, purchases=10, seed=1), until=UNTIL)
    assert not Customer.objects.exists()
    assert not Product.objects.exists()


# --- planted tastes ---------------------------------------------------------------------------------------------------


def test_no_two_people_need_want_the_same_and_each_wants_little():
    wanted = planted(ShopSize(customers=300, products=240, purchases=0, seed=7))
    assert {len(interests) for interests in wanted.values()} == {1, 2, 3}
    assert len({frozenset(interests) for interests in wanted.values()}) > 50


class TestPlantedTastes(TestCase):
    """What a shop of 300 people buys."""

    @classmethod
    def setUpTestData(cls):
        cls.size = ShopSize(customers=300, products=240, purchases=9000, seed=7)
        seed_shop(size=cls.size, until=UNTIL)

    def test_most_of_what_a_person_buys_lies_within_that_persons_interests(self):
        wanted = planted(self.size)

        within: dict[str, list[bool]] = defaultdict(list)
        for who, described in Purchase.objects.values_list("customer__key", "product__description"):
            within[who].append(interest_of(described) in wanted[who])

        shares = [np.mean(purchases) for purchases in within.values() if len(purchases) >= 15]
        assert len(shares) > 150
        assert 0.8 < np.mean(shares) < 0.9  # four in five, and some of the rest by chance
        assert np.mean(np.array(shares) > 0.5) > 0.99

    def test_popularity_has_a_long_tail(self):
        sold = sorted(Product.objects.annotate(n=Count("purchases")).values_list("n", flat=True), reverse=True)
        assert sum(sold[:24]) > 2 * 0.1 * 9000  # the first tenth sells more than twice its share
        assert sum(n > 0 for n in sold) > 0.9 * 240

    def test_tastes_lean_to_gender_and_age_so_that_a_bare_profile_says_something(self):
        def buyers(like: str) -> Counter:
            return Counter(
                Purchase.objects.filter(product__description__contains=f"like {like}.").values_list(
                    "customer__gender", flat=True
                )
            )

        assert buyers("fashion")["Female"] > 2 * buyers("fashion")["Male"]
        assert buyers("gaming")["Male"] > 2 * buyers("gaming")["Female"]
        ages = {
            like: Purchase.objects.filter(product__description__contains=f"like {like}.").aggregate(
                Avg("customer__age")
            )
            for like in ("gaming", "novels")
        }
        assert ages["novels"]["customer__age__avg"] > ages["gaming"]["customer__age__avg"] + 8

    def test_one_kind_of_product_leads_to_the_next(self):
        """Who bought running shoes buys running socks before anything else that has to do with running."""
        bought: Counter = Counter()
        after_shoes: Counter = Counter()
        last: dict[str, str] = {}
        running = Purchase.objects.filter(product__description__contains="like running.").order_by(
            "customer", "time", "id"
        )
        for who, kind in running.values_list("customer__key", "product__type"):
            bought[kind] += 1
            if last.get(who) == "Running shoes":
                after_shoes[kind] += 1
            last[who] = kind
        assert after_shoes.most_common(1)[0][0] == "Running socks"
        assert after_shoes["Running socks"] / after_shoes.total() > 1.8 * bought["Running socks"] / bought.total()

    def test_ratings_are_higher_for_what_a_person_likes_and_a_third_is_not_rated(self):
        wanted = planted(self.size)
        stars: dict[bool, list[float]] = {True: [], False: []}
        rows = Purchase.objects.values_list("customer__key", "product__description", "rating")
        for who, described, rating in rows:
            if rating is not None:
                stars[interest_of(described) in wanted[who]].append(float(rating))
        assert np.mean(stars[True]) > np.mean(stars[False]) + 1
        assert 0.3 < Purchase.objects.filter(rating=None).count() / 9000 < 0.36
        assert all(1 <= star <= 5 for star in stars[True] + stars[False])

    def test_purchases_lie_in_the_eighteen_months_before_the_day(self):
        times = Purchase.objects.order_by("time").values_list("time", flat=True)
        assert UNTIL - timedelta(days=548) <= times[0]
        assert times[len(times) - 1] < UNTIL
        old = Purchase.objects.filter(time__lt=UNTIL - timedelta(days=8))
        assert set(old.values_list("order_status", flat=True)) == {"Delivered"}
