"""What one cell says. RowRefused tells which field could not be read, and what stood there.

`field` is what the person who sent the file calls it.
"""

import calendar
import math
import re
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TypeVar

from django.utils import timezone

from customers.errors import RowRefused
from customers.times import time_problem

T = TypeVar("T", date, time)
NOTHING = {"", "nan", "nat", "null", "\\n"}  # the last is what databases write for NULL

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


def text(cell: str) -> str:
    """The cell without outer spaces; empty for what programs write when they mean nothing."""
    cell = cell.strip()
    return "" if cell.lower() in NOTHING else cell


def key(cell: str) -> str:
    """A key as text: `10001.0`, which a table with gaps makes of 10001, is 10001."""
    cell = text(cell)
    whole = _WHOLE_FLOAT.fullmatch(cell)
    return whole[1] if whole else cell


def is_rounded(cell: str) -> bool:
    """Whether the cell is a long number of which a spreadsheet kept six digits: `4.00638E+12` was many a barcode."""
    return _ROUNDED.fullmatch(text(cell)) is not None


def number(field: str, cell: str) -> Decimal | None:
    """`1,234.50`, `$ 12`, `12,50`; None for an empty cell."""
    cell = text(cell)
    if not cell:
        return None
    plain = cell.strip("$€£ ")
    if _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    elif _DECIMAL_COMMA.fullmatch(plain):
        plain = plain.replace(",", ".")
    try:
        value = Decimal(plain)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise RowRefused(f"{field} is {cell[:40]!r}, which is not a number")
    return value


def count(field: str, cell: str) -> int:
    """A whole number from 1 up; 1 for an empty cell, and a fraction (goods sold by weight) is rounded up."""
    value = number(field, cell)
    if value is None:
        return 1
    if value <= 0:
        raise RowRefused(f"{field} is {_short(value)}: cancelled, returned or nothing bought")
    if value > 1_000_000_000:
        raise RowRefused(f"{field} is {_short(value)}, which is too many")
    return max(1, math.ceil(value))


def money(field: str, cell: str) -> Decimal | None:
    """An amount in cents from nothing up; None for an empty cell."""
    value = number(field, cell)
    if value is None:
        return None
    if value < 0:
        raise RowRefused(f"{field} is {_short(value)}, less than nothing")
    if value >= 10**10:
        raise RowRefused(f"{field} is {_short(value)}, which is too much")
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def paid(field: str, cell: str) -> Decimal | None:
    """An amount that somebody paid: more than nothing."""
    value = money(field, cell)
    if value == 0:
        raise RowRefused(f"{field} is {cell.strip()[:40]}: a purchase costs more than nothing")
    return value


def stars(field: str, cell: str) -> Decimal | None:
    value = number(field, cell)
    if value is not None and not 0 <= value <= 5:
        raise RowRefused(f"{field} is {_short(value)}; ratings go from 0 to 5")
    return None if value is None else value.quantize(Decimal("0.1"), ROUND_HALF_UP)


def whole(field: str, cell: str, least: int, greatest: int) -> int | None:
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
            value = number(field, cell)
        except RowRefused:
            raise RowRefused(f"{field} is {cell[:40]!r}, which is neither a number nor a range") from None
    if not least <= value <= greatest:
        raise RowRefused(f"{field} is {_short(value)}; it goes from {least} to {greatest}")
    return math.ceil(value) if between else int(value)


def _short(value: Decimal) -> str:
    return str(value)[:40]


def moment(field: str, cell: str, *, month: str = "", day_first: bool = False) -> datetime:
    """An aware time: ISO, Unix seconds, `3/15/2023 2:05 PM`, `15-03-23`, `15 Mar 2023`; in TIME_ZONE if it names none.

    `8/3/2023` could be two days. `month`, where the row says it in a cell of its own, decides; then
    `day_first`; then custom: slashes put the month first, dashes and dots the day.
    """
    cell = text(cell)
    if not cell:
        raise RowRefused(f"{field} is empty")
    found = _unix(cell) or _iso(cell) or _day_and_clock(cell, month, day_first)
    if found is None:
        raise RowRefused(f"{field} is {cell[:40]!r}, which is not a date this importer knows")
    aware = found if timezone.is_aware(found) else timezone.make_aware(found)
    problem = time_problem(aware)
    if problem:
        raise RowRefused(f"{field} is {cell[:40]!r}, {problem}")
    return aware.astimezone(UTC)  # PostgreSQL takes no offset of 16 hours


def _unix(cell: str) -> datetime | None:
    digits = cell.removesuffix(".0")
    if not digits.isdecimal() or not 9 <= len(digits) <= 13:
        return None
    seconds = int(digits) / (1000 if len(digits) > 11 else 1)
    return datetime.fromtimestamp(seconds, UTC)


def _iso(cell: str) -> datetime | None:
    try:
        return datetime.fromisoformat(cell)
    except ValueError:
        return None


def _day_and_clock(cell: str, month: str, day_first: bool) -> datetime | None:
    parts = _DAY_AND_CLOCK.fullmatch(cell)
    if parts is None:
        return None
    day = _day(parts["day"], month, day_first)
    clock = _clock(parts["clock"] or "0:00")
    return None if day is None or clock is None else datetime.combine(day, clock)


def _clock(cell: str) -> time | None:
    match = _CLOCK.fullmatch(cell)
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if match[4]:
        hour = hour % 12 + (12 if match[4].lower() == "pm" else 0)
    return _if_real(time, hour, minute, second)


def _day(cell: str, month: str, day_first: bool) -> date | None:
    if match := _YEAR_FIRST.fullmatch(cell):
        return _if_real(date, int(match[1]), int(match[3]), int(match[4]))
    if match := _YEAR_LAST.fullmatch(cell):
        return _year_last(match, _month_number(month), day_first or match[2] != "/")
    for form in _WITH_MONTH_NAMES:
        try:
            return datetime.strptime(cell, form).date()
        except ValueError:
            continue
    return None


def _year_last(match: re.Match[str], told: int | None, day_first: bool) -> date | None:
    first, second, year = int(match[1]), int(match[3]), int(match[4])
    if len(match[4]) == 2:
        year += 1900 if year >= 69 else 2000
    readings = [(first, second), (second, first)]  # (month, day)
    if day_first:
        readings.reverse()
    readings.sort(key=lambda reading: reading[0] != told)  # stable: without a hint the custom stays
    found = (_if_real(date, year, month_of, day_of) for month_of, day_of in readings)
    return next((day for day in found if day is not None), None)


def _if_real(kind: type[T], *numbers: int) -> T | None:
    """`kind(*numbers)`; None for the 31st of February."""
    try:
        return kind(*numbers)
    except ValueError:
        return None


def _month_number(cell: str) -> int | None:
    cell = key(cell).lower()
    if cell.isdecimal():
        return int(cell) if len(cell) <= 2 else None
    return next((n for n, name in enumerate(_MONTHS, 1) if len(cell) >= 3 and name.startswith(cell)), None)
