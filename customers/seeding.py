"""A generated shop with planted tastes, for the demo, tests and benchmarks: a good list is visibly good.

Each customer has one to three interests, likelier or not by age, gender and income. Four purchases in five fall within
them, most of the rest follow popularity, which has a long tail. Within an interest people move on from one kind of
product to the next (running shoes, then running socks ...). Ratings are higher within one's interests, and carry the
product's quality and the customer's generosity.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

import numpy as np
from django.db import transaction

from catalog.models import Product
from customers.errors import SeedRefused
from customers.models import Customer, Purchase
from customers.profile import BY_NAME, PROFILE
from customers.tastes import COLOURS, FAMILIES, INTERESTS, MEN, PLACES, WOMEN, Interest
from customers.times import EARLIEST, time_problem

WITHIN_INTERESTS = 0.8
PRODUCTS_PER_INTEREST = 20  # a shop of 120 products gets six interests, and taste stays clear with few purchases each
SPAN = timedelta(days=548)
CHUNK = 2000
ALREADY_BOUGHT = 1e-4  # odds of a second purchase of what is not used up; above zero: one may own the whole shelf
NEXT_KIND = 6.0  # how much likelier the kind that comes after the last one bought is

PLANTED = {"age", "gender", "country", "state", "city", "income", "segment"}  # fields that tastes follow from
FEEDBACK = {1: "Bad", 2: "Bad", 3: "Average", 4: "Good", 5: "Excellent"}
SHIPPING = ("Standard", "Express", "Same-Day")
PAYMENTS = ("Credit Card", "Debit Card", "PayPal", "Cash")


@dataclass(frozen=True)
class ShopSize:
    customers: int
    products: int
    purchases: int
    seed: int

    def __post_init__(self) -> None:
        for name in ("customers", "products"):
            if getattr(self, name) < 1:
                raise SeedRefused(f"--{name} is {getattr(self, name)}; a shop has at least one.")
        if self.purchases < 0:
            raise SeedRefused(f"--purchases is {self.purchases}; it cannot be negative.")
        if self.seed < 0:
            raise SeedRefused(f"--seed is {self.seed}; it is a number from 0 up.")

    @property
    def purchase_prefix(self) -> str:
        return f"seed-{self.seed}-{self.customers}-{self.products}-{self.purchases}-"

    def product_key(self, number: int) -> str:
        return f"S{self.seed}-P{number + 1}"

    def customer_key(self, number: int) -> str:
        return f"S{self.seed}-C{number + 1}"


class Shelf(NamedTuple):
    """The products as arrays, for drawing purchases: all of length n, in the order of the products."""

    interest: np.ndarray  # int
    kind: np.ndarray  # int, place of the type within its interest
    popularity: np.ndarray  # float, any scale
    popularity_so_far: np.ndarray  # float, running sum
    of_interest: list[np.ndarray]  # int, for each interest the places of its products
    quality: np.ndarray  # float, stars above or below the average product
    price: np.ndarray  # float


class Person(NamedTuple):
    interests: np.ndarray  # int, one to three
    generosity: float  # stars
    shipping: str
    payment: str
    eagerness: float  # share of all purchases, any scale


class Seeded(NamedTuple):
    customers: int
    products: int
    purchases: int


def seed_shop(*, size: ShopSize, until: datetime, progress: Callable[[int], None] = lambda n: None) -> Seeded:
    """Store the shop of this size and seed; how many rows were new. A second call adds nothing.

    Rows that are stored stay as they are, so a shop seeded yesterday is not moved to today. The same seed in another
    size would be another shop under the same keys: SeedRefused, as for days when nothing can have been bought.
    """
    if until < EARLIEST + SPAN or time_problem(until):
        raise SeedRefused(f"--until is {until.date()}; it can be from mid-1971 to tomorrow.")
    if _another_size_is_stored(size):
        raise SeedRefused(
            f"Seed {size.seed} is in this database in another size. Give another --seed, or the sizes of before."
        )
    rng = np.random.default_rng(size.seed)
    interests = INTERESTS[: min(len(INTERESTS), size.products, max(2, size.products // PRODUCTS_PER_INTEREST))]
    products, shelf = make_products(size, interests, rng)
    customers, people = make_customers(size, interests, rng)
    with transaction.atomic():
        before = _counts()
        for chunk in chunked(products):
            Product.objects.bulk_create(chunk, ignore_conflicts=True)
        for chunk in chunked(customers):
            Customer.objects.bulk_create(chunk, ignore_conflicts=True)
        product_ids = _ids(Product, [product.key for product in products])
        customer_ids = _ids(Customer, [customer.key for customer in customers])
        for chunk in chunked(make_purchases(size, interests, shelf, people, until, rng)):
            for purchase in chunk:  # numbers of generated rows until here
                purchase.customer_id = customer_ids[purchase.customer_id]
                purchase.product_id = product_ids[purchase.product_id]
            Purchase.objects.bulk_create(chunk, ignore_conflicts=True)
            progress(len(chunk))
        after = _counts()
    return Seeded(*(new - old for new, old in zip(after, before, strict=True)))


def _another_size_is_stored(size: ShopSize) -> bool:
    purchases = Purchase.objects.filter(external_id__startswith=f"seed-{size.seed}-")
    if purchases.exists():
        return purchases.exclude(external_id__startswith=size.purchase_prefix).exists()
    # Without purchases, the numbers of customers and products show the size.
    customers = Customer.objects.filter(key__startswith=f"S{size.seed}-C").count()
    products = Product.objects.filter(key__startswith=f"S{size.seed}-P").count()
    return customers not in (0, size.customers) or products not in (0, size.products)


def chunked(rows: Iterable, size: int = CHUNK) -> Iterator[list]:
    rows = iter(rows)
    while chunk := list(islice(rows, size)):
        yield chunk


def _counts() -> tuple[int, int, int]:
    return Customer.objects.count(), Product.objects.count(), Purchase.objects.count()


def _ids(model: type[Product] | type[Customer], keys: list[str]) -> list[int]:
    ids: dict[str, int] = {}
    for chunk in chunked(keys):
        ids.update(model.objects.filter(key__in=chunk).values_list("key", "pk"))
    return [ids[key] for key in keys]


# --- products ---------------------------------------------------------------------------------------------------------


def make_products(
    size: ShopSize, interests: tuple[Interest, ...], rng: np.random.Generator
) -> tuple[list[Product], Shelf]:
    products, kinds, used = [], [], set()
    for number in range(size.products):
        interest = interests[number % len(interests)]
        place = number // len(interests)
        kind = interest.kinds[place % len(interest.kinds)]
        if (interest.category, kind.type, place) == ("Electronics", "Smartphone", 0):
            brand, name = "Apple", "iPhone 14"
        else:
            brand = kind.brands[rng.integers(len(kind.brands))]
            name = _unused_name(interest, brand, kind.type, used, rng)
        price = Decimal(max(1, round(kind.price * float(rng.lognormal(0, 0.25))))) - Decimal("0.01")
        used.add(name)
        products.append(
            Product(
                key=size.product_key(number),
                name=name,
                category=interest.category,
                brand=brand,
                type=kind.type,
                price=price,
                description=f"{kind.type} by {brand}, for people who like {interest.name}.",
            )
        )
        kinds.append(place % len(interest.kinds))
    interest_of = np.arange(size.products) % len(interests)
    popularity = 1.0 / (rng.permutation(size.products) + 3.0) ** 0.7
    shelf = Shelf(
        interest=interest_of,
        kind=np.array(kinds),
        popularity=popularity,
        popularity_so_far=np.cumsum(popularity),
        of_interest=[np.flatnonzero(interest_of == number) for number in range(len(interests))],
        quality=rng.normal(0, 0.4, size.products),
        price=np.array([float(product.price) for product in products]),
    )
    return products, shelf


def _unused_name(interest: Interest, brand: str, kind: str, used: set[str], rng: np.random.Generator) -> str:
    """A name that no product has yet: plain while there are plain ones, then with a colour, then with a number."""
    for attempt in range(40):
        line = interest.lines[rng.integers(len(interest.lines))]
        name = line if interest.category == "Books" else f"{brand} {line} {kind}"
        if attempt >= 8 and interest.category != "Books":
            name += f", {COLOURS[rng.integers(len(COLOURS))]}"
        if name not in used:
            return name
    edition = 2
    while f"{name} {edition}" in used:
        edition = edition * 2 if edition < 1024 else edition + int(rng.integers(1, 10_000))
    return f"{name} {edition}"


# --- customers --------------------------------------------------------------------------------------------------------


def make_customers(
    size: ShopSize, interests: tuple[Interest, ...], rng: np.random.Generator
) -> tuple[list[Customer], list[Person]]:
    customers, people = [], []
    for number in range(size.customers):
        woman = bool(rng.random() < 0.5)
        age = int(np.clip(rng.gamma(6.0, 4.5) + 16, 18, 90))
        income = BY_NAME["income"].choices[rng.choice(3, p=(0.3, 0.45, 0.25))]
        country, state, city = PLACES[rng.integers(len(PLACES))]
        odds = np.array([_odds(interest, age, woman, income) for interest in interests])
        tastes = min(len(interests), 1 + int(rng.choice(3, p=(0.45, 0.4, 0.15))))
        eagerness = float(rng.gamma(2.0))
        premium = eagerness + {"Low": -0.5, "Medium": 0.0, "High": 0.8}[income] + rng.normal(0, 0.4)
        names = WOMEN if woman else MEN
        customers.append(
            Customer(
                key=size.customer_key(number),
                name=f"{names[rng.integers(len(names))]} {FAMILIES[rng.integers(len(FAMILIES))]}",
                age=None if rng.random() < 0.04 else age,
                gender="" if rng.random() < 0.03 else ("Female" if woman else "Male"),
                country=country,
                state=state,
                city=city,
                income="" if rng.random() < 0.04 else income,
                segment=BY_NAME["segment"].choices[int(np.digitize(premium, (1.0, 2.8)))],
                **{
                    field.name: field.choices[rng.integers(len(field.choices))]
                    for field in PROFILE
                    if field.choices and field.name not in PLANTED
                },
            )
        )
        people.append(
            Person(
                interests=rng.choice(len(interests), size=tastes, replace=False, p=odds / odds.sum()),
                generosity=float(rng.normal(0, 0.35)),
                shipping=SHIPPING[rng.choice(3, p=(0.3, 0.3, 0.4) if income == "High" else (0.6, 0.3, 0.1))],
                payment=PAYMENTS[rng.choice(4, p=(0.4, 0.25, 0.3, 0.05) if age < 45 else (0.3, 0.35, 0.1, 0.25))],
                eagerness=eagerness,
            )
        )
    return customers, people


def _odds(interest: Interest, age: int, woman: bool, income: str) -> float:
    near = np.exp(-(((age - interest.age) / 12.0) ** 2) / 2)
    gender = interest.women if woman else 1.0 / interest.women
    return float((near + 0.03) * gender * interest.income[income])


# --- purchases --------------------------------------------------------------------------------------------------------


def make_purchases(
    size: ShopSize,
    interests: tuple[Interest, ...],
    shelf: Shelf,
    people: list[Person],
    until: datetime,
    rng: np.random.Generator,
) -> Iterator[Purchase]:
    """Person by person, oldest first. Their customer_id and product_id are still numbers of generated rows."""
    eagerness = np.array([person.eagerness for person in people])
    counts = rng.multinomial(size.purchases, eagerness / eagerness.sum())
    number = 0
    for customer, (person, count) in enumerate(zip(people, counts, strict=True)):
        joined = rng.uniform(0, 0.6)
        shares = np.sort(rng.uniform(joined, 1.0, count))  # of SPAN
        for share, (item, suits) in zip(shares, _basket(person, shelf, interests, int(count), rng), strict=True):
            time = until - SPAN * (1.0 - float(share))
            repeats = interests[shelf.interest[item]].repeats
            quantity = int(rng.integers(1, 6)) if repeats else 1 + int(rng.random() < 0.08)
            rating = _rating(person, shelf, item, suits, rng)
            yield Purchase(
                customer_id=customer,
                product_id=item,
                time=time.replace(microsecond=0),
                quantity=quantity,
                amount=Decimal(round(shelf.price[item] * quantity, 2)).quantize(Decimal("0.01")),
                rating=rating,
                feedback=FEEDBACK[rating] if rating else "",
                shipping_method=person.shipping if rng.random() < 0.8 else SHIPPING[rng.integers(3)],
                payment_method=person.payment if rng.random() < 0.85 else PAYMENTS[rng.integers(4)],
                order_status=_status(until - time),
                external_id=f"{size.purchase_prefix}{number}",
            )
            number += 1


def _basket(
    person: Person, shelf: Shelf, interests: tuple[Interest, ...], count: int, rng: np.random.Generator
) -> Iterator[tuple[int, bool]]:
    """(product, whether it lies within the person's interests), `count` times, in the order of buying."""
    rows_of = {int(interest): shelf.of_interest[int(interest)] for interest in person.interests}  # rows of the shelf
    odds = {interest: shelf.popularity[rows] for interest, rows in rows_of.items()}  # fall when bought and not used up
    last_kind = dict.fromkeys(rows_of, -1)
    for _ in range(count):
        if rng.random() < WITHIN_INTERESTS:
            interest = int(person.interests[rng.integers(len(person.interests))])
            following = (last_kind[interest] + 1) % len(interests[interest].kinds)
            is_next = shelf.kind[rows_of[interest]] == following
            place = _draw(np.cumsum(np.where(is_next, odds[interest] * NEXT_KIND, odds[interest])), rng)
            item = int(rows_of[interest][place])
        else:
            item = _draw(shelf.popularity_so_far, rng)
            interest = int(shelf.interest[item])
            place = int(np.searchsorted(shelf.of_interest[interest], item))
        if interest in rows_of:
            last_kind[interest] = int(shelf.kind[item])
            if not interests[interest].repeats:
                odds[interest][place] = ALREADY_BOUGHT
        yield item, interest in rows_of


def _draw(odds_so_far: np.ndarray, rng: np.random.Generator) -> int:
    place = np.searchsorted(odds_so_far, rng.random() * odds_so_far[-1], side="right")
    return min(int(place), len(odds_so_far) - 1)


def _rating(person: Person, shelf: Shelf, item: int, suits: bool, rng: np.random.Generator) -> int | None:
    """Whole stars, 1 to 5; None for the third of all purchases that nobody rates."""
    stars = (4.2 if suits else 2.7) + shelf.quality[item] + person.generosity + rng.normal(0, 0.45)
    return int(np.clip(round(stars), 1, 5)) if rng.random() < 0.67 else None


def _status(ago: timedelta) -> str:
    if ago < timedelta(days=1):
        return "Pending"
    if ago < timedelta(days=3):
        return "Processing"
    return "Shipped" if ago < timedelta(days=8) else "Delivered"
