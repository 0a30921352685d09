"""Queries of the catalog, for pages and API."""

from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches
from typing import NamedTuple

from django.db.models import Avg, Count, DecimalField, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Round

from catalog.models import Product

SEARCHED = ("name", "category", "brand", "type")
FACET_SIZE = 200
NEUTRAL, DRAWN_BY = Decimal("3.5"), 5  # the rating of an unrated product, and how many ratings it counts as


class Facet(NamedTuple):
    """One value that products can be narrowed to, and how many products that leaves."""

    value: str
    products: int


def products_for_sale() -> QuerySet[Product]:
    return Product.objects.active()


def matching(products: QuerySet[Product], text: str) -> QuerySet[Product]:
    """The products that hold every word of the text somewhere in their name, category, brand or type, or its key."""
    every_word = Q()
    for word in text.split():
        every_word &= Q(*[(f"{field}__icontains", word) for field in SEARCHED], _connector=Q.OR)
    return products.filter(every_word | Q(key=text.strip()))


def facet(products: QuerySet[Product], field: str) -> list[Facet]:
    """The values of one field among these products (the commonest FACET_SIZE of them), in alphabetical order."""
    counted = products.exclude(**{field: ""}).order_by().values_list(field).annotate(n=Count("pk"))
    return sorted(Facet(*row) for row in counted.order_by("-n", field)[:FACET_SIZE])


def rated_at_least(products: QuerySet[Product], rating: Decimal) -> QuerySet[Product]:
    """The products that people gave so much on average, 0 to 5; unrated ones are left out."""
    averages = _rated().values("product").annotate(average=Avg("rating")).filter(average__gte=rating)
    return products.filter(pk__in=averages.values("product"))


def with_rating(products: QuerySet[Product]) -> QuerySet[Product]:
    """The products with their average rating as `rating`, drawn to NEUTRAL where few rated: one 5 proves little."""
    number = DecimalField(max_digits=12, decimal_places=4)
    # Rounded in the database, so that a page of a list can go on after exactly what was read.
    mean = (Sum("rating") + Value(NEUTRAL * DRAWN_BY)) * Value(Decimal("1.0")) / (Count("pk") + Value(DRAWN_BY))
    drawn = Round(ExpressionWrapper(mean, output_field=number), precision=4, output_field=number)
    of_this = _rated().filter(product=OuterRef("pk")).order_by().values("product").annotate(drawn=drawn)
    return products.annotate(rating=Coalesce(Subquery(of_this.values("drawn")), Value(NEUTRAL), output_field=number))


def _rated() -> QuerySet:
    """Of each person and product the latest purchase with a rating: a second rating replaces the first, as in the stars
    on its page. Reached through the product: the app of purchases is not imported here."""
    purchases = Product._meta.get_field("purchases").related_model.objects
    return purchases.opinions().order_by()


def spelled_like(text: str, products: QuerySet[Product]) -> list[str]:
    """Categories, brands and types that a search may have meant, the likeliest first."""
    values = {row.value.casefold(): row.value for name in SEARCHED[1:] for row in facet(products, name)}
    return [values[close] for close in get_close_matches(text.casefold().strip(), values, n=3, cutoff=0.7)]


def products_by_key(keys: Iterable[str]) -> dict[str, Product]:
    return Product.objects.in_bulk(list(keys), field_name="key")


def products_by_pk(numbers: Iterable[int]) -> dict[int, Product]:
    return Product.objects.in_bulk(list(numbers))
