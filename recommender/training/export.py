"""From the site's rows to a snapshot: three parquet tables and schema.json, streamed, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
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
from recommender.source import RecommenderSource, plain_value, unix_seconds, unreadable

CHUNK = 5_000  # rows in memory at once: the size of a row group, and of what a server-side cursor fetches
TIME = pa.timestamp("us", tz="UTC")
FARTHEST_SECONDS = 9e12  # from 1970: about all that TIME holds, and far outside of what the engine takes

Tell = Callable[[str, int], None]


@dataclass(frozen=True)
class SnapshotCounts:
    """Rows written to each table."""

    customers: int
    items: int
    interactions: int


@dataclass(frozen=True)
class Column:
    """One column of a table: its name there, the lookup that reads it, and what it holds."""

    name: str
    lookup: str
    kind: pa.DataType

    def read(self, values: Iterable[Any], unreadable: Callable[[int, Any], None]) -> pa.Array:
        """unreadable : told the place, and the value, of what cannot be read; it is missing then."""
        cells = []
        for place, value in enumerate(values):
            try:
                cells.append(self._one(value))
            except (EngineError, ValueError, OverflowError):
                unreadable(place, value)
                cells.append(None)
        return pa.array(cells, self.kind)

    def _one(self, value: Any) -> Any:
        # Texts and numbers become exactly what serving makes of the same row: a model must meet again what it learned.
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
        # An infinite number stays one: the engine counts it. None of the others is left to it.
        return float(value) if isinstance(value, float | Decimal) else as_number(self.name, plain_value(value))


ROW_ID = Column("row_id", "pk", pa.string())  # the last column of each table: what a row is called in messages


def export_snapshot(
    *,
    source: RecommenderSource,
    folder: Path,
    progress: Tell | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> SnapshotCounts:
    """Write what the engine learns from into `folder`, which must not exist yet; it appears when it is whole.

    Customers who gave no consent are in no table, and neither are their interactions. Items are all there: the ones
    that may not be listed now teach, too. A value that cannot be read is missing, and counted beside the tables.
    Interactions are in the order of time, then of their primary key.

    progress : told the table and how many of its rows are written. should_stop : asked every few thousand rows;
    TrainingCancelled is raised when it says yes.
    """
    schema = source.schema()
    counter = LeftOutCounter()
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)

    def unreadable(table: str, column: Column, chunk: Sequence[Sequence[Any]], place: int, value: Any) -> None:
        name = f"id {chunk[place][-1]}: {str(value)[:40]!r}"
        counter.add(table, column.name, "cannot be read", VALUE, 1, [name])

    def write(table: str, rows: QuerySet, columns: Sequence[Column]) -> int:
        chunks = _chunks(rows, [column.lookup for column in columns])
        written = 0
        kinds = pa.schema([(column.name, column.kind) for column in columns])
        with pq.ParquetWriter(part / f"{table}.parquet", kinds) as file:
            for chunk in chunks:
                if should_stop is not None and should_stop():
                    raise TrainingCancelled("The run was cancelled.")
                arrays = [
                    column.read(values, partial(unreadable, table, column, chunk))
                    for column, values in zip(columns, zip(*chunk, strict=True), strict=True)
                ]
                file.write_table(pa.Table.from_arrays(arrays, schema=kinds))
                written += len(chunk)
                if progress is not None:
                    progress(table, written)
        return written

    try:
        with _one_moment(source.interactions.db):
            counts = SnapshotCounts(
                customers=write("users", source.customers.order_by("pk"), _customer_columns(source)),
                items=write("items", _items(source), _item_columns(source)),
                interactions=write("interactions", _interactions(source), _interaction_columns(source)),
            )
            _count_nobodys(source, counter)
            _count_unreadable(source, counter)
        schema.write(part)
        write_left_out(part, counter.found())
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return counts


# --- what is read -----------------------------------------------------------------------------------------------------


def _items(source: RecommenderSource) -> QuerySet:
    may_be_listed = source.item_available or Q(pk__isnull=False)
    flag = Case(When(may_be_listed, then=Value(True)), default=Value(False), output_field=BooleanField())
    return source.items.annotate(_available=flag).order_by("pk")


def _interactions(source: RecommenderSource) -> QuerySet:
    rows, never = _learnable(source), unreadable(source)
    return (rows if never is None else rows.exclude(never)).order_by(source.interaction_time, "pk")


def _learnable(source: RecommenderSource) -> QuerySet:
    customers = source.customers.order_by().values("pk")
    return source.interactions.filter(**{f"{source.interaction_customer}__in": customers})


def _count_nobodys(source: RecommenderSource, counter: LeftOutCounter) -> None:
    """Count the interactions without a customer: those of guests, or of people who were deleted."""
    nobodys = source.interactions.filter(**{f"{source.interaction_customer}__isnull": True})
    _count(nobodys, counter, "user", "is missing", NOBODYS)


def _count_unreadable(source: RecommenderSource, counter: LeftOutCounter) -> None:
    """Count the interactions whose time cannot be read at all."""
    never = unreadable(source)
    if never is not None:
        _count(_learnable(source).filter(never), counter, "time", "is in no calendar", ROW)


def _count(rows: QuerySet, counter: LeftOutCounter, column: str, reason: str, effect: str) -> None:
    examples = [f"id {pk}" for pk in rows.order_by("pk").values_list("pk", flat=True)[:EXAMPLES]]
    counter.add("interactions", column, reason, effect, rows.count() if examples else 0, examples)


def _customer_columns(source: RecommenderSource) -> list[Column]:
    numerical = set(source.customer_numerical)
    features = [Column(n, n, pa.float64() if n in numerical else pa.string()) for n in source.static_features]
    return [Column("user", source.customer_key, pa.string()), *features, ROW_ID]


def _item_columns(source: RecommenderSource) -> list[Column]:
    features = [Column(name, name, pa.string()) for name in source.item_categorical]
    return [
        Column("item", source.item_key, pa.string()),
        *features,
        Column("available", "_available", pa.bool_()),
        ROW_ID,
    ]


def _interaction_columns(source: RecommenderSource) -> list[Column]:
    columns = [
        Column("user", f"{source.interaction_customer}__{source.customer_key}", pa.string()),
        Column("item", f"{source.interaction_item}__{source.item_key}", pa.string()),
        Column("time", source.interaction_time, TIME),
    ]
    if source.interaction_rating:
        columns.append(Column("rating", source.interaction_rating, pa.float64()))
    if source.interaction_quantity:
        columns.append(Column("quantity", source.interaction_quantity, pa.float64()))
    taken = {column.name: column.lookup for column in columns}
    numeric = source.schema().numeric_interaction_columns()
    for name in source.interaction_columns:
        if name not in taken:
            columns.append(Column(name, name, pa.float64() if name in numeric else pa.string()))
        elif taken[name] != name:
            raise RecommenderError(
                f"{type(source).__name__}: a customer feature reads the interaction field {name!r}, but in a snapshot "
                f"{name!r} holds {taken[name]!r}. Give the field another name."
            )
    return [*columns, ROW_ID]


# --- how it is read ---------------------------------------------------------------------------------------------------


def _chunks(rows: QuerySet, lookups: list[str]) -> Iterator[list[tuple[Any, ...]]]:
    stream = rows.values_list(*lookups).iterator(chunk_size=CHUNK)
    while chunk := list(islice(stream, CHUNK)):
        yield chunk


@contextmanager
def _one_moment(using: str) -> Iterator[None]:
    """Every query inside sees the database as it was at one moment, so that the tables agree. Nobody is kept waiting.

    Inside a transaction of the caller, it is that transaction that decides what is seen.
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
        with transaction.atomic(using=using):
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
