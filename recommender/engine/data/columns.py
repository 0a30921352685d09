"""Columns of files and frames as arrays: keys and text, numbers, times, flags. What cannot be read is counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from recommender.engine.data.encoders import as_text, as_texts
from recommender.engine.data.left_out import LINE, ROW, VALUE, LeftOutCounter
from recommender.engine.data.schema import Schema
from recommender.engine.errors import ProfileError, SnapshotError

TORN = b"torn lines"  # in the metadata of a table: the numbers of the lines of its file that could not be read
TICKS = {"s": 1.0, "ms": 1e3, "us": 1e6}  # of a timestamp, in a second
# What programs write for a missing number or time. In a column of text they are values: Namibia is NA.
MISSING_WORDS = {"", "na", "n/a", "nan", "nat", "null", "none", "-"}
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"  # not 007: that is text
_SHORTEST_FRACTION = re.compile(r"-?[0-9]+(\.0|\.[0-9]*[1-9])?([eE][+-]?[0-9]+)?")


def read_keys(path: Path) -> list[str]:
    """The keys in the first column of a CSV or parquet file, as text; rows without one are passed over."""
    table = pq.read_table(path) if path.suffix == ".parquet" else _read_csv(path, LeftOutCounter())
    keys = ColumnReader(LeftOutCounter(), {"keys": table}).keys("keys", table.column_names[0])
    return [key for key in keys.tolist() if key]


def read_table(folder: Path, name: str, counter: LeftOutCounter) -> pa.Table:
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


class ColumnReader:
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

    def item_features(self, table: str, schema: Schema) -> dict[str, np.ndarray]:
        """Of each field of the items what `feature` reads, or `lists` or `vectors`."""
        several, vector = set(schema.item_multi), schema.item_vector
        plain = (name for name in schema.item_fields if name not in several and name != vector)
        columns = {name: self.feature(table, name, name in schema.item_numerical) for name in plain}
        columns |= {name: self.lists(table, name) for name in schema.item_multi}
        return columns | ({vector: self.vectors(table, vector)} if vector else {})

    def lists(self, table: str, column: str) -> np.ndarray:
        """object [n]: the texts of each cell in a tuple, each once, empty where missing; `|` stands between those of a
        cell of text."""
        cells = _decoded(self.tables[table][column])
        if _is_list(cells.type):
            rows = cells.to_pylist()
        else:
            rows = [word.split("|") for word in self._texts(table, column).tolist()]
        try:
            return np.fromiter((as_texts(column, row) for row in rows), object, len(rows))
        except ProfileError:
            problem = f"holds {cells.type} values, not lists of texts"
            raise SnapshotError(f"{table}: the column {column!r} {problem}.") from None

    def vectors(self, table: str, column: str) -> np.ndarray:
        """float32 [n, d]: the numbers of each cell, nan where missing; `|` stands between those of a cell of text.

        d is the commonest length. A cell of another one, or with what is no finite number, is left out.
        """
        cells = _decoded(self.tables[table][column])
        if _is_text(cells.type):
            rows = [None if cell is None else [*map(_number, cell.split("|"))] for cell in cells.to_pylist()]
        elif _is_list(cells.type) and (_is_number(cells.type.value_type) or pa.types.is_null(cells.type.value_type)):
            rows = cells.to_pylist()
        elif pa.types.is_null(cells.type):
            rows = [None] * len(cells)
        else:
            raise SnapshotError(f"{table}: the column {column!r} holds {cells.type} values, not lists of numbers.")
        lengths = Counter(len(row) for row in rows if row)
        length = lengths.most_common(1)[0][0] if lengths else 0
        vectors = np.full((len(rows), length), np.nan, np.float32)
        here = np.array([bool(row) for row in rows], dtype=bool)
        for number, row in enumerate(rows):
            if row and len(row) == length:
                vectors[number] = [np.nan if cell is None else cell for cell in row]
        broken = np.flatnonzero(here & ~np.isfinite(vectors).all(1))
        vectors[broken] = np.nan
        names = (self.name(table, row, column) for row in broken.tolist())
        wrong = f"does not hold {length} finite numbers (in CSV with | between them)"
        self.counter.add(table, column, wrong, VALUE, len(broken), names)
        return vectors

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
        words = (
            list(values.to_numpy()) if pa.types.is_floating(values.type) else [_as_python(value) for value in values]
        )
        return words, pc.fill_null(encoded.indices, -1).to_numpy()

    def _leave_out(self, table: str, column: str, reason: str, bad: Sequence[bool], codes: np.ndarray) -> None:
        """bad : of each value that `_unique` gave.   codes : as it gave them."""
        rows = np.flatnonzero(np.array([*bad, False])[codes])
        names = (self.name(table, row, column) for row in rows.tolist())
        self.counter.add(table, column, reason, VALUE, len(rows), names)


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


def _decoded(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return cells.cast(cells.type.value_type) if pa.types.is_dictionary(cells.type) else cells


def _in_micros_at_most(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Moments without nanoseconds, which Python's do not have. Coarser ones stay as they are: in microseconds the
    farthest of them would come round to another year."""
    return cells.cast(pa.timestamp("us", tz=cells.type.tz), safe=False) if cells.type.unit == "ns" else cells


def _as_python(value: pa.Scalar) -> Any:
    """The value as Python's; None for a day or moment outside the years that Python knows."""
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


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)


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


def frame_column(cells: Any, name: str, counter: LeftOutCounter) -> pa.Array:
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
