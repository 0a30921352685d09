"""What the pages and the API ask about customers and their purchases."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from django.core.cache import cache
from django.db.models import Avg, Count, QuerySet

from catalog.models import Product
from customers.models import Customer, Purchase

PROFILE_FIELDS = ("age", "gender", "country", "state", "city", "income", "segment")

SUGGESTED = 100
SHARED_BY = 3  # a value fewer people have could tell who one of them is
SUGGESTIONS_KEPT = 600  # seconds
FIRST_SUGGESTIONS = {
    "gender": ["Female", "Male", "Non-binary"],
    "income": ["Low", "Medium", "High"],
    "segment": ["New", "Regular", "Premium"],
}


class RatingSummary(NamedTuple):
    average: Decimal | None
    count: int


def customer_of(user: object) -> Customer | None:
    """The profile behind a user; None for a visitor, and for a user (staff, say) who has none yet."""
    if not getattr(user, "is_authenticated", False):
        return None
    try:
        return user.customer
    except Customer.DoesNotExist:
        return None


def orders_of(customer: Customer | None) -> QuerySet[Purchase]:
    """This customer's purchases and nobody else's, the newest first."""
    if customer is None:
        return Purchase.objects.none()
    return Purchase.objects.filter(customer=customer).select_related("product")


def latest_purchase(*, customer: Customer | None, product: Product) -> Purchase | None:
    return orders_of(customer).filter(product=product).first()


def rating_summary(product: Product) -> RatingSummary:
    found = Purchase.objects.filter(product=product).aggregate(average=Avg("rating"), count=Count("rating"))
    return RatingSummary(found["average"], found["count"])


def suggestions(field: str) -> list[str]:
    """Values of a profile field to offer in a form: those that several customers share, the commonest first.

    Counting takes a scan of the customers, so the answer is kept for ten minutes.
    """

    def count() -> list[str]:
        rows = Customer.objects.exclude(**{field: ""}).order_by().values_list(field).annotate(n=Count("pk"))
        shared = rows.filter(n__gte=SHARED_BY).order_by("-n", field)[:SUGGESTED]
        return [value for value, _ in shared] or FIRST_SUGGESTIONS.get(field, [])

    return cache.get_or_set(f"customers.suggestions.{field}", count, SUGGESTIONS_KEPT)


def customers_by_key(keys: Iterable[str]) -> dict[str, Customer]:
    return Customer.objects.in_bulk(list(keys), field_name="key")
