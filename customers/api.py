"""The customers' endpoints: people and what they bought. Nobody reads them without the permission to."""

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.permissions import DjangoModelPermissions

from catalog.bulk import BulkCreateMixin, documents_bulk_create
from catalog.models import Product
from catalog.selectors import products_by_key
from catalog.strict import OtherContent, StrictModelSerializer, TextField, printable, storable
from customers import profile, services
from customers.errors import PurchaseChanged
from customers.models import PURCHASE_FIELDS, Customer, Purchase
from customers.selectors import customers_by_key


class MayRead(DjangoModelPermissions):
    """The model's permissions, reading included: `customers.view_customer` and so on."""

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
        "OPTIONS": ["%(app_label)s.view_%(model_name)s"],
    }


class CustomerSerializer(StrictModelSerializer):
    """The profile of a person."""

    create_row = staticmethod(services.create_customer)
    update_row = staticmethod(services.update_customer)

    key = TextField(max_length=64, required=False, help_text="Given one if you send none. Never changes.")

    class Meta:
        model = Customer
        fields = ["key", "name", *profile.NAMES, "personalisation", "created", "updated"]
        read_only_fields = ["created", "updated"]


class KeyField(serializers.SlugRelatedField):
    """A row by its key. rows : the name in the context of the rows by key, where a list's were read at once."""

    def __init__(self, rows: str = "", **kwargs: object) -> None:
        self.rows = rows
        super().__init__(slug_field="key", **kwargs)

    def to_internal_value(self, data: object) -> object:
        if not isinstance(data, str) or not storable(data):
            raise serializers.ValidationError(
                gettext("A key is text; this is {value}.").format(value=printable(repr(data)))
            )
        row = self.context.get(self.rows, {}).get(data)
        return super().to_internal_value(data) if row is None else row


class PurchaseSerializer(StrictModelSerializer):
    """One product bought once by one customer."""

    update_row = staticmethod(services.update_purchase)

    customer = KeyField(
        rows="customers",
        queryset=Customer.objects.all(),
        allow_null=True,
        help_text="The customer's key. null, which cannot be sent: the buyer was deleted, the sale stays in the books.",
    )
    product = KeyField(rows="products", queryset=Product.objects.all(), help_text="The product's key.")
    # Not DRF's unique check: a purchase sent twice is no mistake but a retry.
    external_id = TextField(
        max_length=100,
        required=False,
        allow_null=True,
        help_text="Your own id: a repeat is stored once.",
    )

    class Meta:
        model = Purchase
        fields = ["id", "external_id", *PURCHASE_FIELDS]

    def validate_customer(self, customer: Customer | None) -> Customer:
        if customer is None:
            raise serializers.ValidationError(
                gettext("A purchase is somebody's: give the customer's key."), code="null"
            )
        return customer

    def create_row(self, *, external_id: str | None = None, **fields: object) -> Purchase:
        try:
            purchase, new = services.record_purchase_once(external_id=external_id, **fields)
        except PurchaseChanged as error:
            raise OtherContent({name: [words] for name, words in error.fields.items()}) from None
        self.repeated = not new
        return purchase


class CustomerFilter(django_filters.FilterSet):
    created_after = django_filters.IsoDateTimeFilter("created", lookup_expr="gte")
    updated_after = django_filters.IsoDateTimeFilter("updated", lookup_expr="gte")

    class Meta:
        model = Customer
        fields = ["key", *profile.TEXTS, "personalisation"]


class PurchaseFilter(django_filters.FilterSet):
    customer = django_filters.CharFilter("customer__key", label="The customer's key")
    product = django_filters.CharFilter("product__key", label="The product's key")
    category = django_filters.CharFilter("product__category")
    after = django_filters.IsoDateTimeFilter("time", lookup_expr="gte")
    before = django_filters.IsoDateTimeFilter("time", lookup_expr="lt")
    rated = django_filters.BooleanFilter("rating", lookup_expr="isnull", exclude=True)

    class Meta:
        model = Purchase
        fields = ["customer", "product", "category", "after", "before", "rated", "order_status", "external_id"]


def keys_in(rows: list[object], field: str) -> set[str]:
    """The keys that rows name, as far as they can be keys: the rest is left to validation."""
    keys = [row.get(field) for row in rows if isinstance(row, dict)]
    return {key for key in keys if isinstance(key, str) and storable(key)}


@extend_schema_view(
    list=extend_schema(summary="Customers"),
    retrieve=extend_schema(summary="One customer"),
    create=documents_bulk_create(CustomerSerializer),
    update=extend_schema(summary="Replace a customer's profile"),
    partial_update=extend_schema(summary="Change a customer's profile"),
    destroy=extend_schema(summary="Delete a customer: their purchases stay in the books, of nobody"),
)
class CustomerViewSet(BulkCreateMixin, viewsets.ModelViewSet):
    serializer_class = CustomerSerializer
    permission_classes = [MayRead]
    queryset = Customer.objects.all()
    filterset_class = CustomerFilter
    lookup_field = "key"
    lookup_value_regex = r"[^\x00]+"  # keys may hold slashes


@extend_schema_view(
    list=extend_schema(summary="Purchases, the newest first"),
    retrieve=extend_schema(summary="One purchase"),
    create=documents_bulk_create(PurchaseSerializer),
    update=extend_schema(summary="Replace a purchase"),
    partial_update=extend_schema(summary="Change a purchase: rate it, say"),
    destroy=extend_schema(summary="Delete a purchase"),
)
class PurchaseViewSet(BulkCreateMixin, viewsets.ModelViewSet):
    serializer_class = PurchaseSerializer
    permission_classes = [MayRead]
    queryset = Purchase.objects.all()
    filterset_class = PurchaseFilter
    lookup_value_regex = r"[0-9]+"
    lookup_field = "id"
    own_id_field = "external_id"

    def get_queryset(self) -> QuerySet[Purchase]:
        return Purchase.objects.select_related("customer", "product")

    def related_rows(self, rows: list[object]) -> dict[str, object]:
        return {
            "customers": customers_by_key(keys_in(rows, "customer")),
            "products": products_by_key(keys_in(rows, "product")),
        }
