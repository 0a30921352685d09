"""Entries into the database, in chunks, each chunk whole or not at all. SQLite and PostgreSQL alike.

What is stored already stays as it is:

- a purchase is known by its id (see `PurchaseIds`), and a second telling is counted and skipped;
- a row that is no purchase (a table of customers, or of products) replaces the values it has, never with nothing;
- a purchase's row tells a customer's profile as of its time: it counts when the purchase is new and none of the
  customer's stored purchases is later. So the latest row wins, in whatever order the file is;
- a purchase's row fills what is not known of a product, and replaces nothing.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from catalog.models import Product
from customers.errors import RowRefused
from customers.importing.rows import CUSTOMER_FIELDS, PRODUCT_FIELDS, Entry
from customers.models import Customer, Purchase

CHUNK = 2000
LONGEST_ID = 70  # of the sender's ids; a longer one is in the digest only


@dataclass
class Stored:
    """What became of the entries."""

    customers_new: int = 0
    customers_changed: int = 0
    products_new: int = 0
    products_changed: int = 0
    purchases_new: int = 0
    purchases_repeated: int = 0


class PurchaseIds:
    """The ids of one file's purchases, the same in every run.

    With an id of the sender's: that and a digest of what was bought. So the lines of one invoice are told apart, and a
    line that stands there twice is one purchase. Without: the digest and how often it has come before, because two
    equal rows may well be two purchases. This needs memory, two numbers a row, and nothing else of an import does.
    """

    def __init__(self, *, prefix: str) -> None:
        self.prefix = prefix
        self._first_line: dict[int, int] = {}
        self._before: Counter[int] = Counter()

    def of(self, entry: Entry, line: int) -> str:
        """Empty for an entry without a purchase. RowRefused for the second telling of one in this file."""
        if entry.bought is None:
            return ""
        digest = entry.identity()
        number = int(digest[:16], 16)
        sender = entry.bought.external_id
        if not sender:
            self._before[number] += 1
            return f"{self.prefix}:{digest}:{self._before[number] - 1}"
        first = self._first_line.setdefault(number, line)
        if first != line:
            raise RowRefused(f"the same purchase as line {first}")
        return f"{self.prefix}:{sender}:{digest}" if len(sender) <= LONGEST_ID else f"{self.prefix}:{digest}"


@transaction.atomic
def store_chunk(chunk: list[tuple[Entry, str]], stored: Stored) -> None:
    known = set(
        Purchase.objects.filter(external_id__in=[id_ for _, id_ in chunk if id_]).values_list("external_id", flat=True)
    )
    new = {id_: entry for entry, id_ in chunk if id_ and id_ not in known}
    stored.purchases_repeated += len(known)
    told = [entry for entry, id_ in chunk if not id_] + list(new.values())
    customers = _store_customers(told, stored)
    products = _store_products(told, stored)
    Purchase.objects.bulk_create(
        [
            Purchase(
                customer_id=customers[entry.customer],
                product_id=products[entry.product],
                time=entry.bought.time,
                quantity=entry.bought.quantity,
                amount=entry.bought.amount,
                rating=entry.bought.rating,
                external_id=id_,
                **entry.bought.details,
            )
            for id_, entry in new.items()
        ],
        ignore_conflicts=True,
    )
    stored.purchases_new += len(new)


def _store_customers(entries: list[Entry], stored: Stored) -> dict[str, int]:
    """Primary keys of all customers the entries name."""
    known = Customer.objects.in_bulk({entry.customer for entry in entries if entry.customer}, field_name="key")
    before = _values(known, CUSTOMER_FIELDS)
    latest = _latest_purchases(entries, known)
    for entry in entries:
        if not entry.customer:
            continue
        customer = known.get(entry.customer)
        if customer is None:
            customer = known[entry.customer] = Customer(key=entry.customer)
        if entry.bought is not None:
            if entry.bought.time < latest.get(entry.customer, entry.bought.time):
                continue
            latest[entry.customer] = entry.bought.time
        _tell(customer, entry.profile)
    new, changed = _save(Customer, known, before, CUSTOMER_FIELDS)
    stored.customers_new += new
    stored.customers_changed += changed
    return {key: customer.pk for key, customer in known.items()}


def _latest_purchases(entries: list[Entry], known: dict[str, Customer]) -> dict[str, datetime]:
    """Of the customers whose profile a purchase's row tells: when they last bought, as far as is stored."""
    asked = {entry.customer for entry in entries if entry.bought is not None and entry.profile}
    ids = [known[key].pk for key in asked if key in known]
    rows = Purchase.objects.filter(customer__in=ids).order_by().values_list("customer__key").annotate(Max("time"))
    return dict(rows)


def _store_products(entries: list[Entry], stored: Stored) -> dict[str, int]:
    """Primary keys of all products the entries name."""
    known = Product.objects.in_bulk({entry.product for entry in entries if entry.product}, field_name="key")
    before = _values(known, PRODUCT_FIELDS)
    for entry in entries:
        if not entry.product:
            continue
        product = known.get(entry.product)
        if product is None:
            product = known[entry.product] = Product(key=entry.product)
        features = entry.features
        if entry.bought is not None:
            features = {name: value for name, value in features.items() if getattr(product, name) in ("", None)}
        _tell(product, features)
        if product.name in ("", product.key):
            product.name = _default_name(product)
    new, changed = _save(Product, known, before, PRODUCT_FIELDS)
    stored.products_new += new
    stored.products_changed += changed
    return {key: product.pk for key, product in known.items()}


def _default_name(product: Product) -> str:
    """`Apple Smartphone`; the key for a product of which nothing is known yet."""
    words = [product.brand, product.type or product.category] if product.type or product.category else []
    return " ".join(word for word in words if word)[:200] or product.key


def _tell(row: Customer | Product, values: dict[str, object]) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def _values(rows: dict[str, Customer] | dict[str, Product], columns: tuple[str, ...]) -> dict[str, tuple]:
    return {key: tuple(getattr(row, name) for name in columns) for key, row in rows.items()}


def _save(
    model: type[Customer] | type[Product], rows: dict[str, Any], before: dict[str, tuple], columns: tuple[str, ...]
) -> tuple[int, int]:
    """Store the rows that were not there `before` or differ from then; how many were new, how many changed.

    The new ones in `rows` are replaced by what is stored, with primary keys.
    """
    new = {key: row for key, row in rows.items() if key not in before}
    if new:
        model.objects.bulk_create(new.values(), ignore_conflicts=True)
        # Rows that a conflict skipped were made by somebody else just now, so all are asked for.
        rows.update(model.objects.in_bulk(new, field_name="key"))
    after = _values(rows, columns)
    changed = [key for key, values in before.items() if values != after[key]]
    if changed:
        # An upsert by key: much faster than bulk_update, and nothing but these columns is touched.
        model.objects.bulk_create(
            [model(key=key, **dict(zip(columns, after[key], strict=True))) for key in changed],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=[*columns, "updated"],
        )
    return len(new), len(changed)
