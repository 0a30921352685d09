"""Reads and validates a snapshot, or one flat frame of transactions, into plain arrays sorted for learning."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from recommender.engine.errors import SnapshotError
from recommender.engine.schema import Schema

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Tables:
    """A whole snapshot in memory. n interactions, sorted by user, then time, then the order they came in.

    user_keys, item_keys : str arrays, [users] and [items]; row numbers are used everywhere else.
    users, items : feature name -> array; categorical hold str (missing: ""), numerical float64 (missing: nan).
    user, item : int32 [n] row numbers.
    time : float64 [n], Unix seconds.
    rating : float32 [n], 0 to 5, nan where none was given.
    values : the interaction columns that derived features read, str or float64 [n].
    available : bool [items], whether an item may be listed.
    """

    schema: Schema
    user_keys: np.ndarray
    item_keys: np.ndarray
    users: Columns
    items: Columns
    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    rating: np.ndarray
    values: Columns
    available: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    @property
    def first_row(self) -> np.ndarray:
        """int64 [users + 1]: interactions of user u are rows first_row[u] to first_row[u + 1]."""
        return np.searchsorted(self.user, np.arange(len(self.user_keys) + 1)).astype(np.int64)

    def rows(self, rows: np.ndarray) -> Tables:
        """The same users and items with these interactions only. rows : int [k], sorted by user."""
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in ("user", "item", "time", "rating")},
            values={name: column[rows] for name, column in self.values.items()},
        )

    def fingerprint(self) -> str:
        """SHA-256 over everything a model can learn from: two runs with the same print saw the same data."""
        digest = hashlib.sha256(repr(self.schema.to_dict()).encode())
        features = (*self.users.values(), *self.items.values(), *self.values.values())
        for array in (self.user_keys, self.item_keys, *features):
            digest.update("\x1f".join(map(str, array.tolist())).encode())
        for array in (self.user, self.item, self.time, self.rating):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def read_snapshot(folder: Path) -> Tables:
    """The tables of a snapshot folder: users, items and interactions as parquet, or CSV of the same names.

    Users and items that occur only among the interactions are added with every feature missing.
    Raises SnapshotError that names the file and the column.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SnapshotError(f"{folder} is not a folder: a snapshot holds users, items, interactions and schema.json.")
    schema = Schema.read(folder)
    users, items = _read_table(folder, "users"), _read_table(folder, "items")
    interactions = _read_table(folder, "interactions")
    _require(interactions, ("user", "item", "time", *schema.interaction_columns), folder / "interactions")
    static = [f for f in schema.user_fields if f not in schema.derived]
    _require(users, static, folder / "users")
    flag = schema.item_available
    _require(items, (*schema.item_categorical, *([flag] if flag else [])), folder / "items")
    if not users.num_columns or not items.num_columns:
        raise SnapshotError(f"{folder}: the first column of users and of items must be their key.")
    numeric_values = schema.numeric_interaction_columns()
    return assemble(
        schema,
        user_keys=_keys(users.column(0)),
        users={f: _feature(users[f], f, f in schema.user_numerical) for f in static},
        item_keys=_keys(items.column(0)),
        items={f: _feature(items[f], f, numerical=False) for f in schema.item_categorical},
        user=_keys(interactions["user"]),
        item=_keys(interactions["item"]),
        time=_seconds(interactions["time"]),
        rating=_ratings(interactions),
        values={c: _feature(interactions[c], c, c in numeric_values) for c in schema.interaction_columns},
        available=_flags(items, flag) if flag else None,
    )


def from_frame(
    frame: Any,
    *,
    user: str,
    item: str,
    time: str,
    rating: str | None = None,
    user_categorical: Sequence[str] = (),
    user_numerical: Sequence[str] = (),
    item_categorical: Sequence[str] = (),
    derived: Mapping[str, Any] | None = None,
) -> Tables:
    """The tables of one flat pandas frame, a row a transaction (the seed's `df_clean`); a profile is its latest row."""
    schema = Schema(tuple(user_categorical), tuple(user_numerical), tuple(item_categorical), dict(derived or {}))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    _require(table, (user, item, time, *([rating] if rating else [])), Path("the frame"))
    static = [f for f in schema.user_fields if f not in schema.derived]
    _require(table, (*static, *schema.item_categorical, *schema.interaction_columns), Path("the frame"))
    seconds = _seconds(table[time])
    in_time = np.argsort(seconds, kind="stable")

    def latest(keys: np.ndarray, names: Sequence[str], numerical: Sequence[str]) -> tuple[np.ndarray, Columns]:
        row_of = dict(zip(keys[in_time], in_time, strict=True))
        rows = np.fromiter(row_of.values(), np.int64, len(row_of))
        return keys[rows], {n: _feature(table[n], n, n in numerical)[rows] for n in names}

    user_keys, users = latest(_keys(table[user]), static, schema.user_numerical)
    item_keys, items = latest(_keys(table[item]), schema.item_categorical, ())
    numeric_values = schema.numeric_interaction_columns()
    return assemble(
        schema,
        user_keys=user_keys,
        users=users,
        item_keys=item_keys,
        items=items,
        user=_keys(table[user]),
        item=_keys(table[item]),
        time=seconds,
        rating=_ratings(table, rating or "rating"),
        values={c: _feature(table[c], c, c in numeric_values) for c in schema.interaction_columns},
    )


def assemble(
    schema: Schema,
    *,
    user_keys: np.ndarray,
    users: Columns,
    item_keys: np.ndarray,
    items: Columns,
    user: np.ndarray,
    item: np.ndarray,
    time: np.ndarray,
    rating: np.ndarray,
    values: Columns,
    available: np.ndarray | None = None,
) -> Tables:
    """Tables from columns whose users and items are still keys; checks what no single column can show."""
    if len(user) == 0:
        raise SnapshotError("There are no interactions: a model needs purchases to learn from.")
    user_keys, users, user_rows = _join(user_keys, users, user, "users")
    listed = np.ones(len(item_keys), dtype=bool) if available is None else available
    item_keys, items, item_rows = _join(item_keys, items, item, "items")
    if not np.isfinite(time).all():
        bad = int(np.flatnonzero(~np.isfinite(time))[0])
        raise SnapshotError(f"interactions: row {bad + 1} has no time.")
    if ((rating < 0) | (rating > 5)).any():
        bad = int(np.flatnonzero((rating < 0) | (rating > 5))[0])
        raise SnapshotError(f"interactions: row {bad + 1} has the rating {rating[bad]:g}; ratings lie between 0 and 5.")
    order = np.lexsort((time, user_rows))  # stable: rows of one moment keep the order they came in
    return Tables(
        schema=schema,
        user_keys=user_keys,
        item_keys=item_keys,
        users=users,
        items=items,
        user=user_rows[order].astype(np.int32),
        item=item_rows[order].astype(np.int32),
        time=time[order].astype(np.float64),
        rating=rating[order].astype(np.float32),
        values={name: column[order] for name, column in values.items()},
        available=np.append(listed, np.ones(len(item_keys) - len(listed), dtype=bool)),
    )


def _read_table(folder: Path, name: str) -> pa.Table:
    parquet, csv = folder / f"{name}.parquet", folder / f"{name}.csv"
    try:
        if parquet.exists():
            return pq.read_table(parquet)
        if csv.exists():
            with pyarrow.csv.open_csv(csv) as head:
                columns = head.schema.names
            keys = ("user", "item") if name == "interactions" else columns[:1]
            options = pyarrow.csv.ConvertOptions(
                strings_can_be_null=True,
                column_types={k: pa.string() for k in keys},  # "007" is not 7
            )
            return pyarrow.csv.read_csv(csv, convert_options=options)
    except (pa.ArrowException, OSError) as error:
        raise SnapshotError(f"{folder / name} cannot be read: {error}.") from None
    raise SnapshotError(f"{folder} holds neither {name}.parquet nor {name}.csv.")


def _require(table: pa.Table, names: Sequence[str], where: Path) -> None:
    missing = [n for n in names if n not in table.column_names]
    if missing:
        raise SnapshotError(
            f"{where} lacks the columns {', '.join(missing)}; it has {', '.join(table.column_names) or 'none'}."
        )


def _keys(column: pa.ChunkedArray) -> np.ndarray:
    """Keys as text. 17, 17.0 and "17" are one key, whatever the file made of them."""
    if column.null_count:
        raise SnapshotError("A key is missing: every row of users, items and interactions needs one.")
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy()
        if (numbers == np.round(numbers)).all():
            return numbers.astype(np.int64).astype(str).astype(object)
    return np.array(_as_text(column).to_pylist(), dtype=object)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string())


def _feature(column: pa.ChunkedArray, name: str, numerical: bool) -> np.ndarray:
    if numerical:
        try:
            return pc.fill_null(column.cast(pa.float64(), safe=False), float("nan")).to_numpy()
        except pa.ArrowException as error:
            raise SnapshotError(f"The column {name!r} is numerical, but holds something else: {error}.") from None
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy()
        return np.array(["" if np.isnan(v) else f"{v:g}" for v in numbers], dtype=object)
    return np.array(pc.fill_null(_as_text(column), "").to_pylist(), dtype=object)


def _seconds(column: pa.ChunkedArray) -> np.ndarray:
    """Unix seconds of a column of timestamps, dates, ISO text or numbers; nan where missing."""
    kind = column.type
    try:
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            column = column.cast(pa.timestamp("us"))
        elif pa.types.is_date(kind):
            column = column.cast(pa.timestamp("s"))
        if pa.types.is_timestamp(column.type):
            micros = pc.cast(column, pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
            return pc.fill_null(pc.divide(micros.cast(pa.float64()), 1e6), float("nan")).to_numpy()
        return pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
    except pa.ArrowException as error:
        raise SnapshotError(f"Times must be timestamps or Unix seconds: {error}.") from None


def _ratings(table: pa.Table, name: str = "rating") -> np.ndarray:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan, dtype=np.float32)
    return _feature(table[name], name, numerical=True).astype(np.float32)


def _flags(table: pa.Table, name: str) -> np.ndarray:
    try:
        return pc.fill_null(table[name].cast(pa.bool_()), False).to_numpy()
    except pa.ArrowException as error:
        raise SnapshotError(f"The column {name!r} must say true or false: {error}.") from None


def _join(keys: np.ndarray, features: Columns, used: np.ndarray, what: str) -> tuple[np.ndarray, Columns, np.ndarray]:
    """Rows of the used keys; keys met only among the interactions are appended with missing features."""
    row_of = {key: row for row, key in enumerate(keys.tolist())}
    if len(row_of) != len(keys):
        seen: set[str] = set()
        twice = next(k for k in keys.tolist() if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise SnapshotError(f"{what}: the key {twice!r} stands there twice.")
    rows = np.fromiter((row_of.setdefault(k, len(row_of)) for k in used.tolist()), np.int64, len(used))
    added = len(row_of) - len(keys)
    if added:
        features = {
            n: np.concatenate([c, np.full(added, np.nan if c.dtype == np.float64 else "", dtype=c.dtype)])
            for n, c in features.items()
        }
    return np.array(list(row_of), dtype=object), features, rows
