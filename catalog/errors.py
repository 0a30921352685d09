"""What can go wrong with the catalog, in words for the person who asked."""


class CatalogError(Exception):
    """The family."""


class ProductInUse(CatalogError):
    """The product cannot be deleted, because purchases speak of it."""
