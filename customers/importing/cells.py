"""What one cell says. Every reader takes the column as the sender calls it, and the cell; RowRefused names both."""

import calendar
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from django.utils import timezone

from customers.errors import RowRefused
from customers.times import time_problem

MISSING = {"", "nan", "nat", "null", "\\n"}  # the last is what databases write for NULL

_ROUNDED = re.compile(r"-?\d([.,]\d+)?E\+\d{2,3}")
_WHOLE_FLOAT = re.compile(r"(-?\d+)\.0+")
_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")
_DECIMAL_COMMA = re.compile(r"-?\d+,\d{1,2}")
_RANGE = re.compile(r"(\d+)\s*(?:-|–|to)\s*(\d+)")
_OPEN_RANGE = re.compile(r"(\d+)\s*\+|(?:<|>|under|over)\s*(\d+)", re.IGNORECASE)
_YEAR_FIRST = re.compile(r"(\d{4})([/.-])(\d{1,2})\2(\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([AaPp][Mm])?")
_DAY_AND_CLOCK = re.compile(rf"(?P<day>.*?)(?:[ T]+(?P<clock>{_CLOCK.pattern}))?")
_WITH_MONTH_NAMES = ("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y")
_MONTHS = [name.lower() for name in calendar.month_name[1:]]


# --- text and keys ----------------------------------------------------------------------------------------------------


def text(cell: str) -> str:
    """The cell without outer spaces; empty for what programs write for a missing value."""
    cell = cell.strip()
    return "" if cell.lower() in MISSING else cell


def short_text(column: str, cell: str, longest: int | None = None) -> str:
    value = text(cell)
    if longest is not None and len(value) > longest:
        raise RowRefused(f"{column} has {len(value)} characters, at most {longest} fit: {value[:30]}...")
    return value


def key(column: str, cell: str, longest: int | None = None) -> str:
    """A key as text: `10001.0`, which a table with gaps makes of 10001, is 10001."""
    value = text(cell)
    if _ROUNDED.fullmatch(value):
        raise RowRefused(
            f"{column} is {value[:40]}: a spreadsheet rounded this number, and others to the same; "
            "format the column as text and export it again"
        )
    whole_float = _WHOLE_FLOAT.fullmatch(value)
    return short_text(column, whole_float[1] if whole_float else value, longest)


def required_key(column: str, cell: str, longest: int | None = None) -> str:
    value = key(column, cell, longest)
    if not value:
        raise RowRefused(f"{column} is empty")
    return value


# --- numbers ----------------------------------------------------------------------------------------------------------


def number(column: str, cell: str) -> Decimal | None:
    """`1,234.50`, `$ 12`, `12,50`; None for an empty cell."""
    cell = text(cell)
    if not cell:
        return None
    plain = cell.strip("$€£ ")
    if _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    elif _DECIMAL_COMMA.fullmatch(plain):
        plain = plain.replace(",", ".")
    with suppress(InvalidOperation):
        value = Decimal(plain)
        if value.is_finite():
            return value
    raise RowRefused(f"{column} is {cell[:40]!r}, which is not a number")


def count(column: str, cell: str) -> int:
    """A whole number from 1 up; 1 for an empty cell, and a fraction (goods sold by weight) is rounded up."""
    value = number(column, cell)
    if value is None:
        return 1
    if value <= 0:
        raise RowRefused(f"{column} is {_short(value)}: cancelled, returned or nothing bought")
    if value > 1_000_000_000:
        raise RowRefused(f"{column} is {_short(value)}, which is too many")
    return math.ceil(value)


def money(column: str, cell: str) -> Decimal | None:
    """An amount in cents from nothing up; None for an empty cell."""
    value = number(column, cell)
    if value is None:
        return None
    if value < 0:
        raise RowRefused(f"{column} is {_short(value)}, less than nothing")
    if value >= 10**10:
        raise RowRefused(f"{column} is {_short(value)}, which is too much")
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def paid(column: str, cell: str) -> Decimal | None:
    """An amount that somebody paid: more than nothing."""
    value = money(column, cell)
    if value == 0:
        raise RowRefused(f"{column} is {cell.strip()[:40]}: a purchase costs more than nothing")
    return value


def stars(column: str, cell: str) -> Decimal | None:
    value = number(column, cell)
    if value is not None and not 0 <= value <= 5:
        raise RowRefused(f"{column} is {_short(value)}; ratings go from 0 to 5")
    return None if value is None else value.quantize(Decimal("0.1"), ROUND_HALF_UP)


def whole(column: str, cell: str, least: int, greatest: int) -> int | None:
    """A whole number; the middle of a range (`45-54` is 50), the edge of an open one (`65+` is 65)."""
    cell = text(cell)
    if not cell:
        return None
    if between := _RANGE.fullmatch(cell):
        value = (Decimal(between[1]) + Decimal(between[2])) / 2
    elif edge := _OPEN_RANGE.fullmatch(cell):
        value = Decimal(edge[1] or edge[2])
    else:
        try:
            value = number(column, cell)
        except RowRefused:
            raise RowRefused(f"{column} is {cell[:40]!r}, which is neither a number nor a range") from None
    if not least <= value <= greatest:
        raise RowRefused(f"{column} is {_short(value)}; it goes from {least} to {greatest}")
    return math.ceil(value) if between else int(value)


def _short(value: Decimal) -> str:
    return str(value)[:40]


# --- times ------------------------------------------------------------------------------------------------------------


def moment(column: str, cell: str, *, month: str = "", day_first: bool = False) -> datetime:
    """An aware time: ISO, Unix seconds, `3/15/2023 2:05 PM`, `15-03-23`, `15 Mar 2023`; in TIME_ZONE if it names none.

    `8/3/2023` could be two days. `month`, where the row says it in a cell of its own, decides; then
    `day_first`; then custom: slashes put the month first, dashes and dots the day. (dateutil would read more, and
    2023-13-01 as the 13th of January.)
    """
    cell = text(cell)
    if not cell:
        raise RowRefused(f"{column} is empty")
    value = _unix(cell) or _iso(cell) or _day_and_clock(cell, month, day_first)
    if value is None:
        raise RowRefused(f"{column} is {cell[:40]!r}, which is not a date this importer knows")
    aware = value if timezone.is_aware(value) else timezone.make_aware(value)
    problem = time_problem(aware)
    if problem:
        raise RowRefused(f"{column} is {cell[:40]!r}, {problem}")
    return aware.astimezone(UTC)  # PostgreSQL takes no offset of 16 hours


def _unix(cell: str) -> datetime | None:
    digits = cell.removesuffix(".0")
    if not digits.isdecimal() or not 9 <= len(digits) <= 13:
        return None
    return datetime.fromtimestamp(int(digits) / (1000 if len(digits) > 11 else 1), UTC)


def _iso(cell: str) -> datetime | None:
    with suppress(ValueError):
        return datetime.fromisoformat(cell)
    return None


def _day_and_clock(cell: str, month: str, day_first: bool) -> datetime | None:
    parts = _DAY_AND_CLOCK.fullmatch(cell)
    clock = _clock(parts["clock"] or "0:00") if parts else None
    if clock is None:
        return None
    days, number_of_month = list(_days(parts["day"], day_first)), _month_number(month)
    day = next((day for day in days if day.month == number_of_month), days[0] if days else None)
    return day and datetime.combine(day, clock)


def _clock(cell: str) -> time | None:
    hour, minute, second, half = _CLOCK.fullmatch(cell).groups()
    hours = int(hour) if half is None else int(hour) % 12 + (12 if half.lower() == "pm" else 0)
    with suppress(ValueError):
        return time(hours, int(minute), int(second or 0))
    return None


def _days(cell: str, day_first: bool) -> Iterator[date]:
    """The days that the cell can mean, the likelier first."""
    candidates: list[tuple[int, int, int]] = []  # year, month, day
    if match := _YEAR_FIRST.fullmatch(cell):
        candidates = [(int(match[1]), int(match[3]), int(match[4]))]
    elif match := _YEAR_LAST.fullmatch(cell):
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        if len(match[4]) == 2:
            year += 1900 if year >= 69 else 2000
        candidates = [(year, first, second), (year, second, first)]
        if day_first or match[2] != "/":
            candidates.reverse()
    for candidate in candidates:
        with suppress(ValueError):
            yield date(*candidate)
    for form in _WITH_MONTH_NAMES if not candidates else ():
        with suppress(ValueError):
            yield datetime.strptime(cell, form).date()


def _month_number(cell: str) -> int | None:
    cell = text(cell).removesuffix(".0").lower()
    if cell.isdecimal():
        return int(cell) if len(cell) <= 2 else None
    return next((n for n, name in enumerate(_MONTHS, 1) if len(cell) >= 3 and name.startswith(cell)), None)
