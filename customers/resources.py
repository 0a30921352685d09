"""Customers and purchases as rows of a file, for the admin's import and export."""

from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.widgets import ForeignKeyWidget

from catalog.models import Product
from customers.models import Customer, Purchase


class CustomerResource(ModelResource):
    """One row a customer, found again by its key."""

    class Meta:
        model = Customer
        import_id_fields = ["key"]
        fields = ["key", "name", "age", "gender", "country", "state", "city", "income", "segment", "personalisation"]
        export_order = fields
        skip_unchanged = True
        report_skipped = False
        clean_model_instances = True


class PurchaseResource(ModelResource):
    """One row a purchase, found again by its external id, so that the same file twice changes nothing."""

    customer = Field("customer", "customer", ForeignKeyWidget(Customer, "key"))
    product = Field("product", "product", ForeignKeyWidget(Product, "key"))

    class Meta:
        model = Purchase
        import_id_fields = ["external_id"]
        fields = [
            "external_id",
            "customer",
            "product",
            "time",
            "quantity",
            "amount",
            "rating",
            "feedback",
            "shipping_method",
            "payment_method",
            "order_status",
            "personalisation",
        ]
        export_order = fields
        skip_unchanged = True
        report_skipped = False
        clean_model_instances = True

    def get_export_queryset(self, queryset=None):
        return super().get_export_queryset(queryset).select_related("customer", "product")
