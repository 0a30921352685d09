"""The retail CSV that the first version of this system was made for: one line a purchase, thirty columns.

Email, Phone, Address and Zipcode are deliberately not stored: no list is better for them. Name is kept for the shop's
own pages; Country, State and City because tastes differ by them. Amount (a unit's price, different on each line) is not
stored either: what was paid is Total_Amount.
"""

import hashlib
import re
from collections.abc import Mapping

from django.utils.text import slugify

from customers.errors import RowRefused
from customers.importing import cells
from customers.importing.rows import Entry, read_entry

NEEDED = ["Transaction_ID", "Customer_ID", "Date", "Product_Category", "Product_Brand", "Product_Type"]
_FIELD_OF = {
    "Transaction_ID": "external_id",
    "Customer_ID": "customer",
    "Name": "customer.name",
    "Age": "customer.age",
    "Gender": "customer.gender",
    "Country": "customer.country",
    "State": "customer.state",
    "City": "customer.city",
    "Income": "customer.income",
    "Customer_Segment": "customer.segment",
    "Total_Purchases": "quantity",
    "Total_Amount": "amount",
    "Ratings": "rating",
    "Feedback": "feedback",
    "Shipping_Method": "shipping_method",
    "Payment_Method": "payment_method",
    "Order_Status": "order_status",
    "Product_Category": "product.category",
    "Product_Brand": "product.brand",
    "Product_Type": "product.type",
    "products": "product.name",
}
_SLUG_KEEPS = re.compile(r"[A-Za-z0-9 &'’.,-]*")


def entry(row: Mapping[str, str]) -> Entry:
    """One line of the file. The file has no product key, so one is made of category, brand, type and name."""
    said = {field: row[column] for column, field in _FIELD_OF.items() if column in row}
    said["time"] = f"{row['Date'].strip()} {row.get('Time', '').strip()}".strip() if row["Date"].strip() else ""
    described = ("product.category", "product.brand", "product.type", "product.name")
    said["product"] = product_key([cells.text(said.get(field, "")) for field in described])
    return read_entry(said, month=row.get("Month", ""))


def product_key(parts: list[str]) -> str:
    """`electronics-apple-smartphone-iphone-14`: the same for the same product, in every file."""
    if not any(parts):
        raise RowRefused("category, brand, type and name of the product are all empty")
    slug = slugify("-".join(part for part in parts if part))
    if slug and len(slug) <= 64 and all(_SLUG_KEEPS.fullmatch(part) for part in parts):
        return slug
    # Too long, or with signs that a slug drops ("C" and "C++" would be one): told apart by a digest.
    return f"{slug[:53]}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:10]}".lstrip("-")
