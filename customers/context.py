"""Puts the reader's customer into every page."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from customers.selectors import customer_of


def customer(request: HttpRequest) -> dict[str, object]:
    """`customer`: the reader's Customer, false for a visitor. Asked of the database only by a page that uses it."""
    return {"customer": SimpleLazyObject(lambda: customer_of(getattr(request, "user", None)))}
