"""Products as rows of a file, for the admin's import and export."""

from catalog.models import Product
from catalog.spreadsheets import SheetResource


class ProductResource(SheetResource):
    """One row a product, found again by its key."""

    class Meta:
        model = Product
        import_id_fields = ["key"]
        fields = ["key", "name", "category", "brand", "type", "price", "description", "active"]
        export_order = fields
        skip_unchanged = True
        report_skipped = False
        clean_model_instances = True  # a bad row is told by its field, as in a form
