"""What every import command does around its format: progress bar, refused rows, summary."""

import csv
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TextIO

from django.core.management.base import BaseCommand, CommandError
from django.db import reset_queries
from tqdm import tqdm

from catalog.spreadsheets import disarmed
from customers.errors import FileRefused, RowRefused
from customers.importing.files import Row, open_table
from customers.importing.formats import FORMATS
from customers.importing.rows import Entry
from customers.importing.store import CHUNK, PurchaseIds, store_chunk

SHOWN = 20  # refused rows on the terminal; --errors keeps them all


class Import:
    """One run: rows in, counts out. Refused rows go to the terminal and, all of them, to the errors file."""

    def __init__(self, *, quiet: bool, errors: TextIO | None) -> None:
        self.counts: Counter[str] = Counter()
        self.rows = self.refused = 0
        self.first_reason = ""
        self.quiet = quiet
        self.errors = csv.writer(errors) if errors else None
        if self.errors:
            self.errors.writerow(["file", "line", "reason"])

    def take(
        self, rows: Iterable[Row], entry: Callable[[Mapping[str, str]], Entry], *, name: str, size: int, prefix: str
    ) -> None:
        """Store what the rows say. `size` is the Row.read of the last one."""
        # None: a bar on a terminal, and none in a log.
        with tqdm(total=size, desc=name, unit="", unit_scale=True, disable=self.quiet or None) as bar:
            good = self._good(rows, entry, name, PurchaseIds(prefix=prefix), bar)
            while chunk := list(islice(good, CHUNK)):
                store_chunk(chunk, self.counts)
                reset_queries()  # with DEBUG on, Django keeps the text of the last 9,000

    def _good(
        self, rows: Iterable[Row], entry: Callable, name: str, ids: PurchaseIds, bar: tqdm
    ) -> Iterator[tuple[Entry, str]]:
        for row in rows:
            self.rows += 1
            if row.read > bar.n:
                bar.update(row.read - bar.n)
            try:
                if row.problem:
                    raise RowRefused(row.problem)
                read = entry(row.cells)
                id_ = ids.of(read, row.line)
            except RowRefused as error:
                self._refuse(name, row.line, str(error))
            else:
                yield read, id_

    def _refuse(self, name: str, line: int, reason: str) -> None:
        self.refused += 1
        reason = _one_line(reason)
        self.first_reason = self.first_reason or f"line {line}: {reason}"
        if self.errors:
            self.errors.writerow([disarmed(name), line, disarmed(reason)])
        if self.refused <= SHOWN:
            tqdm.write(f"{name} line {line}: {reason}", file=sys.stderr)

    def summary(self) -> str:
        n = self.counts
        return "\n".join(
            [
                f"{self.rows:,} rows read, {self.refused:,} left out.",
                f"Customers: {n['customers new']:,} new, {n['customers changed']:,} changed.",
                f"Products:  {n['products new']:,} new, {n['products changed']:,} changed.",
                f"Purchases: {n['purchases new']:,} new, {n['purchases repeated']:,} there already.",
            ]
        )


class ImportCommand(BaseCommand):
    """A command that imports. A subclass says in `import_with` which rows."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--errors", type=Path, metavar="FILE", help="Every row left out, with its reason, as CSV.")

    def handle(self, *args: object, **options: object) -> None:
        with ExitStack() as stack, _one_sentence():
            errors = stack.enter_context(_opened(options["errors"])) if options["errors"] else None
            run = Import(quiet=options["verbosity"] == 0, errors=errors)
            self.import_with(run, options)
            if run.refused > SHOWN:
                where = f"All are in {options['errors']}." if errors else "--errors FILE writes them all."
                self.stderr.write(f"... and {run.refused - SHOWN:,} more rows left out. {where}")
            if run.rows and run.refused == run.rows:
                raise FileRefused(f"Not one of {run.rows:,} rows could be imported. {run.first_reason}.")
            if options["verbosity"]:
                self.stdout.write(run.summary())

    def import_with(self, run: Import, options: dict) -> None:
        raise NotImplementedError


class TableCommand(ImportCommand):
    """A command that imports one file, of the format that its option `format` names."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)
        parser.add_argument("--encoding", default="utf-8", help="How a CSV file is written (default: utf-8).")

    def import_with(self, run: Import, options: dict) -> None:
        format_ = FORMATS[options["format"]]
        with open_table(options["file"], encoding=options["encoding"]) as table:
            entry = format_.reader(table, options)
            run.take(table.rows, entry, name=table.path.name, size=table.size, prefix=format_.PREFIX)


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except FileRefused as error:
        raise CommandError(_one_line(str(error))) from error


def _one_line(text: str) -> str:
    """What a file says, as a terminal may show it: without line ends and without the signs that move its cursor."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _opened(path: Path) -> TextIO:
    try:
        return path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise FileRefused(f"The errors file {path} cannot be written: {error.strerror}.") from None
