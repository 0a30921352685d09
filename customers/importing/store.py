"""Entries into the database, in chunks, each chunk whole or not at all. SQLite and PostgreSQL alike.

What is stored already stays as it is:

- a purchase is known by its id (see `purchase_ids`), and a second telling is counted and skipped;
- a row that is no purchase (a table of customers, or of products) replaces the values it has, never with nothing;
- a purchase's row tells a customer's profile as of its time: it counts when the purchase is new and none of the
  customer's stored purchases is later. So the latest row wins, in whatever order the file is;
- a purchase's row fills what is not known of a product, and replaces nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from catalog.models import Product
from customers.importing.rows import CUSTOMER_FIELDS, PRODUCT_FIELDS, Entry
from customers.models import Customer, Purchase

CHUNK = 2000
LONGEST_ID = 70  # of the sender's ids; what is longer goes by its content alone


@dataclass
class Stored:
    """What became of the entries."""

    customers_new: int = 0
    customers_changed: int = 0
    products_new: int = 0
    products_changed: int = 0
    purchases_new: int = 0
    purchases_repeated: int = 0

    def changed(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self) if f.name != "purchases_repeated")


def purchase_ids(entries: Iterable[Entry], *, prefix: str) -> Iterator[tuple[Entry, str]]:
    """Each entry with the id of its purchase, the same in every run; empty for an entry without a purchase.

    With an id of the sender's: that and a digest of the content. So lines of one invoice are told apart, and a line
    that stands there twice is a repeat. Without: the digest and how often it has come before in this file, because two
    equal rows may well be two purchases. Only that needs memory: a number for each different row.
    """
    before: Counter[int] = Counter()
    for entry in entries:
        if entry.bought is None:
            yield entry, ""
            continue
        content = entry.content()
        sender = entry.bought.external_id
        if sender:
            yield entry, f"{prefix}:{sender}:{content}" if len(sender) <= LONGEST_ID else f"{prefix}:{content}"
        else:
            digest = int(content[:16], 16)
            yield entry, f"{prefix}:{content}:{before[digest]}"
            before[digest] += 1


@transaction.atomic
def store_chunk(chunk: list[tuple[Entry, str]], stored: Stored) -> None:
    known = set(
        Purchase.objects.filter(external_id__in=[id_ for _, id_ in chunk if id_]).values_list("external_id", flat=True)
    )
    new: dict[str, Entry] = {}
    for entry, id_ in chunk:
        if id_ and id_ not in known and id_ not in new:
            new[id_] = entry
        elif id_:
            stored.purchases_repeated += 1
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
    keys = {entry.customer for entry in entries if entry.customer}
    known = Customer.objects.in_bulk(list(keys), field_name="key")
    latest = _latest_purchases(entries, known)
    new, changed = {}, {}
    for entry in entries:
        if not entry.customer:
            continue
        customer = known.get(entry.customer)
        if customer is None:
            customer = known[entry.customer] = new[entry.customer] = Customer(key=entry.customer)
        if entry.bought is not None:
            if entry.bought.time < latest.get(entry.customer, entry.bought.time):
                continue
            latest[entry.customer] = entry.bought.time
        if _tell(customer, entry.profile) and entry.customer not in new:
            changed[entry.customer] = customer
    stored.customers_new += len(new)
    stored.customers_changed += len(changed)
    return _save(Customer, new, changed, known, CUSTOMER_FIELDS)


def _latest_purchases(entries: list[Entry], known: dict[str, Customer]) -> dict[str, datetime]:
    """Of the customers whose profile a purchase's row tells: when they last bought, as far as is stored."""
    asked = {entry.customer for entry in entries if entry.bought is not None and entry.profile}
    ids = [known[key].pk for key in asked if key in known]
    rows = Purchase.objects.filter(customer__in=ids).order_by().values_list("customer__key").annotate(Max("time"))
    return dict(rows)


def _store_products(entries: list[Entry], stored: Stored) -> dict[str, int]:
    """Primary keys of all products the entries name."""
    keys = {entry.product for entry in entries if entry.product}
    known = Product.objects.in_bulk(list(keys), field_name="key")
    new, changed = {}, {}
    for entry in entries:
        if not entry.product:
            continue
        product = known.get(entry.product)
        if product is None:
            product = known[entry.product] = new[entry.product] = Product(key=entry.product)
        features = entry.features
        if entry.bought is not None:
            features = {name: value for name, value in features.items() if getattr(product, name) in ("", None)}
        told = _tell(product, features)
        named = _tell(product, {"name": _default_name(product)}) if product.name in ("", product.key) else False
        if (told or named) and entry.product not in new:
            changed[entry.product] = product
    stored.products_new += len(new)
    stored.products_changed += len(changed)
    return _save(Product, new, changed, known, PRODUCT_FIELDS)


def _default_name(product: Product) -> str:
    """`Apple Smartphone`; the key for a product of which nothing is known yet."""
    words = [product.brand, product.type or product.category] if product.type or product.category else []
    return " ".join(word for word in words if word)[:200] or product.key


def _tell(row: Customer | Product, values: dict[str, object]) -> bool:
    """Set the values; whether any of them was news."""
    news = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in news.items():
        setattr(row, name, value)
    return bool(news)


def _save(model, new: dict, changed: dict, known: dict, columns: tuple[str, ...]) -> dict[str, int]:
    if new:
        model.objects.bulk_create(new.values(), ignore_conflicts=True)
        # Rows that a conflict skipped were made by somebody else just now, so all are asked for.
        known.update(model.objects.in_bulk(list(new), field_name="key"))
    if changed:
        # An upsert by key: much faster than bulk_update, and nothing but these columns is touched.
        rows = [model(key=key, **{name: getattr(row, name) for name in columns}) for key, row in changed.items()]
        model.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["key"], update_fields=[*columns, "updated"]
        )
    return {key: row.pk for key, row in known.items()}
