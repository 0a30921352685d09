"""From the site's rows to a snapshot: three parquet tables and schema.json, streamed, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from math import isinf
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db import connections, transaction
from django.db.models import BooleanField, Case, Q, QuerySet, Value, When

from recommender.engine.data.encoders import as_number, as_text
from recommender.engine.data.left_out import EXAMPLES, NOBODYS, ROW, VALUE, LeftOutCounter, write_left_out
from recommender.engine.errors import EngineError, TrainingCancelled
from recommender.errors import RecommenderError
from recommender.source import (
    CUSTOMER,
    CUSTOMER_KEY,
    ITEM_KEY,
    RecommenderSource,
    available,
    interactions_of,
    leads_to_many,
    plain_value,
    texts_of,
    unix_seconds,
    unreadable_time,
    values_of_many,
    vector_of,
    with_keys,
)

CHUNK = 5_000  # rows in memory at once: the size of a row group, and of what a server-side cursor fetches
PART = 50_000  # rows in memory at once, where the database has no cursors
TIME = pa.timestamp("us", tz="UTC")
TEXTS, VECTOR = pa.list_(pa.string()), pa.list_(pa.float32())
FARTHEST_SECONDS = 9e12  # from 1970: about all that TIME holds, and far outside of what the engine takes


@dataclass(frozen=True)
class SnapshotCounts:
    """Rows written to each table."""

    customers: int
    items: int
    interactions: int


@dataclass(frozen=True)
class Column:
    """A column of a table. lookup : the column or relation of the model that it is read from.   of_many : whether that
    leads to several rows, which are read by a query for each chunk."""

    name: str
    lookup: str
    kind: pa.DataType
    of_many: bool = False

    def convert(self, value: Any) -> Any:
        """The cell of a value, exactly as serving makes it of the same row. Raises for a value that cannot be read."""
        if value is None:
            return None
        if self.kind == TIME:
            return round(min(max(unix_seconds(value), -FARTHEST_SECONDS), FARTHEST_SECONDS) * 1e6)
        if self.kind == pa.string():
            if isinstance(value, float | Decimal) and isinf(value):
                raise ValueError(f"{value!r} is not a finite number.")
            return value if type(value) is str else as_text(self.name, plain_value(value))
        if self.kind == pa.bool_():
            return bool(value)
        if self.kind == TEXTS:
            return texts_of(self.name, value)
        if self.kind == VECTOR:
            return vector_of(self.name, value) or None
        # An infinite number stays one: the engine counts it.
        return float(value) if isinstance(value, float | Decimal) else as_number(self.name, plain_value(value))


ROW_ID = Column("row_id", "pk", pa.string())  # the last column of each table: the row's name in messages


def export_snapshot(
    *,
    source: RecommenderSource,
    folder: Path,
    progress: Callable[[str, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> SnapshotCounts:
    """Write what the engine learns from into `folder`, which must not exist yet; it appears when it is whole.

    Customers who gave no consent are in no table, and neither are their interactions. All items are there: those that
    may not be listed now teach, too. A value that cannot be read is missing, and counted beside the tables.
    Interactions are in the order of time, then of their primary key.

    progress : called with a table and its number of rows written.   should_stop : called every few thousand rows;
    TrainingCancelled is raised when it returns True.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    tables = _Tables(part, LeftOutCounter(), progress or (lambda table, rows: None), should_stop or (lambda: False))
    try:
        with _one_moment(source.interactions.db):
            counts = SnapshotCounts(
                customers=tables.write("users", source.customers.order_by("pk"), _customer_columns(source)),
                items=tables.write("items", _items(source), _item_columns(source)),
                interactions=tables.write("interactions", _interactions(source), _interaction_columns(source)),
            )
            _count_without_customer(source, tables.left_out)
            _count_unreadable_times(source, tables.left_out)
        source.schema().write(part)
        write_left_out(part, tables.left_out.found())
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return counts


@dataclass(frozen=True)
class _Tables:
    """Writes querysets as parquet tables into a folder."""

    folder: Path
    left_out: LeftOutCounter
    progress: Callable[[str, int], None]
    should_stop: Callable[[], bool]

    def write(self, table: str, rows: QuerySet, columns: Sequence[Column]) -> int:
        """The number of rows written."""
        written = 0
        schema = pa.schema([(column.name, column.kind) for column in columns])
        with pq.ParquetWriter(self.folder / f"{table}.parquet", schema) as file:
            plain = [column for column in columns if not column.of_many]
            for chunk in _chunks(rows, [column.lookup for column in plain]):
                if self.should_stop():
                    raise TrainingCancelled("The run was cancelled.")
                values = dict(zip((column.name for column in plain), zip(*chunk, strict=True), strict=True))
                row_ids = values[ROW_ID.name]
                for column in columns:
                    if column.of_many:
                        values[column.name] = tuple(values_of_many(rows, column.lookup, row_ids).values())
                cells = [self._cells(table, column, values[column.name], row_ids) for column in columns]
                file.write_table(pa.Table.from_arrays(cells, schema=schema))
                written += len(chunk)
                self.progress(table, written)
        return written

    def _cells(self, table: str, column: Column, values: Iterable[Any], row_ids: Sequence[Any]) -> pa.Array:
        cells = []
        for row_id, value in zip(row_ids, values, strict=True):
            try:
                cells.append(column.convert(value))
            except (EngineError, ValueError, OverflowError, TypeError):
                example = f"id {row_id}: {str(value)[:40]!r}"
                self.left_out.add(table, column.name, "cannot be read", VALUE, 1, [example])
                cells.append(None)
        return pa.array(cells, column.kind)


# --- what is read -----------------------------------------------------------------------------------------------------


def _items(source: RecommenderSource) -> QuerySet:
    flag = Case(When(available(source), then=Value(True)), default=Value(False), output_field=BooleanField())
    return source.listed_items().annotate(_available=flag).order_by("pk")


def _interactions(source: RecommenderSource) -> QuerySet:
    rows, unreadable = _learnable(source), unreadable_time(source)
    return (rows if unreadable is None else rows.exclude(unreadable)).order_by(source.interaction_time, "pk")


def _learnable(source: RecommenderSource) -> QuerySet:
    customers = source.customers.order_by().values("pk")
    return with_keys(source, interactions_of(source)).filter(**{f"{CUSTOMER}__in": customers})


def _count_without_customer(source: RecommenderSource, left_out: LeftOutCounter) -> None:
    """Count the interactions of guests, or of customers who were deleted. The engine counts those without an item."""
    _count(interactions_of(source).filter(**{f"{CUSTOMER}__isnull": True}), left_out, "user", "is missing", NOBODYS)


def _count_unreadable_times(source: RecommenderSource, left_out: LeftOutCounter) -> None:
    unreadable = unreadable_time(source)
    if unreadable is not None:
        _count(_learnable(source).filter(unreadable), left_out, "time", "is in no calendar", ROW)


def _count(rows: QuerySet, left_out: LeftOutCounter, column: str, reason: str, effect: str) -> None:
    examples = [f"id {pk}" for pk in rows.order_by("pk").values_list("pk", flat=True)[:EXAMPLES]]
    left_out.add("interactions", column, reason, effect, rows.count() if examples else 0, examples)


def _customer_columns(source: RecommenderSource) -> list[Column]:
    features = [
        Column(name, name, pa.float64() if name in source.customer_numerical else pa.string())
        for name in source.static_features
    ]
    return [Column("user", source.customer_key, pa.string()), *features, ROW_ID]


def _item_columns(source: RecommenderSource) -> list[Column]:
    kinds: dict[str, pa.DataType] = dict.fromkeys((*source.item_categorical, *source.item_text), pa.string())
    kinds |= dict.fromkeys(source.item_numerical, pa.float64()) | dict.fromkeys(source.item_multi, TEXTS)
    if source.item_vector:
        kinds[source.item_vector] = VECTOR
    rows = source.items
    features = [Column(name, name, kind, kind == TEXTS and leads_to_many(rows, name)) for name, kind in kinds.items()]
    is_available = Column("available", "_available", pa.bool_())
    return [Column("item", source.item_key, pa.string()), *features, is_available, ROW_ID]


def _interaction_columns(source: RecommenderSource) -> list[Column]:
    columns = [
        Column("user", CUSTOMER_KEY, pa.string()),
        Column("item", ITEM_KEY, pa.string()),
        Column("time", source.interaction_time, TIME),
    ]
    for name, lookup in (("rating", source.interaction_rating), ("quantity", source.interaction_quantity)):
        if lookup:
            columns.append(Column(name, lookup, pa.float64()))
    lookups = {column.name: column.lookup for column in columns}
    numeric = source.schema().numeric_interaction_columns()
    for name in source.interaction_columns:
        if name not in lookups:
            columns.append(Column(name, name, pa.float64() if name in numeric else pa.string()))
        elif lookups[name] != name:
            raise RecommenderError(
                f"{type(source).__name__}: a customer feature reads the interaction field {name!r}, but in a snapshot "
                f"{name!r} holds {lookups[name]!r}. Give the field another name."
            )
    return [*columns, ROW_ID]


# --- how it is read ---------------------------------------------------------------------------------------------------


def _chunks(rows: QuerySet, lookups: list[str]) -> Iterator[list[tuple[Any, ...]]]:
    for stream in _streams(rows, lookups):
        while chunk := list(islice(stream, CHUNK)):
            yield chunk


def has_cursors(using: str) -> bool:
    """Whether the rows of a query can be fetched one after the other."""
    return connections[using].vendor != "mysql"


def _streams(rows: QuerySet, lookups: list[str]) -> Iterator[Iterator[tuple[Any, ...]]]:
    """The rows of a query, in parts where the database has no cursors: the drivers of MariaDB and MySQL would hold all
    rows in memory. Each part begins after the last row of the part before.

    rows : in the order of their primary keys, or of another column and then of these.
    """
    if has_cursors(rows.db):
        yield rows.values_list(*lookups).iterator(chunk_size=CHUNK)
        return
    order = [str(name) for name in rows.query.order_by]
    last: tuple[Any, ...] | None = None
    while True:
        following = rows if last is None else rows.filter(_after(order, last))
        part = list(following.values_list(*order, *lookups)[:PART])
        yield (row[len(order) :] for row in part)
        if len(part) < PART:
            return
        last = part[-1][: len(order)]


def _after(order: Sequence[str], last: Sequence[Any]) -> Q:
    """The rows after one with these values, null being before all values."""
    (name, *names), (value, *values) = order, last
    after = Q(**{f"{name}__isnull": False}) if value is None else Q(**{f"{name}__gt": value})
    if not names:
        return after
    same = Q(**{f"{name}__isnull": True}) if value is None else Q(**{name: value})
    among = Q() if value is None else Q(**{f"{name}__gte": value})  # without it, no index is used
    return among & (after | same & _after(names, values))


@contextmanager
def _one_moment(using: str) -> Iterator[None]:
    """Every query inside sees the database as it was at one moment, so that the tables agree. It blocks no writer.

    Inside a transaction of the caller, that transaction decides what the queries see.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        # Not atomic(): with transaction_mode IMMEDIATE it would lock the shop out of its own database until the end.
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("COMMIT")
    else:
        if connection.vendor == "mysql":  # its next transaction
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        with transaction.atomic(using=using):
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
