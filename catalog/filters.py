"""How products are narrowed down: the same words in the address of a page and of an API call."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import urlencode

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from catalog.models import Product
from catalog.search_limits import too_much
from catalog.selectors import matching, rated_at_least, with_rating


def check_search(text: str) -> None:
    wrong = too_much(text)
    if wrong:
        raise ValidationError(wrong)


class StableOrdering(django_filters.OrderingFilter):
    """Ties are broken by the row's number, or a product could be on two pages and another on none."""

    def filter(self, products: QuerySet[Product], value: list[str]) -> QuerySet[Product]:
        by_rating = any(field.lstrip("-") == "rating" for field in value or ())
        ordered = super().filter(with_rating(products) if by_rating else products, value)
        return ordered.order_by(*ordered.query.order_by, "pk") if value else ordered


class ProductFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(
        method="by_text",
        label=_("Words in the name, category, brand or type, or the key"),
        validators=[check_search],
    )
    category = django_filters.CharFilter(label=_("category"))
    brand = django_filters.CharFilter(label=_("brand"))
    type = django_filters.CharFilter(label=_("type"))
    min_price = django_filters.NumberFilter("price", lookup_expr="gte", label=_("Lowest price"))
    max_price = django_filters.NumberFilter("price", lookup_expr="lte", label=_("Highest price"))
    min_rating = django_filters.NumberFilter(
        method="by_rating", min_value=0, max_value=5, label=_("Lowest average rating, 0 to 5")
    )
    ordering = StableOrdering(
        fields=[("name", "name"), ("price", "price"), ("created", "created"), ("rating", "rating")],
        label=_("One of name, price, created, rating; with a minus in front from high to low"),
    )

    class Meta:
        model = Product
        fields = ["q", "category", "brand", "type", "min_price", "max_price", "min_rating", "ordering"]

    def by_text(self, products: QuerySet[Product], name: str, text: str) -> QuerySet[Product]:
        return matching(products, text)

    def by_rating(self, products: QuerySet[Product], name: str, rating: Decimal) -> QuerySet[Product]:
        return rated_at_least(products, rating)


class WiderSearch(NamedTuple):
    """A search with one part left out. without : that part, in words. query : of its address. products : it finds."""

    without: str
    query: str
    products: int


PARTS = {  # of a search, in words
    ("q",): _("the words"),
    ("category",): _("the category"),
    ("brand",): _("the brand"),
    ("type",): _("the type"),
    ("min_price", "max_price"): _("the price"),
    ("min_rating",): _("the rating"),
}


def wider_searches(query: Mapping[str, str], products: QuerySet[Product]) -> list[WiderSearch]:
    """What a search that finds nothing would find without one of its parts, the most first."""
    query = {name: value for name, value in query.items() if value and name != "page"}
    searches = []
    for names, words in PARTS.items():
        rest = {name: value for name, value in query.items() if name not in names}
        if len(rest) < len(query) and rest.keys() - {"ordering"}:
            count = ProductFilter(rest, queryset=products).qs.count()
            if count:
                searches.append(WiderSearch(words, urlencode(rest), count))
    return sorted(searches, key=lambda search: -search.products)
