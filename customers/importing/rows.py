"""One row, said in our field names, into what will be stored."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from catalog.models import Product
from customers.errors import RowRefused
from customers.importing import cells
from customers.models import Customer, Purchase

CUSTOMER_FIELDS = ("name", "age", "gender", "country", "state", "city", "income", "segment")
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

    def content(self) -> str:
        """A digest of the purchase: two rows that tell the same have the same."""
        b = self.bought
        numbers = (b.time.timestamp(), b.quantity, b.amount, b.rating)
        told = (self.customer, self.product, numbers, sorted(b.details.items()))
        return hashlib.sha256(repr(told).encode()).hexdigest()[:20]


def read_entry(row: Mapping[str, str], *, month: str = "", day_first: bool = False) -> Entry:
    """The row, whose keys are of FIELDS. It is a purchase when it has a time. RowRefused says what is wrong."""
    customer, product = key("customer", row), key("product", row)
    profile = {name: value for name in CUSTOMER_FIELDS if (value := _value(f"customer.{name}", row)) is not None}
    features = {name: value for name in PRODUCT_FIELDS if (value := _value(f"product.{name}", row)) is not None}
    if "time" not in row:
        return Entry(customer, profile, product, features)
    external_id = cells.key(row.get("external_id", ""))
    details = {name: value for name in DETAILS if (value := _value(name, row))}
    # Shops mark a cancelled invoice with a C before its number.
    if external_id[:1] in "Cc" and external_id[1:].isdecimal():
        raise RowRefused(f"external_id is {external_id}: cancelled")
    if details.get("order_status", "").lower().startswith("cancel"):
        raise RowRefused(f"order_status is {details['order_status']}: cancelled")
    quantity = cells.count("quantity", row.get("quantity", ""))
    price = cells.money("price", row.get("price", ""))
    amount = cells.money("amount", row.get("amount", ""))
    if price is not None:
        features.setdefault("price", price)
        amount = price * quantity if amount is None else amount
    bought = Bought(
        time=cells.moment("time", row["time"], month=month, day_first=day_first),
        quantity=quantity,
        amount=amount,
        rating=cells.stars("rating", row.get("rating", "")),
        details=details,
        external_id=external_id,
    )
    return Entry(customer, profile, product, features, bought)


def key(name: str, row: Mapping[str, str]) -> str:
    if name not in row:
        return ""
    value = cells.key(row[name])
    if not value:
        raise RowRefused(f"{name} is empty")
    return _fitting(name, value)


def _value(name: str, row: Mapping[str, str]) -> object:
    """None where the row does not say."""
    cell = row.get(name, "")
    if name == "customer.age":
        return cells.age(name, cell)
    if name == "product.price":
        return cells.money(name, cell)
    value = cells.text(cell)
    if name == "product.name":
        return value[: _LONGEST[name]] or None  # a long title is cut, not refused
    return _fitting(name, value) or None


def _fitting(name: str, value: str) -> str:
    longest = _LONGEST[name]
    if longest is not None and len(value) > longest:
        raise RowRefused(f"{name} has {len(value)} characters, at most {longest} fit: {value[:30]}...")
    return value
