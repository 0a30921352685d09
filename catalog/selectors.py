"""What the pages and the API ask of the catalog."""

from collections.abc import Iterable
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet

from catalog.models import Product

SEARCHED = ("name", "category", "brand", "type")
FACET_SIZE = 200


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


def products_by_key(keys: Iterable[str]) -> dict[str, Product]:
    return Product.objects.in_bulk(list(keys), field_name="key")
