"""Queries of customers and their purchases, for pages and API."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.core.cache import cache
from django.db.models import Avg, CharField, Count, Max, QuerySet
from django.db.models.functions import Cast, Coalesce

from catalog.models import Product
from customers.models import Customer, Purchase
from customers.profile import BY_NAME

SUGGESTED = 100
SHARED_BY = 3  # a value fewer people have could tell who one of them is
SUGGESTIONS_KEPT = 600  # seconds


class RatingSummary(NamedTuple):
    average: Decimal | None
    count: int


class Order(NamedTuple):
    """What was bought together. number : None for a purchase that was recorded by itself."""

    number: UUID | None
    time: datetime
    purchases: list[Purchase]

    @property
    def amount(self) -> Decimal | None:
        """Paid in all, as far as it is known."""
        amounts = [purchase.amount for purchase in self.purchases if purchase.amount is not None]
        return sum(amounts, Decimal(0)) if amounts else None


def customer_of(user: object) -> Customer | None:
    """The profile behind a user; None for a visitor, and for a user (staff, say) who has none yet."""
    if not getattr(user, "is_authenticated", False):
        return None
    try:
        return user.customer
    except Customer.DoesNotExist:
        return None


def purchases_of(customer: Customer | None) -> QuerySet[Purchase]:
    """This customer's purchases and nobody else's, the newest first."""
    if customer is None:
        return Purchase.objects.none()
    return Purchase.objects.filter(customer=customer).select_related("product")


_BASKET = Coalesce(Cast("order", CharField()), Cast("pk", CharField()))


def baskets_of(customer: Customer | None) -> QuerySet[Purchase, dict[str, object]]:
    """One row for each order of this customer, the newest first, to be paged through; `orders_in` reads them."""
    baskets = purchases_of(customer).order_by().annotate(basket=_BASKET).values("basket")
    return baskets.annotate(latest=Max("time"), newest=Max("pk")).order_by("-latest", "-newest")


def orders_in(baskets: Iterable[dict[str, object]], customer: Customer | None) -> list[Order]:
    """The orders that rows of `baskets_of` stand for, in their order."""
    wanted: dict[object, list[Purchase]] = {row["basket"]: [] for row in baskets}
    for purchase in purchases_of(customer).annotate(basket=_BASKET).filter(basket__in=list(wanted)):
        wanted[purchase.basket].append(purchase)
    return [Order(bought[0].order, bought[0].time, bought) for bought in wanted.values() if bought]


def order_of(customer: Customer | None, number: UUID) -> Order | None:
    """This customer's order of that number; None where there is none."""
    bought = list(purchases_of(customer).filter(order=number))
    return Order(number, bought[0].time, bought) if bought else None


def latest_purchase(*, customer: Customer | None, product: Product) -> Purchase | None:
    return purchases_of(customer).filter(product=product).first()


def rating_summary(product: Product) -> RatingSummary:
    ratings = Purchase.objects.filter(product=product).opinions()
    return RatingSummary(**ratings.aggregate(average=Avg("rating"), count=Count("rating")))


def rating_summaries(products: Iterable[Product]) -> dict[int, RatingSummary]:
    """What people gave each of these products, by its primary key. One query; none for those nobody rated."""
    ratings = Purchase.objects.filter(product__in=list(products)).opinions().order_by()
    rows = ratings.values_list("product").annotate(average=Avg("rating"), count=Count("rating"))
    return {product: RatingSummary(average, count) for product, average, count in rows}


def suggestions(field: str) -> list[str]:
    """Values of a profile field to offer in a form: those that several customers share, the commonest first.

    Counting takes a scan of the customers, so the answer is kept for ten minutes.
    """

    def count() -> list[str]:
        rows = Customer.objects.exclude(**{field: ""}).order_by().values_list(field).annotate(n=Count("pk"))
        shared = rows.filter(n__gte=SHARED_BY).order_by("-n", field)[:SUGGESTED]
        return [value for value, _ in shared] or list(BY_NAME[field].choices)

    return cache.get_or_set(f"customers.suggestions.{field}", count, SUGGESTIONS_KEPT)


def customers_by_key(keys: Iterable[str]) -> dict[str, Customer]:
    return Customer.objects.in_bulk(list(keys), field_name="key")
