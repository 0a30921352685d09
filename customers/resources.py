"""Customers and purchases as rows of a file, for the admin's import and export."""

from typing import Any

from import_export.fields import Field

from catalog.models import Product
from catalog.spreadsheets import KeyOfWidget, SheetResource, TextWidget
from customers import profile
from customers.models import PURCHASE_FIELDS, Customer, Purchase


class CustomerResource(SheetResource):
    """One row a customer, found again by its key."""

    class Meta:
        model = Customer
        fields = ["key", "name", *profile.NAMES, "personalisation"]
        export_order = fields


class PurchaseResource(SheetResource):
    """One row a purchase. With an external id it is found again by that; without, only where everything in the row is
    stored already, and never changed: the same file twice, or an export, changes nothing."""

    external_id = Field("external_id", "external_id", TextWidget(allow_blank=False))
    customer = Field("customer", "customer", KeyOfWidget(Customer, "key"))
    product = Field("product", "product", KeyOfWidget(Product, "key"))

    class Meta:
        model = Purchase
        import_id_fields: list[str] = []  # see get_instance
        fields = ["external_id", *PURCHASE_FIELDS]
        export_order = fields

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.taken: set[int] = set()  # purchases that rows of this file without an external id stand for

    def before_import_row(self, row: dict[str, Any], **kwargs: object) -> None:
        if "external_id" in row:
            row["external_id"] = self.stored_id(str(row["external_id"] or ""))

    def stored_id(self, cell: str) -> str | None:
        """The id without outer spaces, unless there is a purchase whose id has them."""
        bare = cell.strip()
        if bare != cell and Purchase.objects.filter(external_id=cell).exists():
            return cell
        return bare or None

    def get_instance(self, instance_loader: object, row: dict[str, Any]) -> Purchase | None:
        if row.get("external_id"):
            return Purchase.objects.filter(external_id=row["external_id"]).first()
        if not row.get("time"):
            return None
        try:
            fields = [field for field in self.get_import_fields() if field.column_name in row]
            values = {field.attribute: field.clean(row) for field in fields}
        except ValueError:
            return None  # the import itself says what is wrong
        # As many equal rows in the file as are stored are those; one more is new.
        equal = Purchase.objects.filter(**values).order_by("pk")
        purchase = next((purchase for purchase in equal.iterator() if purchase.pk not in self.taken), None)
        if purchase is not None:
            self.taken.add(purchase.pk)
        return purchase

    def after_save_instance(self, instance: Purchase, row: dict[str, Any], **kwargs: object) -> None:
        self.taken.add(instance.pk)

    def get_export_queryset(self, queryset=None):
        return super().get_export_queryset(queryset).select_related("customer", "product")
