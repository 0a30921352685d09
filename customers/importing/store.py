"""Entries into the database, in chunks, each chunk whole or not at all. SQLite and PostgreSQL alike.

What is stored already stays as it is:

- a purchase is known by its id (see `PurchaseIds`), and a repeat is counted and skipped;
- a row that is no purchase (a table of customers, or of products) replaces the values it has, never with nothing;
- a purchase's row gives a customer's profile as of its time: it counts when the purchase is new and none of the
  customer's stored purchases is later. So the latest row wins, in whatever order the file is;
- a purchase's row fills what is not known of a product, and replaces nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connections, router, transaction
from django.db.models import Max

from catalog.models import Product
from customers.errors import RowRefused
from customers.importing.rows import CUSTOMER_FIELDS, PRODUCT_FIELDS, Entry
from customers.models import Customer, Purchase

CHUNK = 2000
LONGEST_ID = 70  # of the sender's ids; a longer one is in the digest only


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
        """Empty for an entry without a purchase. RowRefused for a repeat within this file."""
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
def store_chunk(chunk: list[tuple[Entry, str]], counts: Counter[str]) -> None:
    """Store entries with their purchases' ids. counts : "customers new", "products changed" ..., added to."""
    ids = [id_ for _, id_ in chunk if id_]
    stored = set(Purchase.objects.filter(external_id__in=ids).values_list("external_id", flat=True))
    new = {id_: entry for entry, id_ in chunk if id_ and id_ not in stored}
    entries = [entry for entry, id_ in chunk if not id_] + list(new.values())
    customers = _store(Customer, CUSTOMER_FIELDS, [e for e in entries if e.customer], _change_customers, counts)
    products = _store(Product, PRODUCT_FIELDS, [e for e in entries if e.product], _change_products, counts)
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
    counts.update({"purchases new": len(new), "purchases repeated": len(stored)})


def _change_customers(entries: list[Entry], customers: dict[str, Customer]) -> None:
    bought = {customers[entry.customer].pk for entry in entries if entry.bought is not None and entry.profile}
    rows = Purchase.objects.filter(customer__in=bought - {None}).order_by().values_list("customer__key")
    latest = dict(rows.annotate(Max("time")))
    for entry in entries:
        if entry.bought is not None:
            if entry.bought.time < latest.get(entry.customer, entry.bought.time):
                continue
            latest[entry.customer] = entry.bought.time
        _set(customers[entry.customer], entry.profile)


def _change_products(entries: list[Entry], products: dict[str, Product]) -> None:
    for entry in entries:
        product, features = products[entry.product], entry.features
        if entry.bought is not None:
            features = {name: value for name, value in features.items() if getattr(product, name) in ("", None)}
        _set(product, features)
        if product.name in ("", product.key):
            product.name = _default_name(product)


def _default_name(product: Product) -> str:
    """`Apple Smartphone`; the key for a product of which nothing is known yet."""
    words = [product.brand, product.type or product.category] if product.type or product.category else []
    return " ".join(word for word in words if word)[:200] or product.key


def _set(row: Customer | Product, values: dict[str, object]) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def _store(
    model: type[Customer] | type[Product],
    columns: tuple[str, ...],
    entries: list[Entry],
    change: Callable[[list[Entry], dict[str, Any]], None],
    counts: Counter[str],
) -> dict[str, int]:
    """Change rows of a model as the entries say, and make those that are missing. Primary keys by key."""
    about = model._meta.model_name
    keys = dict.fromkeys(getattr(entry, about) for entry in entries)
    rows = model.objects.in_bulk(keys, field_name="key")
    before = _values(rows.values(), columns)
    new = {key: model(key=key) for key in keys if key not in rows}
    rows.update(new)
    change(entries, rows)
    if new:
        model.objects.bulk_create(new.values(), ignore_conflicts=True)
    changed = [row for key, row in rows.items() if key in before and before[key] != _values([row], columns)[key]]
    if changed:
        takes_names = connections[router.db_for_write(model)].features.supports_update_conflicts_with_target
        # An upsert by key: much faster than bulk_update, and nothing but these columns is touched.
        model.objects.bulk_create(
            [model(key=row.key, **{name: getattr(row, name) for name in columns}) for row in changed],
            update_conflicts=True,
            unique_fields=["key"] if takes_names else None,
            update_fields=[*columns, "updated"],
        )
    counts.update({f"{about}s new": len(new), f"{about}s changed": len(changed)})
    # Rows that a conflict skipped were made by somebody else just now, so the new ones are looked up.
    made = model.objects.filter(key__in=new).values_list("key", "pk")
    return {key: row.pk for key, row in rows.items()} | dict(made)


def _values(rows: Iterable[Any], columns: tuple[str, ...]) -> dict[str, tuple]:
    return {row.key: tuple(getattr(row, name) for name in columns) for row in rows}
