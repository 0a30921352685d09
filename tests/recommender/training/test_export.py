"""What leaves the database for the engine: whose rows, in which order, and read back as what."""

import json
import threading
import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, connections
from django.db.models import Q

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.engine.data.left_out import read_left_out
from recommender.engine.data.tables import read_snapshot
from recommender.engine.errors import TrainingCancelled
from recommender.errors import RecommenderError
from recommender.serving import customers as people
from recommender.source.declaration import Latest
from recommender.training import export as snapshots
from recommender.training.export import CHUNK, export_snapshot
from recsite.source import ShopSource
from tests import shop

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def export(folder, **options):
    export_snapshot(source=ShopSource(), folder=folder, **options)
    return {name: pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("users", "items", "interactions")}


def buy(customer, product, time=NOON, **fields):
    return Purchase.objects.create(customer=customer, product=product, time=time, **fields)


@pytest.fixture
def ada():
    return Customer.objects.create(key="ada", age=36, country="UK")


@pytest.fixture
def lamp():
    return Product.objects.create(key="lamp", name="Lamp", category="Home")


def test_nothing_of_a_customer_without_consent_leaves_the_database(tmp_path, ada, lamp):
    bob = Customer.objects.create(key="bob", personalisation=False)
    buy(ada, lamp)
    buy(bob, lamp)
    tables = export(tmp_path / "s")
    assert [row["user"] for row in tables["users"]] == ["ada"]
    assert [row["user"] for row in tables["interactions"]] == ["ada"]
    assert b"bob" not in b"".join(path.read_bytes() for path in (tmp_path / "s").iterdir())


def test_every_product_is_there_and_whether_it_may_be_listed(tmp_path, lamp):
    Product.objects.create(key="old", name="Old lamp", active=False)
    listed = {row["item"]: row["available"] for row in export(tmp_path / "s")["items"]}
    assert listed == {"lamp": True, "old": False}


def test_purchases_are_in_the_order_of_time_and_ties_in_the_order_they_were_stored(tmp_path, ada):
    products = [Product.objects.create(key=key, name=key) for key in "abcd"]
    for product, minutes in zip(products, (5, 0, 5, 0), strict=True):
        buy(ada, product, NOON + timedelta(minutes=minutes))
    assert [row["item"] for row in export(tmp_path / "s")["interactions"]] == ["b", "d", "a", "c"]


def test_values_keep_their_types_and_missing_ones_stay_missing(tmp_path, ada, lamp):
    Customer.objects.create(key="nobody-knows")
    time = NOON + timedelta(microseconds=7)
    buy(ada, lamp, time, quantity=3, rating=Decimal("4.5"), amount=Decimal("12.30"), feedback="Good")
    buy(ada, lamp, NOON + timedelta(days=1))
    tables = export(tmp_path / "s")
    known, unknown = tables["users"]
    assert (known["age"], known["country"]) == (36.0, "UK")
    assert (unknown["age"], unknown["country"]) == (None, "")
    first, second = tables["interactions"]
    assert (first["time"], first["quantity"], first["rating"]) == (time, 3.0, 4.5)
    assert (first["amount"], first["feedback"]) == (12.30, "Good")
    assert (second["rating"], second["amount"], second["feedback"]) == (None, None, "")


def test_the_engine_reads_back_exactly_the_shop(tmp_path):
    shop.stock_the_shop()
    export_snapshot(source=ShopSource(), folder=tmp_path / "exported")
    ours, expected = read_snapshot(tmp_path / "exported"), read_snapshot(shop.write_snapshot(tmp_path / "written"))
    assert ours.schema == expected.schema
    assert ours.user_keys.tolist() == expected.user_keys.tolist()
    assert ours.item_keys.tolist() == expected.item_keys.tolist()
    assert np.array_equal(ours.item, expected.item)
    assert np.array_equal(ours.time, expected.time)
    assert np.array_equal(ours.rating, expected.rating, equal_nan=True)
    assert ours.users["gender"].tolist() == expected.users["gender"].tolist()
    assert ours.values["amount"].tolist() == expected.values["amount"].tolist()


class Members(ShopSource):
    """Users as items, whose groups are a relation to many, and customers' notes as vectors."""

    items = User.objects.all()
    item_key = "username"
    item_categorical, item_aliases, item_filters, item_updated = [], {}, [], None
    item_available = Q(is_active=True)
    item_numerical, item_text = ["customer__age"], ["first_name", "email"]
    item_multi, item_vector = ["groups__name"], "last_name"
    interaction_item = "customer__user"


def test_what_items_say_is_exported_with_one_query_more_for_each_relation_to_many(
    tmp_path, django_assert_max_num_queries
):
    groups = [Group.objects.create(name=name) for name in ("red", "blue")]
    for n in range(30):
        user = User.objects.create(username=f"u{n}", first_name=f"tin {n}", last_name="")
        user.groups.set(groups[: n % 3])
        Customer.objects.create(key=f"c{n}", user=user, age=20 + n if n else None)
    with django_assert_max_num_queries(12):
        export_snapshot(source=Members(), folder=tmp_path / "s")
    items = pq.read_table(tmp_path / "s" / "items.parquet").to_pylist()
    assert [row["groups__name"] for row in items[:3]] == [[], ["red"], ["blue", "red"]]
    assert [row["customer__age"] for row in items[:2]] == [None, 21.0]
    assert items[4]["first_name"] == "tin 4"
    written = json.loads((tmp_path / "s" / "schema.json").read_text())
    assert (written["item_multi"], written["item_vector"]) == (["groups__name"], "last_name")


def test_a_vector_that_is_none_is_left_out_and_named(tmp_path):
    user = User.objects.create(username="ada", last_name="none")
    export_snapshot(source=Members(), folder=tmp_path / "s")
    assert pq.read_table(tmp_path / "s" / "items.parquet")["last_name"].to_pylist() == [None]
    (lost,) = read_left_out(tmp_path / "s")
    assert (lost.column, lost.examples) == ("last_name", (f"id {user.pk}: 'none'",))


def test_the_counts_and_the_progress_are_those_of_the_tables(tmp_path):
    shop.stock_the_shop()
    told = []
    counts = export_snapshot(source=ShopSource(), folder=tmp_path / "s", progress=lambda *row: told.append(row))
    assert (counts.customers, counts.items, counts.interactions) == (60, 48, 480)
    assert told == [("users", 60), ("items", 48), ("interactions", 480)]


def test_a_cancelled_export_leaves_nothing_behind(tmp_path):
    shop.stock_the_shop()
    with pytest.raises(TrainingCancelled):
        export(tmp_path / "s", should_stop=lambda: True)
    assert list(tmp_path.iterdir()) == []


def test_a_feature_that_would_overwrite_another_column_is_refused(tmp_path, ada, lamp):
    class Clashing(ShopSource):
        customer_categorical = ["state"]
        customer_numerical = []
        customer_aliases = {}
        customer_from_interactions = {"state": Latest("rating")}
        interaction_rating = "amount"

    with pytest.raises(RecommenderError, match="'rating' holds 'amount'"):
        export_snapshot(source=Clashing(), folder=tmp_path / "s")


def test_memory_is_steady_however_many_purchases_there_are(tmp_path, ada, lamp, monkeypatch):
    def peak(folder):
        tracemalloc.start()
        try:
            export_snapshot(source=ShopSource(), folder=tmp_path / folder)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def sell(number):
        Purchase.objects.bulk_create(
            [Purchase(customer=ada, product=lamp, time=NOON + timedelta(seconds=n)) for n in range(number)]
        )

    monkeypatch.setattr(snapshots, "PART", CHUNK)  # of rows in memory where there are no cursors
    sell(2 * CHUNK)
    peak("warm")
    few = peak("few")
    sell(4 * CHUNK)
    many = peak("many")
    assert many < 1.3 * few, f"{few:,} bytes for {2 * CHUNK:,} purchases, {many:,} for {6 * CHUNK:,}"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL knows such moments")
@pytest.mark.parametrize("moment", ["infinity", "-infinity", "20000-01-01", "0002-01-01 BC"])
def test_a_moment_that_is_in_no_calendar_stops_no_training_and_no_list(tmp_path, ada, lamp, moment):
    sold = [buy(ada, lamp, NOON + timedelta(days=n)) for n in range(3)]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE customers_purchase SET time = %s WHERE id = %s", [moment, sold[1].pk])
    export(tmp_path / "s")
    tables = read_snapshot(tmp_path / "s")
    assert len(tables) == 2
    assert [part.sentence() for part in tables.left_out] == [
        f"interactions: 1 row is left out, because time is in no calendar (id {sold[1].pk})."
    ]
    known = people.find_customers(["ada"], max_history=1)["ada"]
    assert known.person.purchases is None  # the history is whole
    assert (len(known.person.history), known.bought) == (2, {"lamp"})


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's test database lives in one process's memory")
def test_a_purchase_made_during_the_export_is_in_no_table(tmp_path):
    """The tables agree with each other: the shop goes on selling meanwhile, to new customers, too."""
    shop.stock_the_shop()

    def sell():
        customer = Customer.objects.create(key="late")
        buy(customer, Product.objects.create(key="late", name="Late"))
        connections.close_all()

    def meanwhile(table, rows):
        if table == "users":
            seller = threading.Thread(target=sell)
            seller.start()
            seller.join()

    tables = export(tmp_path / "s", progress=meanwhile)
    assert Purchase.objects.filter(customer__key="late").exists()
    assert len(tables["items"]) == 48
    assert len(tables["interactions"]) == 480


def test_without_cursors_the_tables_are_the_same(tmp_path, monkeypatch):
    """MariaDB's driver would hold all rows in memory, so that they are read in parts: none twice, none forgotten, in
    the same order, many of one moment."""
    shop.stock_the_shop()
    moments = list(Purchase.objects.order_by("pk").values_list("time", flat=True)[:40])
    Purchase.objects.filter(time__in=moments).update(time=moments[0])
    monkeypatch.setattr(snapshots, "has_cursors", lambda using: True)
    at_once = export(tmp_path / "at_once")
    monkeypatch.setattr(snapshots, "has_cursors", lambda using: False)
    monkeypatch.setattr(snapshots, "PART", 7)
    assert export(tmp_path / "in_parts") == at_once
    assert [len(rows) for rows in at_once.values()] == [60, 48, 480]


@pytest.mark.skipif(connection.vendor == "postgresql", reason="it has cursors, and sorts what is missing last")
def test_in_parts_rows_of_which_the_order_is_missing_are_read_once_too(monkeypatch):
    ages = [None, 30, None, 20, 30, None, 20]
    made = [Customer.objects.create(key=f"c{n}", age=age) for n, age in enumerate(ages)]
    monkeypatch.setattr(snapshots, "has_cursors", lambda using: False)
    monkeypatch.setattr(snapshots, "PART", 2)
    rows = Customer.objects.order_by("age", "pk")
    read = [row for stream in snapshots._streams(rows, ["key"]) for row in stream]
    assert read == [(made[n].key,) for n in (0, 2, 5, 3, 6, 1, 4)]
