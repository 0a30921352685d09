"""The retail CSV that the first version of this system was made for: one line a purchase, thirty columns.

Email, Phone, Address and Zipcode are deliberately not stored: no list is better for them. Name is kept for the shop's
own pages; Country, State and City because tastes differ by them. Amount (a unit's price, different on each line) is not
stored either: what was paid is Total_Amount.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.text import slugify

from customers.errors import RowRefused
from customers.importing import cells
from customers.importing.files import Table, need_columns
from customers.importing.rows import Entry, read_entry
from customers.profile import PROFILE

PREFIX = "retail"
NEEDED = ["Transaction_ID", "Customer_ID", "Date", "Product_Category", "Product_Brand", "Product_Type"]
_COLUMN_OF = {
    "time": "Date",
    "external_id": "Transaction_ID",
    "customer": "Customer_ID",
    "customer.name": "Name",
    **{f"customer.{field.name}": field.seed_name for field in PROFILE},
    "quantity": "Total_Purchases",
    "amount": "Total_Amount",
    "rating": "Ratings",
    "feedback": "Feedback",
    "shipping_method": "Shipping_Method",
    "payment_method": "Payment_Method",
    "order_status": "Order_Status",
    "product.category": "Product_Category",
    "product.brand": "Product_Brand",
    "product.type": "Product_Type",
    "product.name": "products",
}
_SLUG_KEEPS = re.compile(r"[A-Za-z0-9 &'’.,-]*")


def reader(table: Table, options: Mapping[str, Any]) -> Callable[[Mapping[str, str]], Entry]:
    need_columns(table, NEEDED, "the retail CSV")
    return entry


def entry(row: Mapping[str, str]) -> Entry:
    """One line of the file. The file has no product key, so one is made of category, brand, type and name."""
    values = {field: row[column] for field, column in _COLUMN_OF.items() if column in row}
    day, clock = cells.text(row["Date"]), cells.text(row.get("Time", ""))
    values["time"] = f"{day} {clock}" if day and clock and ":" not in day else day
    described = ("product.category", "product.brand", "product.type", "product.name")
    values["product"] = product_key([cells.text(values.get(field, "")) for field in described])
    return read_entry(values, columns=_COLUMN_OF, month=row.get("Month", ""))


def product_key(parts: list[str]) -> str:
    """`electronics-apple-smartphone-iphone-14`: the same for the same product, in every file."""
    if not any(parts):
        raise RowRefused("Product_Category, Product_Brand, Product_Type and products are all empty")
    slug = slugify("-".join(part for part in parts if part))
    if slug and len(slug) <= 64 and all(_SLUG_KEEPS.fullmatch(part) for part in parts):
        return slug
    # Too long, or with signs that a slug drops ("C" and "C++" would be one): told apart by a digest.
    return f"{slug[:53]}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:10]}".lstrip("-")
