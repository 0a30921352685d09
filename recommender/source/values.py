"""Values of columns as the engine takes them: the same in training and in serving."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any

from django.utils import timezone


def unix_seconds(moment: Any) -> float:
    """A moment as Unix seconds, whatever column holds it."""
    if isinstance(moment, datetime):
        return moment.timestamp()
    if isinstance(moment, date):
        return datetime.combine(moment, time.min, timezone.get_default_timezone()).timestamp()
    return float(moment)


def plain_value(value: Any) -> Any:
    """A column's value as the engine takes it: text, a finite number, a day, a moment or None."""
    if value is None or type(value) in (str, int):
        return value
    if isinstance(value, float | Decimal):
        return value if isfinite(value) else None
    return value if isinstance(value, bool | int | date) else str(value)
