"""Turns profiles and item descriptions into numbers, the same way in training and in serving. Saved as JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from recommender.engine.data.content import ContentEncoder
from recommender.engine.data.numbers import FIRST, MISSING, UNKNOWN, NumberTable, Standardizer
from recommender.engine.data.schema import Schema
from recommender.engine.errors import ProfileError, quoted

# Beyond these a number is broken and counts as missing. Amounts are added up, and from 1e15 on a float64 holds no cents
# any more; of features mean, deviation and skewness are taken, and the cube of 1e30 is still finite.
LARGEST_AMOUNT, LARGEST_FEATURE = 1e15, 1e30
LOWEST_RATING, HIGHEST_RATING = 0.0, 5.0


@dataclass(frozen=True)
class Vocabulary:
    """Text values to ids: 0 is missing, 1 a value not (or too rarely) seen in training, the rest are known."""

    values: tuple[str, ...]

    @classmethod
    def fit(cls, column: Iterable[str], min_count: int = 2, max_size: int = 20_000) -> Vocabulary:
        """Values seen at least `min_count` times, the commonest first: a value seen once teaches nothing but itself."""
        counts = Counter(v for v in column if v != "")
        kept = sorted((v for v, n in counts.items() if n >= min_count), key=lambda v: (-counts[v], v))
        return cls(tuple(kept[:max_size]))

    @cached_property
    def _id_of(self) -> dict[str, int]:
        return {v: i for i, v in enumerate(self.values, FIRST)}

    def __len__(self) -> int:
        return len(self.values) + FIRST

    def encode(self, column: Iterable[str]) -> np.ndarray:
        """int64 ids of a column of text; "" is missing."""
        known = self._id_of
        return np.array([MISSING if v == "" else known.get(v, UNKNOWN) for v in column], dtype=np.int64)


@dataclass(frozen=True)
class Encoders:
    """Every encoder of a model: how a profile and an item description become the arrays that the towers read."""

    schema: Schema
    user: Mapping[str, Vocabulary]
    number: Mapping[str, Standardizer]
    item: Mapping[str, Vocabulary]
    content: ContentEncoder = ContentEncoder()  # noqa: RUF009 (frozen)

    @cached_property
    def _numbers(self) -> NumberTable:
        return NumberTable.of([self.number[f] for f in self.schema.user_numerical])

    @property
    def field_sizes(self) -> tuple[int, ...]:
        """Ids of each profile field as the profile path sees it: categorical fields, then numerical ones in bins."""
        categorical = [len(self.user[f]) for f in self.schema.user_categorical]
        return tuple(categorical + [self.number[f].bins for f in self.schema.user_numerical])

    @property
    def item_sizes(self) -> tuple[int, ...]:
        return tuple(len(self.item[f]) for f in self.schema.item_categorical)

    def encode_users(self, columns: Mapping[str, np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
        """Profile columns to (field ids int64 [n, fields], numbers float32 [n, 2 x numerical])."""
        categorical, numerical = self.schema.user_categorical, self.schema.user_numerical
        values = np.empty((n, len(numerical)))
        for place, field in enumerate(numerical):
            values[:, place] = columns[field]
        bins, numbers = self._numbers.encode(values)
        ids = np.empty((n, len(categorical) + len(numerical)), np.int64)
        for place, field in enumerate(categorical):
            ids[:, place] = self.user[field].encode(columns[field].tolist())
        ids[:, len(categorical) :] = bins
        return ids, numbers

    def encode_items(self, columns: Mapping[str, np.ndarray], n: int) -> np.ndarray:
        """Item columns to feature ids, int64 [n, features]."""
        ids = [self.item[f].encode(columns[f].tolist()) for f in self.schema.item_categorical]
        return np.stack(ids, axis=1) if ids else np.zeros((n, 0), np.int64)

    def profile_columns(self, profiles: Sequence[Mapping[str, object]]) -> dict[str, np.ndarray]:
        """Columns of a few profiles. Raises ProfileError for a value of the wrong kind; a missing field is missing."""
        return _columns(profile_readers(self.schema), profiles)

    def item_columns(self, items: Sequence[Mapping[str, object]]) -> dict[str, np.ndarray]:
        """Columns of a few items, ready to be encoded. ProfileError for a value of the wrong kind."""
        columns = _columns(item_readers(self.schema), items)
        if self.schema.item_vector:
            columns[self.schema.item_vector] = self.content.vectors(columns[self.schema.item_vector])
        return columns

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": self.schema.to_dict(),
            "user": {n: list(v.values) for n, v in self.user.items()},
            "number": {n: s.to_dict() for n, s in self.number.items()},
            "item": {n: list(v.values) for n, v in self.item.items()},
            "content": self.content.to_dict(),
        }

    @classmethod
    def read(cls, artifacts: Path) -> Encoders:
        """From the JSON of a bundle."""
        values = json.loads(Path(artifacts).read_text(encoding="utf-8"))["encoders"]
        schema = Schema.from_dict(values["schema"])
        return cls(
            schema=schema,
            user={n: Vocabulary(tuple(v)) for n, v in values["user"].items()},
            number={n: Standardizer.from_dict(s) for n, s in values["number"].items()},
            item={n: Vocabulary(tuple(v)) for n, v in values["item"].items()},
            content=ContentEncoder.from_dict(schema, values.get("content", {}), Path(artifacts)),
        )


Reader = Callable[[str, object], Any]  # of a field's name and a value of it


def profile_readers(schema: Schema) -> dict[str, Reader]:
    """How a value of each field of a profile is read."""
    return dict.fromkeys(schema.user_categorical, as_text) | dict.fromkeys(schema.user_numerical, as_number)


def item_readers(schema: Schema) -> dict[str, Reader]:
    """How a value of each field of an item is read."""
    readers: dict[str, Reader] = dict.fromkeys((*schema.item_categorical, *schema.item_text), as_text)
    readers |= dict.fromkeys(schema.item_numerical, as_number) | dict.fromkeys(schema.item_multi, as_texts)
    return readers | ({schema.item_vector: as_vector} if schema.item_vector else {})


def _columns(readers: Mapping[str, Reader], rows: Sequence[Mapping[str, object]]) -> dict[str, np.ndarray]:
    columns = {}
    for name, read in readers.items():
        kind = np.float64 if read is as_number else object
        columns[name] = np.fromiter((read(name, row.get(name)) for row in rows), kind, len(rows))
    return columns


def as_text(field: str, value: object) -> str:
    """A categorical value as text, the same wherever it is read: "" when missing, numbers with all of their digits.

    1234567, 1234567.0 and Decimal("1234567.00") are "1234567"; text stays as it is. ProfileError for a list, say.
    """
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return _text_of_decimal(np.format_float_positional(value, trim="-")) if np.isfinite(value) else ""
    if isinstance(value, Decimal):
        return _text_of_decimal(format(value, "f")) if value.is_finite() else ""
    if isinstance(value, datetime):
        if value != value:  # pandas' NaT
            return ""
        return str(value if value.tzinfo is None else value.astimezone(UTC))
    if isinstance(value, date):
        return value.isoformat()
    raise ProfileError(field, f"{quoted(value)} is not text.")


def _text_of_decimal(digits: str) -> str:
    """Without zeros that say nothing: "12.50" is "12.5", "-0.0" is "0"."""
    text = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if text == "-0" else text


def as_number(field: str, value: object) -> float:
    """A numerical value, nan when missing; text that reads as a number is one, anything else is refused."""
    if value is None or value == "":
        return math.nan
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | np.integer | np.floating):
        raise ProfileError(field, f"{quoted(value)} is not a number.")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ProfileError(field, f"{quoted(value)} is not a number.") from None
    if math.isinf(number):
        raise ProfileError(field, f"{quoted(value)} is not a finite number.")
    return number


def as_texts(field: str, value: object) -> tuple[str, ...]:
    """Several values as texts, each once; none when missing. A single text is one value."""
    if value is None:
        return ()
    if isinstance(value, Mapping) or not isinstance(value, str | Sequence | set | frozenset | np.ndarray):
        raise ProfileError(field, f"{quoted(value)} is not a list of texts.")
    values = [value] if isinstance(value, str) else value
    return tuple(dict.fromkeys(text for one in values if (text := as_text(field, one).strip())))


def as_vector(field: str, value: object) -> tuple[float, ...]:
    """A list of finite numbers; empty when missing."""
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise ProfileError(field, f"{quoted(value)} is not a list of numbers.")
    vector = tuple(as_number(field, number) for number in value)
    if any(map(math.isnan, vector)):
        raise ProfileError(field, "a number of the list is missing.")
    return vector


def stored_number(value: object, largest: float = LARGEST_FEATURE) -> float | None:
    """A number as it is stored somewhere; None where it is missing, cannot be read or is beyond `largest`: what
    training leaves out."""
    if value is None:
        return None
    if type(value) is float or type(value) is int:  # nearly all are
        return float(value) if -largest <= value <= largest else None
    try:
        number = as_number("", value)
    except ProfileError:
        return None
    return number if abs(number) <= largest else None  # nan is not


def stored_rating(value: object) -> float | None:
    """A rating as it is stored somewhere; None where it is missing or outside of 0 to 5, as in training."""
    number = stored_number(value)
    return number if number is not None and LOWEST_RATING <= number <= HIGHEST_RATING else None
