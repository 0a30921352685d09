"""How products are narrowed down: the same words in the address of a page and of an API call."""

import django_filters
from django.db.models import QuerySet

from catalog.models import Product
from catalog.selectors import matching


class StableOrdering(django_filters.OrderingFilter):
    """Ties are broken by the row's number, or a product could be on two pages and another on none."""

    def filter(self, products: QuerySet[Product], value: list[str]) -> QuerySet[Product]:
        ordered = super().filter(products, value)
        return ordered.order_by(*ordered.query.order_by, "pk") if value else ordered


class ProductFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(method="by_text", label="Words in the name, category, brand or type, or the key")
    category = django_filters.CharFilter()
    brand = django_filters.CharFilter()
    type = django_filters.CharFilter()
    min_price = django_filters.NumberFilter("price", lookup_expr="gte", label="Lowest price")
    max_price = django_filters.NumberFilter("price", lookup_expr="lte", label="Highest price")
    ordering = StableOrdering(
        fields=[("name", "name"), ("price", "price"), ("created", "created")],
        label="One of name, price, created; with a minus in front from high to low",
    )

    class Meta:
        model = Product
        fields = ["q", "category", "brand", "type", "min_price", "max_price", "ordering"]

    def by_text(self, products: QuerySet[Product], name: str, text: str) -> QuerySet[Product]:
        return matching(products, text)
