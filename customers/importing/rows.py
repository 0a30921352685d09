"""One row, said in our field names, into what will be stored."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from catalog.models import Product
from customers import profile
from customers.errors import RowRefused
from customers.importing import cells
from customers.models import Customer, Purchase

CUSTOMER_FIELDS = ("name", *profile.NAMES)
PRODUCT_FIELDS = ("name", "category", "brand", "type", "price", "description")
DETAILS = ("feedback", "shipping_method", "payment_method", "order_status")
PURCHASE_FIELDS = ("time", "quantity", "price", "amount", "rating", "external_id", *DETAILS)
FIELDS = (
    "customer",
    "product",
    *PURCHASE_FIELDS,
    *(f"customer.{name}" for name in CUSTOMER_FIELDS),
    *(f"product.{name}" for name in PRODUCT_FIELDS),
)


@dataclass(frozen=True)
class Bought:
    """A purchase that is not tied to database rows yet."""

    time: datetime
    quantity: int = 1
    amount: Decimal | None = None
    rating: Decimal | None = None
    details: dict[str, str] = field(default_factory=dict)
    external_id: str = ""  # the sender's own; may be shared by the lines of one invoice, may be missing


@dataclass(frozen=True)
class Entry:
    """What one row says of a customer, of a product and, with both, of a purchase. Values it lacks are absent."""

    customer: str = ""
    profile: dict[str, object] = field(default_factory=dict)
    product: str = ""
    features: dict[str, object] = field(default_factory=dict)
    bought: Bought | None = None

    def identity(self) -> str:
        """A digest of what makes the purchase this one. Status, feedback and rating come later and do not belong."""
        b = self.bought
        parts = (self.customer, self.product, b.time.timestamp(), b.quantity, b.amount, b.external_id)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


# --- one field --------------------------------------------------------------------------------------------------------


def _external_id(column: str, cell: str) -> str:
    """Shops mark a cancelled invoice with a C before its number."""
    value = cells.key(column, cell)
    if value[:1] in ("C", "c") and value[1:].isdecimal():
        raise RowRefused(f"{column} is {value[:40]}: cancelled")
    return value


def _order_status(column: str, cell: str, longest: int) -> str:
    value = cells.short_text(column, cell, longest)
    if value.lower().startswith("cancel"):
        raise RowRefused(f"{column} is {value}: cancelled")
    return value


def _product_name(column: str, cell: str, longest: int) -> str:
    """A long title is cut, not refused."""
    return cells.text(cell)[:longest]


def _reader(model: Any, name: str, read: Callable = cells.short_text) -> Callable[[str, str], Any]:
    return partial(read, longest=model._meta.get_field(name).max_length)


def _profile_reader(name: str) -> Callable[[str, str], Any]:
    if name not in profile.NUMBERS:
        return _reader(Customer, name)
    least, greatest = profile.BY_NAME[name].limits
    return partial(cells.whole, least=least, greatest=greatest)


# In the order in which they are read: of a row that is wrong in several places, the first is named.
READERS: dict[str, Callable[[str, str], Any]] = {
    "customer": _reader(Customer, "key", cells.required_key),
    "product": _reader(Product, "key", cells.required_key),
    **{f"customer.{name}": _profile_reader(name) for name in CUSTOMER_FIELDS},
    **{f"product.{name}": _reader(Product, name) for name in PRODUCT_FIELDS},
    "product.name": _reader(Product, "name", _product_name),
    "product.price": cells.money,
    "external_id": _external_id,
    **{name: _reader(Purchase, name) for name in DETAILS},
    "order_status": _reader(Purchase, "order_status", _order_status),
    "quantity": cells.count,
    "price": cells.paid,
    "amount": cells.paid,
    "rating": cells.stars,
}


# --- a row ------------------------------------------------------------------------------------------------------------


def read_entry(
    row: Mapping[str, str], *, columns: Mapping[str, str] | None = None, month: str = "", day_first: bool = False
) -> Entry:
    """The row, whose keys are of FIELDS. It is a purchase when it has a time.

    columns : how the file calls a field, for RowRefused.
    """
    columns = columns or {}
    values = {name: read(columns.get(name, name), row[name]) for name, read in READERS.items() if name in row}
    values = {name: value for name, value in values.items() if value not in (None, "")}
    customer, product = values.get("customer", ""), values.get("product", "")
    of_customer, features = _of("customer.", values), _of("product.", values)
    if "time" not in row:
        return Entry(customer, of_customer, product, features)
    quantity, price, amount = values.get("quantity", 1), values.get("price"), values.get("amount")
    if price is not None:
        features.setdefault("price", price)
        amount = _total(price, quantity) if amount is None else amount
    bought = Bought(
        time=cells.moment(columns.get("time", "time"), row["time"], month=month, day_first=day_first),
        quantity=quantity,
        amount=amount,
        rating=values.get("rating"),
        details={name: values[name] for name in DETAILS if name in values},
        external_id=values.get("external_id", ""),
    )
    return Entry(customer, of_customer, product, features, bought)


def _of(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def _total(price: Decimal, quantity: int) -> Decimal:
    if price * quantity >= 10**10:
        raise RowRefused(f"{quantity} at {price} each is too much")
    return price * quantity
