"""Products as rows of a file, for the admin's import and export."""

from catalog.models import Product
from catalog.spreadsheets import SheetResource


class ProductResource(SheetResource):
    """One row a product, found again by its key."""

    class Meta:
        model = Product
        fields = ["key", "name", "category", "brand", "type", "price", "description", "active"]
        export_order = fields
