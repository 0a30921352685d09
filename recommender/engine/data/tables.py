"""Reads and validates a snapshot, or one flat frame of transactions, into plain arrays sorted for learning."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from recommender.engine.data.encoders import HIGHEST_RATING, LARGEST_AMOUNT, LARGEST_FEATURE, LOWEST_RATING, as_text
from recommender.engine.data.left_out import (
    BARE,
    EXAMPLES,
    LINE,
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
from recommender.engine.errors import ProfileError, SnapshotError
from recommender.engine.times import EARLIEST_SECONDS, latest_seconds

Columns = dict[str, np.ndarray]
Name = Callable[[str, int, str], str]  # of a table, a row and the column that is wrong there, "" for none

# What programs write for a missing number or time. In a column of text they are values: Namibia is NA.
SECONDS_OF_1990 = 631_152_000  # times that are later than this in thousandths of a second are no seconds
TORN = b"torn lines"  # in the metadata of a table: the numbers of the lines of its file that could not be read
TICKS = {"s": 1.0, "ms": 1e3, "us": 1e6}  # of a timestamp, in a second
MISSING_WORDS = {"", "na", "n/a", "nan", "nat", "null", "none", "-"}
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"  # not 007: that is text
_SHORTEST_FRACTION = re.compile(r"-?[0-9]+(\.0|\.[0-9]*[1-9])?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Tables:
    """A whole snapshot in memory. n interactions, sorted by user, then time, then the order they came in.

    Rows of the same user, item and time are one interaction: the last one's values, its columns that are summed added
    up, and the last rating that was given.

    user_keys, item_keys : str arrays, [users] and [items]; row numbers are used everywhere else.
    users, items : feature name -> array; categorical hold str (missing: ""), numerical float64 (missing: nan).
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
    users, items, interactions = (_read_table(folder, name, counter) for name in ("users", "items", "interactions"))
    _require(interactions.column_names, ("user", "item", "time", *schema.interaction_columns), folder / "interactions")
    static = [f for f in schema.user_fields if f not in schema.derived]
    _require(users.column_names, static, folder / "users")
    flag = schema.item_available
    _require(items.column_names, (*schema.item_categorical, *([flag] if flag else [])), folder / "items")
    if not users.num_columns or not items.num_columns:
        raise SnapshotError(f"{folder}: the first column of users and of items must be their key.")
    reader = _Reader(counter, {"users": users, "items": items, "interactions": interactions}, schema.row_id)
    numeric_values = schema.numeric_interaction_columns()
    return assemble(
        schema,
        user_keys=reader.keys("users", users.column_names[0]),
        users={f: reader.feature("users", f, f in schema.user_numerical) for f in static},
        item_keys=reader.keys("items", items.column_names[0]),
        items={f: reader.feature("items", f, numerical=False) for f in schema.item_categorical},
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
    derived: Mapping[str, Any] | None = None,
) -> Tables:
    """The tables of one flat pandas frame, a row a transaction (the seed's `df_clean`); a profile is its latest row."""
    schema = Schema(tuple(user_categorical), tuple(user_numerical), tuple(item_categorical), dict(derived or {}))
    static = [f for f in schema.user_fields if f not in schema.derived]
    features = (*static, *schema.item_categorical, *schema.interaction_columns)
    names = list(dict.fromkeys([user, item, time, *([rating] if rating else []), *features]))
    _require([str(name) for name in frame.columns], names, Path("the frame"))
    counter = LeftOutCounter()
    table = pa.table({name: _column_of(frame[name], name, counter) for name in names})
    columns = {"user": user, "item": item, "time": time, "rating": rating or "rating"}
    reader = _Reader(counter, {"interactions": table}, columns=columns)
    seconds = reader.times("interactions", time)
    usable = np.flatnonzero(np.isfinite(seconds) & (seconds >= EARLIEST_SECONDS) & (seconds <= latest_seconds()))
    in_time = usable[np.argsort(seconds[usable], kind="stable")]

    def latest(keys: np.ndarray, names: Sequence[str], numerical: Sequence[str]) -> tuple[np.ndarray, Columns]:
        row_of = {key: row for key, row in zip(keys[in_time], in_time, strict=True) if key != ""}
        rows = np.fromiter(row_of.values(), np.int64, len(row_of))
        columns = {n: reader.feature("interactions", n, n in numerical)[rows] for n in names}
        return keys[rows], columns

    user_of_row, item_of_row = reader.keys("interactions", user), reader.keys("interactions", item)
    user_keys, users = latest(user_of_row, static, schema.user_numerical)
    item_keys, items = latest(item_of_row, schema.item_categorical, ())
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
    sizes = {"users": len(user_keys), "items": len(item_keys), "interactions": len(user)}
    if sizes["interactions"] == 0:
        lost = "".join(f" {part.sentence()}" for part in counter.found() if part.table == "interactions")
        raise SnapshotError(f"There are no interactions: a model needs purchases to learn from.{lost}")
    sizes = {table: size + counter.rows(table) for table, size in sizes.items()}  # with those that never came so far
    listed = np.ones(len(item_keys), dtype=bool) if available is None else available
    for table, features in (("users", users), ("items", items)):
        _drop_broken_numbers(table, features, LARGEST_FEATURE, counter, name)
    kept_users, kept_items = (
        _kept_rows(table, keys, counter, name) for table, keys in (("users", user_keys), ("items", item_keys))
    )
    user_keys, users = user_keys[kept_users], {f: column[kept_users] for f, column in users.items()}
    item_keys, items = item_keys[kept_items], {f: column[kept_items] for f, column in items.items()}
    listed = listed[kept_items]

    rating, values = rating.copy(), dict(values)
    outside = np.flatnonzero(~np.isnan(rating) & ~((rating >= LOWEST_RATING) & (rating <= HIGHEST_RATING)))
    names = (name("interactions", row, "rating") for row in outside.tolist())
    counter.add("interactions", "rating", "is not between 0 and 5", VALUE, len(outside), names)
    rating[outside] = np.nan
    _drop_broken_numbers("interactions", values, LARGEST_AMOUNT, counter, name)
    rows = _usable_rows(user, item, time, counter, name)
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
    names = (name("interactions", row, "") for row in repeats)
    counter.add("interactions", "user, item and time", "are those of another row", ONCE, len(repeats), names)
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


# --- columns of a file ------------------------------------------------------------------------------------------------


def read_keys(path: Path) -> list[str]:
    """The keys in the first column of a CSV or parquet file, as text; rows without one are passed over."""
    table = pq.read_table(path) if path.suffix == ".parquet" else _read_csv(path, LeftOutCounter())
    keys = _Reader(LeftOutCounter(), {"keys": table}).keys("keys", table.column_names[0])
    return [key for key in keys.tolist() if key]


def _read_table(folder: Path, name: str, counter: LeftOutCounter) -> pa.Table:
    parquet, csv = folder / f"{name}.parquet", folder / f"{name}.csv"
    if not parquet.exists() and not csv.exists():
        raise SnapshotError(f"{folder} holds neither {name}.parquet nor {name}.csv.")
    try:
        table = pq.read_table(parquet) if parquet.exists() else _read_csv(csv, counter)
    except (pa.ArrowException, OSError) as error:
        why = "a quote is opened and not closed" if "straddling object" in str(error) else str(error)
        raise SnapshotError(f"{folder / name} cannot be read: {why}.") from None
    twice = next((column for column, n in Counter(table.column_names).items() if n > 1), None)
    if twice is not None:
        raise SnapshotError(f"{folder / name} has two columns called {twice!r}.")
    return table


def _read_csv(path: Path, counter: LeftOutCounter) -> pa.Table:
    """Every cell as it stands there: only an empty one is missing, and "007", "NA" and "null" are text.

    Lines with too few or too many cells are left out and counted.
    """
    broken: list[pyarrow.csv.InvalidRow] = []

    def leave_out(row: pyarrow.csv.InvalidRow) -> str:
        broken.append(row)
        return "skip"

    # Cells may hold line ends. Unless that is said, a cell with one is torn where a block of the file ends, and what an
    # open quote swallows up to there is lost without a word. One thread: others do not know the numbers of rows.
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=leave_out)
    read = pyarrow.csv.ReadOptions(use_threads=False)
    with pyarrow.csv.open_csv(path, parse_options=parse, read_options=read) as head:
        columns = head.schema.names
    broken.clear()
    options = pyarrow.csv.ConvertOptions(
        strings_can_be_null=True, null_values=[""], column_types=dict.fromkeys(columns, pa.string())
    )
    table = pyarrow.csv.read_csv(path, convert_options=options, parse_options=parse, read_options=read)
    for row in broken:
        lines = row.text.strip().count("\n") + 1  # an open quote takes in all that follows
        called = f"row {row.number - 1}: {row.actual_columns} where there are {row.expected_columns}"
        counter.add(path.stem, LINE, "has too few or too many cells", ROW, lines, [called])
    torn = ",".join(str(row.number - 1) for row in broken)
    columns = [_as_numbers_say(column) for column in table.columns]
    return pa.table(columns, table.column_names).replace_schema_metadata({TORN: torn})


def _number_in_file(table: pa.Table, row: int) -> int:
    """The number, from 1, that a row of a table has in its file, whose torn lines are in no table."""
    torn = (table.schema.metadata or {}).get(TORN, b"").decode()
    number = row + 1
    for line in sorted(map(int, torn.split(",") if torn else ())):
        number += line <= number
    return number


def _as_numbers_say(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column itself, or, where a program wrote floats or decimals, the texts that these have everywhere else: gaps
    make `12345.0` of the whole number 12345.

    Such a column holds nothing but numbers, and either each in its shortest form or all with as many decimals.
    """
    encoded = column.combine_chunks().dictionary_encode()
    texts = encoded.dictionary
    if not len(texts) or not pc.all(pc.match_substring_regex(texts, _NUMBER)).as_py():
        return column
    if not pc.any(pc.match_substring(texts, ".")).as_py():
        return column
    words = texts.to_pylist()
    decimals = {len(word.partition(".")[2]) for word in words}
    if len(decimals) > 1 and not all(_SHORTEST_FRACTION.fullmatch(word) for word in words):
        return column
    plain = pa.array([as_text("", Decimal(word)) for word in words], pa.string())
    return pa.chunked_array([pa.DictionaryArray.from_arrays(encoded.indices, plain).cast(pa.string())])


class _Reader:
    """Reads columns of tables into arrays, and counts what cannot be read."""

    def __init__(
        self,
        counter: LeftOutCounter,
        tables: Mapping[str, pa.Table],
        row_id: str | None = None,
        columns: Mapping[str, str] | None = None,
    ):
        """columns : what the columns of a snapshot are called in these tables, where they have other names."""
        self.counter, self.tables, self.row_id, self.columns = counter, tables, row_id, columns or {}

    def name(self, table: str, row: int, column: str = "") -> str:
        """What a row is called: by the column that names rows, or by its number from 1; and what the column says."""
        rows = self.tables.get(table)
        if rows is None:
            return f"row {row + 1}"
        number = _number_in_file(rows, row)
        called = f"id {rows[self.row_id][row].as_py()}" if self.row_id in rows.column_names else f"row {number}"
        column = self.columns.get(column, column)
        return f"{called}: {_shown(rows[column][row])[:40]!r}" if column in rows.column_names else called

    def keys(self, table: str, column: str) -> np.ndarray:
        """object [n]: keys as text, "" where missing. 17, 17.0 and "17" are one key, whatever the file made of them."""
        keys = self._texts(table, column)
        blank = [key for key in set(keys.tolist()) if key.isspace()]
        if blank:
            keys[np.isin(keys, blank)] = ""
        return keys

    def feature(self, table: str, column: str, numerical: bool) -> np.ndarray:
        """Text ("" where missing), or float64 (nan where missing, infinite where no number can be read)."""
        return self._numbers(table, column) if numerical else self._texts(table, column)

    def ratings(self, table: str, column: str) -> np.ndarray:
        if column not in self.tables[table].column_names:
            return np.full(self.tables[table].num_rows, np.nan, dtype=np.float32)
        with np.errstate(over="ignore"):
            return self._numbers(table, column).astype(np.float32)

    def flags(self, table: str, column: str) -> np.ndarray:
        """bool [n]; False where missing."""
        cells = self.tables[table][column]
        try:
            return pc.fill_null(cells.cast(pa.bool_()), False).to_numpy()
        except pa.ArrowException:
            words, codes, texts = self._words(table, column)
            known = {"true": True, "1": True, "false": False, "0": False, "": False}
            read = [None if w is None else known.get(t.strip().lower()) for w, t in zip(words, texts, strict=True)]
            self._leave_out(table, column, "is neither true nor false", [flag is None for flag in read], codes)
            return np.array([flag is True for flag in read] + [False])[codes]

    def times(self, table: str, column: str) -> np.ndarray:
        """float64 [n]: Unix seconds of timestamps, dates, ISO text or numbers, UTC where they name no zone; nan where
        missing, infinite where no time can be read."""
        cells = _decoded(self.tables[table][column])
        kind = cells.type
        if _is_text(kind):
            return self._times_of_text(cells)
        try:
            if pa.types.is_date(kind):
                cells = cells.cast(pa.timestamp("s"))
            if pa.types.is_timestamp(cells.type):
                cells = _in_micros_at_most(cells)
                ticks = cells.cast(pa.int64()).cast(pa.float64(), safe=False)
                return pc.fill_null(pc.divide(ticks, TICKS[cells.type.unit]), np.nan).to_numpy()
            if pa.types.is_boolean(kind):
                raise pa.ArrowTypeError("true and false are no times")
            return pc.fill_null(cells.cast(pa.float64(), safe=False), np.nan).to_numpy()
        except pa.ArrowException:
            return np.where(cells.is_null().to_numpy(zero_copy_only=False), np.nan, np.inf)

    def _times_of_text(self, cells: pa.ChunkedArray) -> np.ndarray:
        for zone in (None, "UTC"):
            try:
                micros = cells.cast(pa.timestamp("us", tz=zone)).cast(pa.int64())
                return pc.fill_null(pc.divide(micros.cast(pa.float64(), safe=False), 1e6), np.nan).to_numpy()
            except pa.ArrowException:  # numbers, zones in some rows, or something else: one by one
                continue
        words, codes = self._unique(cells)
        return np.array([*map(_seconds, words), np.nan])[codes]

    def _numbers(self, table: str, column: str) -> np.ndarray:
        cells = _decoded(self.tables[table][column])
        try:
            return pc.fill_null(cells.cast(pa.float64(), safe=False), float("nan")).to_numpy()
        except pa.ArrowException:
            if not _is_text(cells.type):
                raise SnapshotError(
                    f"{table}: the column {column!r} is numerical, but holds {cells.type} values."
                ) from None
        words, codes = self._unique(cells)
        read = [_number(word) for word in words]
        self._leave_out(table, column, "is not a number", [number is None for number in read], codes)
        return np.array([np.nan if number is None else number for number in [*read, None]])[codes]

    def _texts(self, table: str, column: str) -> np.ndarray:
        words, codes, texts = self._words(table, column)
        infinite = [isinstance(word, float | np.floating) and bool(np.isinf(word)) for word in words]
        self._leave_out(table, column, "is not a finite number", infinite, codes)
        self._leave_out(table, column, "is outside the years 1 to 9999", [word is None for word in words], codes)
        return np.array([*texts, ""], dtype=object)[codes]

    def _words(self, table: str, column: str) -> tuple[list[Any], np.ndarray, list[str]]:
        """What `_unique` gives, and the text of each value. SnapshotError for a column whose values have no text."""
        cells = self.tables[table][column]
        try:
            words, codes = self._unique(cells)
            return words, codes, [as_text(column, word) for word in words]
        except (pa.ArrowException, ProfileError):
            raise SnapshotError(f"{table}: the column {column!r} holds {cells.type} values, not text.") from None

    def _unique(self, cells: pa.ChunkedArray) -> tuple[list[Any], np.ndarray]:
        """The values of a column, and for each row the place of its own among them; -1 where it is missing.

        None is the value of a day or moment outside the years that Python knows.
        """
        cells = _decoded(cells)
        if pa.types.is_null(cells.type):
            return [], np.full(len(cells), -1)
        if pa.types.is_timestamp(cells.type):
            cells = _in_micros_at_most(cells)
        encoded = cells.combine_chunks().dictionary_encode()
        values = encoded.dictionary
        # Each in its own precision: 0.1 as a float32 is 0.1, and would be 0.10000000149 as Python's float.
        words = list(values.to_numpy()) if pa.types.is_floating(values.type) else _as_python(values)
        return words, pc.fill_null(encoded.indices, -1).to_numpy()

    def _leave_out(self, table: str, column: str, reason: str, bad: Sequence[bool], codes: np.ndarray) -> None:
        """bad : of each value that `_unique` gave.   codes : as it gave them."""
        rows = np.flatnonzero(np.array([*bad, False])[codes])
        self.counter.add(
            table, column, reason, VALUE, len(rows), (self.name(table, row, column) for row in rows.tolist())
        )


def _decoded(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return cells.cast(cells.type.value_type) if pa.types.is_dictionary(cells.type) else cells


def _in_micros_at_most(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Moments without nanoseconds, which Python's do not have. Coarser ones stay as they are: in microseconds the
    farthest of them would come round to another year."""
    return cells.cast(pa.timestamp("us", tz=cells.type.tz), safe=False) if cells.type.unit == "ns" else cells


def _as_python(values: pa.Array) -> list[Any]:
    """The values as Python's; None for a day or moment outside the years that Python knows."""
    try:
        return values.to_pylist()
    except (OverflowError, ValueError):
        return [_one_as_python(value) for value in values]


def _one_as_python(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except (OverflowError, ValueError):
        return None


def _shown(value: pa.Scalar) -> str:
    """A cell as a message quotes it; of a moment outside the years that Python knows how far it is from 1970."""
    try:
        return str(value)
    except (OverflowError, ValueError):
        ticks = TICKS.get(getattr(value.type, "unit", "day"), 1 / 86_400)  # a date counts days
        return f"{value.value / ticks:.0f} seconds from 1970"


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _number(word: str) -> float | None:
    """nan for a word that means missing, None for what is no number."""
    if word.strip().lower() in MISSING_WORDS:
        return np.nan
    try:
        return float(word)
    except ValueError:
        return None


def _seconds(word: str) -> float:
    """Unix seconds of a number or an ISO time; nan for a word that means missing, infinite for what is no time."""
    number = _number(word)
    if number is not None:
        return number
    try:
        moment = datetime.fromisoformat(word.strip())
    except ValueError:
        return np.inf
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _column_of(cells: Any, name: str, counter: LeftOutCounter) -> pa.Array:
    """A column of a pandas frame. Where its cells are of several kinds, as one bad cell among numbers makes them, each
    is read as its text."""
    if cells.ndim != 1:
        raise SnapshotError(f"The frame has two columns called {name!r}.")
    try:
        return pa.array(cells, from_pandas=True)
    except (pa.ArrowException, OverflowError):
        pass
    texts: list[str | None] = []
    for row, (cell, missing) in enumerate(zip(cells, cells.isna(), strict=True), 1):
        try:
            texts.append(None if missing is True else as_text(name, cell))
        except ProfileError:
            texts.append(None)
            counter.add("interactions", name, "cannot be read", VALUE, 1, [f"row {row}: {str(cell)[:40]!r}"])
    return pa.array(texts, pa.string())


def _require(columns: Sequence[str], names: Sequence[str], where: Path) -> None:
    missing = [n for n in names if n not in columns]
    if missing:
        raise SnapshotError(f"{where} lacks the columns {', '.join(missing)}; it has {', '.join(columns) or 'none'}.")


# --- rows that can be used --------------------------------------------------------------------------------------------


def _drop_broken_numbers(table: str, columns: Columns, largest: float, counter: LeftOutCounter, name: Name) -> None:
    """Make every number beyond `largest`, infinite ones included, a missing one."""
    for column, cells in columns.items():
        if cells.dtype != np.float64:
            continue
        broken = np.flatnonzero(np.abs(cells) > largest)
        if len(broken):
            reason = f"is not a number between -{largest:g} and {largest:g}"
            examples = [name(table, row, column) for row in broken[:EXAMPLES]]
            counter.add(table, column, reason, VALUE, len(broken), examples)
            columns[column] = cells.copy()
            columns[column][broken] = np.nan


def _kept_rows(table: str, keys: np.ndarray, counter: LeftOutCounter, name: Name) -> np.ndarray:
    """int64: the rows with a key; of several rows with one key, the last."""
    known = keys != ""
    unnamed = np.flatnonzero(~known)
    counter.add(table, "the key", "is missing", ROW, len(unnamed), (name(table, row, "") for row in unnamed.tolist()))
    last = {key: row for row, key in enumerate(keys.tolist()) if key}
    kept = np.sort(np.fromiter(last.values(), np.int64, len(last)))
    known[kept] = False
    again = np.flatnonzero(known)
    # Where rows have an id, that will do: the key of a customer belongs in no log.
    called = [name(table, row, "") for row in again[:EXAMPLES]]
    examples = [word if word.startswith("id ") else f"{word}: {keys[row]!r}" for word, row in zip(called, again)]  # noqa: B905
    counter.add(table, "the key", "stands there again further down", ROW, len(again), examples)
    return kept


def _usable_rows(
    user: np.ndarray, item: np.ndarray, time: np.ndarray, counter: LeftOutCounter, name: Name
) -> np.ndarray:
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
        shown = "" if reason == "is missing" else column
        examples = [name("interactions", row, shown) for row in rows[:EXAMPLES]]
        counter.add("interactions", column, reason, ROW, len(rows), examples)
        usable[rows] = False
    return np.flatnonzero(usable)


def _join(keys: np.ndarray, features: Columns, used: np.ndarray) -> tuple[np.ndarray, Columns, np.ndarray]:
    """Rows of the used keys; keys met only among the interactions are appended with missing features."""
    row_of = {key: row for row, key in enumerate(keys.tolist())}
    rows = np.fromiter((row_of.setdefault(k, len(row_of)) for k in used.tolist()), np.int64, len(used))
    added = len(row_of) - len(keys)
    if added:
        features = {
            n: np.concatenate([c, np.full(added, np.nan if c.dtype == np.float64 else "", dtype=c.dtype)])
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
