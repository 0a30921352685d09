"""What can go wrong with customers and purchases, each as a sentence that a page may show."""


class CustomersError(Exception):
    """The family."""


class NotForSale(CustomersError):
    """The product cannot be bought."""


class CartRefused(CustomersError):
    """Something cannot be put into the cart."""


class OrderRefused(CustomersError):
    """The cart cannot be ordered as it was shown: nothing was bought."""


class RatingRefused(CustomersError):
    """The rating is not one, or not this person's to give."""


class PurchaseChanged(CustomersError):
    """An external id came again with other content. `fields` says for each field what is stored and what was sent."""

    def __init__(self, fields: dict[str, str]):
        super().__init__("; ".join(f"{name}: {words}" for name, words in fields.items()))
        self.fields = fields


class SeedRefused(CustomersError):
    """A generated shop cannot be made of this size or for these days."""


class FileRefused(CustomersError):
    """A file as a whole cannot be imported."""


class RowRefused(CustomersError):
    """One row of a file cannot be imported; the others can."""
