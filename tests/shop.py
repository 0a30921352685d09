"""A shop with planted tastes: everybody buys from one category only, women running gear or kitchenware, men books or
garden tools. Told once, as plain rows, so that the database and the model learn of the same purchases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import Model
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.source.declaration import get_source

CATEGORIES = ["Running", "Kitchen", "Books", "Garden"]
CUSTOMERS, PRODUCTS, EACH = 60, 48, 8
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    customer: str
    product: str
    time: datetime
    rating: float | None
    amount: float
    feedback: str


def category_of(product: str) -> str:
    return CATEGORIES[int(product[1:]) % 4]


def profile_of(number: int) -> dict[str, object]:
    return {"gender": "FM"[number % 2], "country": ["UK", "France"][number % 3 == 0], "age": 20 + number % 50}


def taste_of(number: int) -> str:
    return CATEGORIES[number % 2 * 2 + number // 2 % 2]


@cache
def rows() -> list[Row]:
    rng = np.random.default_rng(0)
    made = []
    for c in range(CUSTOMERS):
        mine = [p for p in range(PRODUCTS) if category_of(f"P{p}") == taste_of(c)]
        for n, p in enumerate(rng.permutation(mine)[:EACH]):
            rating = None if rng.random() < 0.5 else 5.0 if p < 24 else 2.0
            time = START + timedelta(days=n, minutes=c)
            made.append(Row(f"C{c}", f"P{p}", time, rating, 10.0 + p, ["Good", "Bad"][(c + n) % 2]))
    return made


def stock_the_shop() -> None:
    """The shop in the database.

    Hundreds of tests begin with it: Django takes 50 ms to make rows of so many objects, the database 5 to store them.
    """
    products, customers, purchases = _stored_values(connection.vendor)
    _insert(Product, products)
    _insert(Customer, customers)
    product, customer = (dict(model.objects.values_list("key", "pk")) for model in (Product, Customer))
    ends = [(customer[row.customer], product[row.product]) for row in rows()]
    fields = [field.attname for field in _fields(Purchase)]
    at = fields.index("customer_id"), fields.index("product_id")
    for values, keys in zip(purchases, ends, strict=True):
        for place, key in zip(at, keys, strict=True):
            values[place] = key
    _insert(Purchase, purchases)


@cache
def _stored_values(vendor: str) -> list[list[list[object]]]:
    """Of products, customers and purchases: each row's values as this database stores them."""
    products = [
        Product(key=f"P{p}", name=f"{category_of(f'P{p}')} thing {p}", category=category_of(f"P{p}"), price=10 + p)
        for p in range(PRODUCTS)
    ]
    customers = [Customer(key=f"C{c}", name=f"Customer {c}", **profile_of(c)) for c in range(CUSTOMERS)]
    purchases = [
        Purchase(
            time=row.time,
            rating=None if row.rating is None else Decimal(row.rating),
            amount=Decimal(row.amount),
            feedback=row.feedback,
        )
        for row in rows()
    ]
    return [
        [[field.get_db_prep_save(getattr(row, field.attname), connection) for field in _fields(row)] for row in table]
        for table in (products, customers, purchases)
    ]


def _fields(model: type[Model] | Model) -> list[Any]:
    return [field for field in model._meta.local_concrete_fields if not field.primary_key]


def _insert(model: type[Model], table: list[list[object]]) -> None:
    fields = _fields(model)
    now = timezone.now()
    for place, field in enumerate(fields):
        if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
            for values in table:
                values[place] = field.get_db_prep_save(now, connection)
    columns = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {model._meta.db_table} ({columns}) VALUES ({marks})", table)


def write_snapshot(folder: Path) -> Path:
    """The same shop as the engine reads it."""
    import pyarrow as pa  # a web process that serves this shop has none

    from tests import planted

    source, bought = get_source(), rows()
    static = [profile_of(c) for c in range(CUSTOMERS)]
    users = {name: [p.get(name) for p in static] for name in source.static_features}
    users = {"user": [f"C{c}" for c in range(CUSTOMERS)], **{n: _typed(n, v, source) for n, v in users.items()}}
    keys = [f"P{p}" for p in range(PRODUCTS)]
    items = {
        "item": keys,
        "name": [f"{category_of(k)} thing {k[1:]}" for k in keys],
        "category": [category_of(k) for k in keys],
        "brand": pa.nulls(len(keys), pa.string()),
        "type": pa.nulls(len(keys), pa.string()),
        "price": [10.0 + p for p in range(PRODUCTS)],
        "description": [""] * len(keys),
        "available": [True] * len(keys),
    }
    interactions = {
        "user": [r.customer for r in bought],
        "item": [r.product for r in bought],
        "time": [r.time.timestamp() for r in bought],
        "rating": pa.array([r.rating for r in bought], pa.float64()),
        "quantity": [1] * len(bought),
        "amount": [r.amount for r in bought],
        "feedback": [r.feedback for r in bought],
        **{name: pa.nulls(len(bought), pa.string()) for name in ("shipping_method", "payment_method", "order_status")},
    }
    planted.write_snapshot(folder, users, items, interactions)
    source.schema().write(folder)
    return folder


def _typed(name, values, source):
    import pyarrow as pa

    return pa.array(values, pa.float64() if name in source.customer_numerical else pa.string())


def caller(*codenames: str) -> APIClient:
    """Another program, signed in as a user with these permissions."""
    user = User.objects.create_user(f"caller{User.objects.count()}")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = APIClient()
    client.force_authenticate(user)
    return client
