"""Puts the reader's customer and cart into every page."""

from functools import cache

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from customers.carts import cart_of
from customers.selectors import customer_of


def customer(request: HttpRequest) -> dict[str, object]:
    """`customer`: the reader's Customer, false for a visitor. `in_cart`: how many pieces their cart holds.

    Asked of the database only by a page that uses them.
    """
    known = hasattr(request, "user") and hasattr(request, "session")
    return {
        "customer": SimpleLazyObject(lambda: customer_of(getattr(request, "user", None))),
        "in_cart": cache(lambda: cart_of(request).count() if known else 0),
    }
