"""One row, said in our field names, into what will be stored."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

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
_LONGEST = {
    **{name: Purchase._meta.get_field(name).max_length for name in DETAILS},
    **{f"customer.{name}": Customer._meta.get_field(name).max_length for name in CUSTOMER_FIELDS},
    **{f"product.{name}": Product._meta.get_field(name).max_length for name in PRODUCT_FIELDS},
    "customer": Customer._meta.get_field("key").max_length,
    "product": Product._meta.get_field("key").max_length,
}


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
    """What one row tells of a customer, of a product and, with both, of a purchase. Values it lacks are absent."""

    customer: str = ""
    profile: dict[str, object] = field(default_factory=dict)
    product: str = ""
    features: dict[str, object] = field(default_factory=dict)
    bought: Bought | None = None

    def identity(self) -> str:
        """A digest of what makes the purchase this one. Status, feedback and rating come later and do not belong."""
        b = self.bought
        told = (self.customer, self.product, b.time.timestamp(), b.quantity, b.amount, b.external_id)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:20]


def read_entry(
    row: Mapping[str, str], *, columns: Mapping[str, str] | None = None, month: str = "", day_first: bool = False
) -> Entry:
    """The row, whose keys are of FIELDS. It is a purchase when it has a time.

    RowRefused says what is wrong, in the sender's words where `columns` tells what a field is called in the file.
    """
    called = columns or {}
    customer, product = _key("customer", row, called), _key("product", row, called)
    values = _values("customer", CUSTOMER_FIELDS, row, called)
    features = _values("product", PRODUCT_FIELDS, row, called)
    if "time" not in row:
        return Entry(customer, values, product, features)
    external_id = _exact_key("external_id", row, called)
    details = {name: value for name in DETAILS if (value := _value(name, row, called))}
    # Shops mark a cancelled invoice with a C before its number.
    if external_id[:1] in ("C", "c") and external_id[1:].isdecimal():
        raise RowRefused(f"{called.get('external_id', 'external_id')} is {external_id[:40]}: cancelled")
    if details.get("order_status", "").lower().startswith("cancel"):
        raise RowRefused(f"{called.get('order_status', 'order_status')} is {details['order_status']}: cancelled")
    quantity = cells.count(called.get("quantity", "quantity"), row.get("quantity", ""))
    price = cells.paid(called.get("price", "price"), row.get("price", ""))
    amount = cells.paid(called.get("amount", "amount"), row.get("amount", ""))
    if price is not None:
        features.setdefault("price", price)
        amount = _in_all(price, quantity) if amount is None else amount
    bought = Bought(
        time=cells.moment(called.get("time", "time"), row["time"], month=month, day_first=day_first),
        quantity=quantity,
        amount=amount,
        rating=cells.stars(called.get("rating", "rating"), row.get("rating", "")),
        details=details,
        external_id=external_id,
    )
    return Entry(customer, values, product, features, bought)


def _in_all(price: Decimal, quantity: int) -> Decimal:
    if price * quantity >= 10**10:
        raise RowRefused(f"{quantity} at {price} each is too much")
    return price * quantity


def _key(field: str, row: Mapping[str, str], called: Mapping[str, str]) -> str:
    """Empty where the row is not about a customer, or a product."""
    if field not in row:
        return ""
    value = _exact_key(field, row, called)
    if not value:
        raise RowRefused(f"{called.get(field, field)} is empty")
    return _fitting(field, value, called)


def _exact_key(field: str, row: Mapping[str, str], called: Mapping[str, str]) -> str:
    cell = row.get(field, "")
    if cells.is_rounded(cell):
        raise RowRefused(
            f"{called.get(field, field)} is {cell.strip()[:40]}: a spreadsheet rounded this number, and others to the "
            "same; format the column as text and export it again"
        )
    return cells.key(cell)


def _values(about: str, names: Iterable[str], row: Mapping[str, str], called: Mapping[str, str]) -> dict[str, object]:
    values = {name: _value(f"{about}.{name}", row, called) for name in names if f"{about}.{name}" in row}
    return {name: value for name, value in values.items() if value is not None}


def _value(field: str, row: Mapping[str, str], called: Mapping[str, str]) -> object:
    """None where the row does not say."""
    cell = row.get(field, "")
    name = field.removeprefix("customer.")
    if field.startswith("customer.") and name in profile.NUMBERS:
        return cells.whole(called.get(field, field), cell, *profile.BY_NAME[name].limits)
    if field == "product.price":
        return cells.money(called.get(field, field), cell)
    value = cells.text(cell)
    if field == "product.name":
        return value[: _LONGEST[field]] or None  # a long title is cut, not refused
    return _fitting(field, value, called) or None


def _fitting(field: str, value: str, called: Mapping[str, str]) -> str:
    longest = _LONGEST[field]
    if longest is not None and len(value) > longest:
        name = called.get(field, field)
        raise RowRefused(f"{name} has {len(value)} characters, at most {longest} fit: {value[:30]}...")
    return value
