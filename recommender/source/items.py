"""Items of the source, read from the database by their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError

from recommender.errors import RecommendationError
from recommender.source.declaration import get_source


def is_item_key(key: object) -> bool:
    """Whether this can be a key: None and spaces alone are none, in training and in serving."""
    return key is not None and bool(str(key).strip())


def read_item(key: object, columns: Sequence[str] = ()) -> tuple[Any, ...] | None:
    """Primary key and columns of the item of this key, for sale or not; None where there is none. One query."""
    if not isinstance(key, str) or not is_item_key(key) or "\x00" in key or key != key.encode(errors="ignore").decode():
        return None  # NUL and halves of surrogate pairs are in no row
    source = get_source()
    try:
        rows = source.items.filter(**{source.item_key: key}).order_by()
        row = next(iter(rows.values_list("pk", source.item_key, *columns)[:1]), None)
    except (ValueError, ValidationError):  # a word where keys are numbers
        return None
    if row is None or str(row[1]) != key:  # "p1" finds "P1" where a database compares without case
        return None
    return (row[0], *row[2:])


def item_exists(key: object) -> bool:
    """Whether there is an item of this key now, for sale or not."""
    return read_item(key) is not None


def check_item_exists(key: object) -> None:
    """RecommendationError for an unknown item."""
    if not item_exists(key):
        raise RecommendationError("item", f"There is no item {key!r}.")
