"""What can go wrong with the catalog."""


class CatalogError(Exception):
    """The family."""


class ProductInUse(CatalogError):
    """The product cannot be deleted, because it was bought."""
