"""A snapshot, or one flat frame of transactions, as plain arrays sorted for learning."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recommender.engine.data.columns import ColumnReader, frame_column, read_table
from recommender.engine.data.encoders import HIGHEST_RATING, LARGEST_AMOUNT, LARGEST_FEATURE, LOWEST_RATING
from recommender.engine.data.left_out import (
    BARE,
    ONCE,
    ROW,
    UNLISTED,
    VALUE,
    LeftOut,
    LeftOutCounter,
    read_left_out,
    require_enough,
    require_matching,
)
from recommender.engine.data.schema import Schema
from recommender.engine.errors import SnapshotError
from recommender.engine.times import EARLIEST_SECONDS, latest_seconds

Columns = dict[str, np.ndarray]
Name = Callable[[str, int, str], str]  # of a table, a row and the column that is wrong there, "" for none
SECONDS_OF_1990 = 631_152_000  # times that are later than this in thousandths of a second are no seconds


@dataclass(frozen=True)
class Tables:
    """A whole snapshot in memory. n interactions, sorted by user, then time, then the order they came in.

    Rows of the same user, item and time are one interaction: the last one's values, its columns that are summed added
    up, and the last rating that was given.

    user_keys, item_keys : str arrays, [users] and [items]; row numbers are used everywhere else.
    users, items : feature name -> array; categories and texts hold str (missing: ""), numbers float64 (missing: nan),
        several values tuples of str (missing: empty, or ""), vectors float32 [items, d] (missing: nan).
    user, item : int32 [n] row numbers.
    time : float64 [n], Unix seconds.
    rating : float32 [n], 0 to 5, nan where none was given.
    values : the interaction columns that derived features read, str or float64 [n].
    available : bool [items], whether an item may be listed.
    left_out : what could not be used, and what does not fit together.
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
    left_out: tuple[LeftOut, ...] = ()

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

    Users and items that occur only among the interactions are added with every feature missing. Such items teach but
    are never listed, unless the table of items is empty: then there is nothing to list but what was bought.
    Rows and values that cannot be used are left out and counted in `Tables.left_out`.
    Raises SnapshotError that names the file and the column, or says that too much was lost.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SnapshotError(f"{folder} is not a folder: a snapshot holds users, items, interactions and schema.json.")
    schema = Schema.read(folder)
    counter = LeftOutCounter.of(read_left_out(folder))
    users, items, interactions = (read_table(folder, name, counter) for name in ("users", "items", "interactions"))
    _require(interactions.column_names, ("user", "item", "time", *schema.interaction_columns), folder / "interactions")
    static = [f for f in schema.user_fields if f not in schema.derived]
    _require(users.column_names, static, folder / "users")
    flag = schema.item_available
    _require(items.column_names, (*schema.item_fields, *([flag] if flag else [])), folder / "items")
    if not users.num_columns or not items.num_columns:
        raise SnapshotError(f"{folder}: the first column of users and of items must be their key.")
    reader = ColumnReader(counter, {"users": users, "items": items, "interactions": interactions}, schema.row_id)
    numeric_values = schema.numeric_interaction_columns()
    return assemble(
        schema,
        user_keys=reader.keys("users", users.column_names[0]),
        users={f: reader.feature("users", f, f in schema.user_numerical) for f in static},
        item_keys=reader.keys("items", items.column_names[0]),
        items=reader.item_features("items", schema),
        user=reader.keys("interactions", "user"),
        item=reader.keys("interactions", "item"),
        time=reader.times("interactions", "time"),
        rating=reader.ratings("interactions", "rating"),
        values={c: reader.feature("interactions", c, c in numeric_values) for c in schema.interaction_columns},
        available=reader.flags("items", flag) if flag else None,
        counter=counter,
        name=reader.name,
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
    item_numerical: Sequence[str] = (),
    item_text: Sequence[str] = (),
    item_multi: Sequence[str] = (),
    item_vector: str | None = None,
    derived: Mapping[str, Any] | None = None,
) -> Tables:
    """The tables of one flat pandas frame, a row a transaction (the seed's `df_clean`); a profile is its latest row."""
    schema = Schema(
        user_categorical=tuple(user_categorical),
        user_numerical=tuple(user_numerical),
        item_categorical=tuple(item_categorical),
        item_numerical=tuple(item_numerical),
        item_text=tuple(item_text),
        item_multi=tuple(item_multi),
        item_vector=item_vector,
        derived=dict(derived or {}),
    )
    static = [f for f in schema.user_fields if f not in schema.derived]
    features = (*static, *schema.item_fields, *schema.interaction_columns)
    names = list(dict.fromkeys([user, item, time, *([rating] if rating else []), *features]))
    _require([str(name) for name in frame.columns], names, Path("the frame"))
    counter = LeftOutCounter()
    table = pa.table({name: frame_column(frame[name], name, counter) for name in names})
    columns = {"user": user, "item": item, "time": time, "rating": rating or "rating"}
    reader = ColumnReader(counter, {"interactions": table}, columns=columns)
    seconds = reader.times("interactions", time)
    usable = np.flatnonzero(np.isfinite(seconds) & (seconds >= EARLIEST_SECONDS) & (seconds <= latest_seconds()))
    in_time = usable[np.argsort(seconds[usable], kind="stable")]

    def latest(keys: np.ndarray, columns: Columns) -> tuple[np.ndarray, Columns]:
        row_of = {key: row for key, row in zip(keys[in_time], in_time, strict=True) if key != ""}
        rows = np.fromiter(row_of.values(), np.int64, len(row_of))
        return keys[rows], {name: column[rows] for name, column in columns.items()}

    user_of_row, item_of_row = reader.keys("interactions", user), reader.keys("interactions", item)
    profiles = {f: reader.feature("interactions", f, f in schema.user_numerical) for f in static}
    user_keys, users = latest(user_of_row, profiles)
    item_keys, items = latest(item_of_row, reader.item_features("interactions", schema))
    numeric_values = schema.numeric_interaction_columns()
    return assemble(
        schema,
        user_keys=user_keys,
        users=users,
        item_keys=item_keys,
        items=items,
        user=user_of_row,
        item=item_of_row,
        time=seconds,
        rating=reader.ratings("interactions", rating or "rating"),
        values={c: reader.feature("interactions", c, c in numeric_values) for c in schema.interaction_columns},
        counter=counter,
        name=reader.name,
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
    counter: LeftOutCounter | None = None,
    name: Name = lambda table, row, column: f"row {row + 1}",
) -> Tables:
    """Tables from columns whose users and items are still keys; checks what no single column can show.

    A key "" is missing; a time nan is missing, and one that could not be read is infinite.
    counter : what was left out so far.   name : what a row is called there.
    """
    counter = LeftOutCounter() if counter is None else counter
    notes = _Notes(counter, name)
    sizes = {"users": len(user_keys), "items": len(item_keys), "interactions": len(user)}
    if sizes["interactions"] == 0:
        lost = "".join(f" {part.sentence()}" for part in counter.found() if part.table == "interactions")
        raise SnapshotError(f"There are no interactions: a model needs purchases to learn from.{lost}")
    sizes = {table: size + counter.rows(table) for table, size in sizes.items()}  # with those that never came so far
    listed = np.ones(len(item_keys), dtype=bool) if available is None else available
    for table, features in (("users", users), ("items", items)):
        _drop_broken_numbers(table, features, LARGEST_FEATURE, notes)
    kept_users, kept_items = _kept_rows("users", user_keys, notes), _kept_rows("items", item_keys, notes)
    user_keys, users = user_keys[kept_users], {f: column[kept_users] for f, column in users.items()}
    item_keys, items = item_keys[kept_items], {f: column[kept_items] for f, column in items.items()}
    listed = listed[kept_items]

    rating, values = rating.copy(), dict(values)
    outside = np.flatnonzero(~np.isnan(rating) & ~((rating >= LOWEST_RATING) & (rating <= HIGHEST_RATING)))
    notes.add("interactions", "rating", "is not between 0 and 5", VALUE, outside)
    rating[outside] = np.nan
    _drop_broken_numbers("interactions", values, LARGEST_AMOUNT, notes)
    rows = _usable_rows(user, item, time, notes)
    require_enough(counter.found(), sizes)

    joined_users, users, user_rows = _join(user_keys, users, user[rows])
    joined_items, items, item_rows = _join(item_keys, items, item[rows])
    resembling = {
        BARE: _count_unmatched("user", BARE, user_keys, joined_users, user_rows, counter),
        UNLISTED: _count_unmatched("item", UNLISTED, item_keys, joined_items, item_rows, counter),
    }
    require_matching(counter.found(), resembling, len(rows))
    # Where there is no table of items to speak of, what was bought is all there is to list.
    added = np.full(len(joined_items) - len(item_keys), len(item_keys) == 0)
    order = np.lexsort((time[rows], user_rows))  # stable: rows of one moment keep the order they came in
    rows, user_rows, item_rows = rows[order], user_rows[order], item_rows[order]
    rating, values = rating[rows], {column: cells[rows] for column, cells in values.items()}
    summed = {d.column for d in schema.derived.values() if d.take == "sum"}
    once = _merge_repeats(user_rows, item_rows, time[rows], rating, values, summed)
    repeats = np.sort(np.delete(rows, once))
    notes.add("interactions", "user, item and time", "are those of another row", ONCE, repeats, shown="")
    return Tables(
        schema=schema,
        user_keys=joined_users,
        item_keys=joined_items,
        users=users,
        items=items,
        user=user_rows[once].astype(np.int32),
        item=item_rows[once].astype(np.int32),
        time=time[rows][once].astype(np.float64),
        rating=rating[once].astype(np.float32),
        values={column: cells[once] for column, cells in values.items()},
        available=np.append(listed, added),
        left_out=counter.found(),
    )


def _require(columns: Sequence[str], names: Sequence[str], where: Path) -> None:
    missing = [n for n in names if n not in columns]
    if missing:
        raise SnapshotError(f"{where} lacks the columns {', '.join(missing)}; it has {', '.join(columns) or 'none'}.")


# --- rows that can be used --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Notes:
    """Counts rows that are left out, and names the first of them."""

    counter: LeftOutCounter
    name: Name

    def add(
        self, table: str, column: str, reason: str, effect: str, rows: np.ndarray, shown: str | None = None
    ) -> None:
        """shown : the column whose value stands beside the name of a row, where it is another one; "" for none."""
        names = (self.name(table, row, column if shown is None else shown) for row in rows.tolist())
        self.counter.add(table, column, reason, effect, len(rows), names)


def _drop_broken_numbers(table: str, columns: Columns, largest: float, notes: _Notes) -> None:
    """Make every number beyond `largest`, infinite ones included, a missing one."""
    for column, cells in columns.items():
        if cells.dtype == np.float64 and len(broken := np.flatnonzero(np.abs(cells) > largest)):
            notes.add(table, column, f"is not a number between -{largest:g} and {largest:g}", VALUE, broken)
            columns[column] = cells.copy()
            columns[column][broken] = np.nan


def _kept_rows(table: str, keys: np.ndarray, notes: _Notes) -> np.ndarray:
    """int64: the rows with a key; of several rows with one key, the last."""
    unnamed = np.flatnonzero(keys == "")
    notes.add(table, "the key", "is missing", ROW, unnamed, shown="")
    last = {key: row for row, key in enumerate(keys.tolist()) if key}
    kept = np.sort(np.fromiter(last.values(), np.int64, len(last)))
    again = np.setdiff1d(np.arange(len(keys)), np.concatenate([kept, unnamed]))
    names = (notes.name(table, row, "") for row in again.tolist())
    # Where rows have an id, that will do: the key of a customer belongs in no log.
    examples = (word if word.startswith("id ") else f"{word}: {key!r}" for word, key in zip(names, keys[again]))  # noqa: B905
    notes.counter.add(table, "the key", "stands there again further down", ROW, len(again), examples)
    return kept


def _usable_rows(user: np.ndarray, item: np.ndarray, time: np.ndarray, notes: _Notes) -> np.ndarray:
    """int64: the interactions with a user, an item and a time that can be true. A row is counted under one reason."""
    usable = np.ones(len(user), dtype=bool)
    latest = latest_seconds()
    known = np.where(np.isfinite(time), time, 0.0)
    ahead = known > latest
    thousandths = ahead & (known / 1000 >= SECONDS_OF_1990) & (known / 1000 <= latest)
    for column, reason, broken in (
        ("user", "is missing", user == ""),
        ("item", "is missing", item == ""),
        ("time", "is missing", np.isnan(time)),
        ("time", "is neither a timestamp nor Unix seconds", np.isinf(time)),
        ("time", "is before 1970", known < EARLIEST_SECONDS),
        ("time", "is more than a day ahead: it looks like milliseconds, and must be seconds", thousandths),
        ("time", "is more than a day ahead", ahead),
    ):
        rows = np.flatnonzero(broken & usable)
        notes.add("interactions", column, reason, ROW, rows, shown="" if reason == "is missing" else column)
        usable[rows] = False
    return np.flatnonzero(usable)


def _join(keys: np.ndarray, features: Columns, used: np.ndarray) -> tuple[np.ndarray, Columns, np.ndarray]:
    """Rows of the used keys; keys met only among the interactions are appended with missing features."""
    row_of = {key: row for row, key in enumerate(keys.tolist())}
    rows = np.fromiter((row_of.setdefault(k, len(row_of)) for k in used.tolist()), np.int64, len(used))
    added = len(row_of) - len(keys)
    if added:
        features = {
            n: np.concatenate([c, np.full((added, *c.shape[1:]), "" if c.dtype == object else np.nan, c.dtype)])
            for n, c in features.items()
        }
    return np.array(list(row_of), dtype=object), features, rows


def _count_unmatched(
    column: str, effect: str, known: np.ndarray, joined: np.ndarray, rows: np.ndarray, counter: LeftOutCounter
) -> int:
    """Count the interactions whose key has no row in its table, and say which known key it resembles.

    Back comes of how many the key is a known one, written otherwise.
    known : the table's keys.   joined : those, followed by the keys met only among the interactions.
    rows : int64 [n] into `joined`.
    """
    unmatched = np.flatnonzero(rows >= len(known))
    if len(known) == 0 or len(unmatched) == 0:
        return 0
    resembled = {_bare_key(key): key for key in known.tolist()}
    like = {key: resembled.get(_bare_key(key)) for key in joined[len(known) :].tolist()}
    ordered = sorted(like, key=lambda key: like[key] is None)  # stable: those that resemble one first
    names = (f"{key!r} resembles {like[key]!r} in {column}s" if like[key] else repr(key) for key in ordered)
    counter.add("interactions", column, f"has no row in {column}s", effect, len(unmatched), names)
    return sum(like[key] is not None for key in joined[rows[unmatched]].tolist())


def _bare_key(key: str) -> str:
    """A key without what differs by accident: spaces, case, zeros in front of a number, ".0" behind one."""
    return re.sub(r"(?<![0-9.])0+(?=[0-9])", "", re.sub(r"\s+", "", key).casefold().removesuffix(".0"))


def _merge_repeats(
    user: np.ndarray, item: np.ndarray, time: np.ndarray, rating: np.ndarray, values: Columns, summed: set[str | None]
) -> np.ndarray:
    """int64: one row of each (user, item, time), the last one, which takes over the sums and the last given rating.

    Changes `rating` and the summed columns of `values` in place.
    """
    by = np.lexsort((item, time, user))  # stable: equal rows in the order they came in
    differs = (np.diff(user[by]) != 0) | (np.diff(item[by]) != 0) | (np.diff(time[by]) != 0)
    if differs.all():
        return np.arange(len(user))
    starts = np.append(0, np.flatnonzero(differs) + 1)
    last = by[np.append(starts[1:], len(by)) - 1]
    given = np.where(np.isnan(rating[by]), -1, np.arange(len(by)))
    latest = np.maximum.reduceat(given, starts)
    rating[last[latest >= 0]] = rating[by][latest[latest >= 0]]
    for column in summed & set(values):
        cells = values[column][by]  # type: ignore[index]
        known = np.add.reduceat(~np.isnan(cells), starts) > 0
        values[column][last] = np.where(known, np.add.reduceat(np.nan_to_num(cells), starts), np.nan)  # type: ignore[index]
    return np.sort(last)
