"""A file of rows, read a little at a time. Whatever is wrong with the file as a whole is one sentence: FileRefused."""

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from customers.errors import FileRefused

DELIMITERS = ",;\t|"
LONGEST_CELL = 1_000_000
BLOCK = 1 << 20


@dataclass(frozen=True)
class Row:
    line: int  # where the row begins; in a parquet file its number
    cells: dict[str, str]  # by column
    problem: str = ""  # why the row cannot be read at all
    read: int = 0  # how much of Table.size lies behind it


@dataclass(frozen=True)
class Table:
    path: Path
    columns: list[str]
    size: int  # bytes of a CSV, rows of a parquet file: the end of the progress bar
    rows: Iterator[Row]

    def has(self) -> str:
        """For a sentence: `It has: household, sku.`"""
        more = f" and {len(self.columns) - 40} more" if len(self.columns) > 40 else ""
        return f"It has: {', '.join(name[:60] for name in self.columns[:40])}{more}."


@contextmanager
def open_table(path: Path, *, encoding: str = "utf-8") -> Iterator[Table]:
    """The table in a CSV (comma, semicolon, tab or bar) or parquet file, known by its first bytes, not its name."""
    if path.is_dir():
        raise FileRefused(f"{path} is a folder, not a file.")
    if path.exists() and not path.is_file():
        raise FileRefused(f"{path} is no regular file, and an import reads its file twice.")
    try:
        with path.open("rb") as file:
            start = file.read(4096)
            if not start.removeprefix(codecs.BOM_UTF8).strip():
                raise FileRefused(f"{path} is empty.")
            file.seek(0)
            yield _parquet(path) if start[:4] == b"PAR1" else _csv(path, file, start, encoding)
    except FileNotFoundError:
        raise FileRefused(f"There is no file {path}.") from None
    except PermissionError:
        raise FileRefused(f"{path} may not be read by this user.") from None


def need_columns(table: Table, needed: list[str], what: str) -> None:
    missing = [column for column in needed if column not in table.columns]
    if missing:
        raise FileRefused(f"{table.path} is not {what}: it has no column {', '.join(missing)}. {table.has()}")


# --- CSV --------------------------------------------------------------------------------------------------------------


def _csv(path: Path, file: BinaryIO, start: bytes, encoding: str) -> Table:
    try:
        b" ".decode(encoding, "replace")  # an empty text would not be looked at
    except LookupError:
        raise FileRefused(
            f"There is no encoding called {encoding!r}; utf-8, latin-1 and cp1252 are usual ones."
        ) from None
    encoding = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    if not encoding.lower().startswith(("utf-16", "utf-32")):
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise FileRefused(f"{path} is written in UTF-16. Give --encoding utf-16.")
        if not _is_text(start, encoding):
            raise FileRefused(f"{path} is not a CSV file: it is not text.")
    _check_encoding(path, file, encoding)
    file.seek(0)
    text = TextIOWrapper(file, encoding=encoding, newline="")
    head = text.readline()
    delimiter = max(DELIMITERS, key=head.count)
    text.seek(0)
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(text, delimiter=delimiter)
    try:
        columns = [name.strip() for name in next(reader)]
    except (csv.Error, StopIteration) as error:
        raise FileRefused(f"{path} has no header line that can be read: {error}.") from None
    if len(columns) < 2:
        raise FileRefused(f"{path} is not a CSV file with a header: its first line is {head.strip()[:60]!r}.")
    twice = next((name for name in columns if name and columns.count(name) > 1), None)
    if twice is not None:
        raise FileRefused(f"{path} has two columns called {twice[:60]!r}.")
    return Table(path, columns, path.stat().st_size, _csv_rows(path, reader, columns, file))


def _is_text(start: bytes, encoding: str) -> bool:
    """A NUL in the header, or beside bytes that are no letters, means a picture or a spreadsheet. A lone one is only a
    bad row's.
    """
    if b"\0" not in start:
        return True
    try:
        codecs.getincrementaldecoder(encoding)().decode(start)
    except UnicodeError:
        return False
    return b"\0" not in start.splitlines()[0]


def _check_encoding(path: Path, file: BinaryIO, encoding: str) -> None:
    """Reads the file once, so that a wrong encoding is refused before anything is stored, not at row 200,000."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    try:
        while block := file.read(BLOCK):
            decoder.decode(block)
            line += block.count(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += error.object[: error.start].count(b"\n")
        bad = error.object[error.start]
        raise FileRefused(
            f"{path} is not written in {encoding.removesuffix('-sig')}: byte 0x{bad:02x} near line {line} is not."
            " Give --encoding, latin-1 or cp1252 perhaps."
        ) from None
    except UnicodeError as error:
        raise FileRefused(f"{path} is not written in {encoding}: {error}.") from None


def _csv_rows(path: Path, reader: Iterator[list[str]], columns: list[str], file: BinaryIO) -> Iterator[Row]:
    width = len(columns)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, {}, f"the line cannot be read as CSV ({error})")
            continue
        if not cells:
            continue
        if len(cells) != width:
            through = f", and a quote keeps it open to line {reader.line_num}" if reader.line_num > line else ""
            yield Row(line, {}, f"{len(cells)} cells where the header has {width}{through}")
        elif any("\0" in cell for cell in cells):
            yield Row(line, {}, "a cell holds a NUL character")
        else:
            yield Row(line, dict(zip(columns, cells, strict=True)), read=file.tell())


# --- parquet ----------------------------------------------------------------------------------------------------------


def _parquet(path: Path) -> Table:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise FileRefused(f"{path} begins like a parquet file but cannot be read: {error}.") from None
    return Table(path, list(file.schema_arrow.names), file.metadata.num_rows, _parquet_rows(path, file))


def _parquet_rows(path: Path, file: pq.ParquetFile) -> Iterator[Row]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=5000):
            for values in batch.to_pylist():
                number += 1
                cells = {name: _as_text(value) for name, value in values.items()}
                problem = "a cell holds a NUL character" if any("\0" in cell for cell in cells.values()) else ""
                yield Row(number, cells, problem, read=number)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FileRefused(f"{path} cannot be read past row {number}: {error}.") from None


def _as_text(value: object) -> str:
    """The cell as a CSV would say it; a whole float, which is what gaps make of keys, without its point."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
