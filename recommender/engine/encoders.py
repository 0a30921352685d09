"""Turns profiles and item descriptions into numbers, the same way in training and in serving. Saved as JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from recommender.engine.errors import ProfileError
from recommender.engine.schema import Schema

MISSING, UNKNOWN, FIRST = 0, 1, 2


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
class Standardizer:
    """Numbers to about -3..3: signed log first where the column is heavy-tailed, then mean 0 and deviation 1.

    edges cut the same column into bins, so that a number can be read as a category too (id 0: missing, then 2, 3, ...).
    """

    log: bool
    mean: float
    std: float
    edges: tuple[float, ...]

    @classmethod
    def fit(cls, column: np.ndarray, bins: int = 8) -> Standardizer:
        """From the finite numbers of `column`; a column without any becomes a constant."""
        seen = column[np.isfinite(column)]
        if len(seen) == 0:
            return cls(False, 0.0, 1.0, ())
        centre = seen - seen.mean()
        skew = float((centre**3).mean() / (centre.std() ** 3 + 1e-12))
        log = bool(abs(skew) > 2)
        values = np.sign(seen) * np.log1p(np.abs(seen)) if log else seen
        edges = np.unique(np.quantile(seen, np.arange(1, bins) / bins))
        return cls(log, float(values.mean()), float(values.std()) or 1.0, tuple(float(e) for e in edges))

    def encode(self, column: np.ndarray) -> np.ndarray:
        """float32 [n, 2]: the standardised number (0 where missing) and whether it was there."""
        here = np.isfinite(column)
        values = np.where(here, column, 0.0)
        if self.log:
            values = np.sign(values) * np.log1p(np.abs(values))
        values = np.clip((values - self.mean) / self.std, -4, 4)
        return np.stack([np.where(here, values, 0.0), here], axis=1).astype(np.float32)

    def bin(self, column: np.ndarray) -> np.ndarray:
        """int64 [n] bin ids; 0 where missing."""
        ids = np.searchsorted(self.edges, column, side="right") + FIRST  # what is missing stands behind the last edge
        return np.where(np.isfinite(column), ids, MISSING).astype(np.int64)

    @property
    def bins(self) -> int:
        return len(self.edges) + 1 + FIRST


@dataclass(frozen=True)
class Encoders:
    """Every encoder of a model: how a profile and an item description become the arrays that the towers read."""

    schema: Schema
    user: Mapping[str, Vocabulary]
    number: Mapping[str, Standardizer]
    item: Mapping[str, Vocabulary]

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
        ids = [self.user[f].encode(columns[f].tolist()) for f in self.schema.user_categorical]
        ids += [self.number[f].bin(columns[f]) for f in self.schema.user_numerical]
        numbers = [self.number[f].encode(columns[f]) for f in self.schema.user_numerical]
        return (
            np.stack(ids, axis=1) if ids else np.zeros((n, 0), np.int64),
            np.concatenate(numbers, axis=1) if numbers else np.zeros((n, 0), np.float32),
        )

    def encode_items(self, columns: Mapping[str, np.ndarray], n: int) -> np.ndarray:
        """Item columns to feature ids, int64 [n, features]."""
        ids = [self.item[f].encode(columns[f].tolist()) for f in self.schema.item_categorical]
        return np.stack(ids, axis=1) if ids else np.zeros((n, 0), np.int64)

    def profile_columns(self, profiles: Sequence[Mapping[str, object]]) -> dict[str, np.ndarray]:
        """Columns of a few profiles. Raises ProfileError for a value of the wrong kind; a missing field is missing."""
        columns: dict[str, np.ndarray] = {}
        for name in self.schema.user_categorical:
            columns[name] = np.array([as_text(name, p.get(name)) for p in profiles], dtype=object)
        for name in self.schema.user_numerical:
            columns[name] = np.array([as_number(name, p.get(name)) for p in profiles], dtype=np.float64)
        return columns

    def item_columns(self, items: Sequence[Mapping[str, object]]) -> dict[str, np.ndarray]:
        names = self.schema.item_categorical
        return {n: np.array([as_text(n, i.get(n)) for i in items], dtype=object) for n in names}

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": self.schema.to_dict(),
            "user": {n: list(v.values) for n, v in self.user.items()},
            "number": {
                n: {"log": s.log, "mean": s.mean, "std": s.std, "edges": list(s.edges)} for n, s in self.number.items()
            },
            "item": {n: list(v.values) for n, v in self.item.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Encoders:
        return cls(
            schema=Schema.from_dict(values["schema"]),
            user={n: Vocabulary(tuple(v)) for n, v in values["user"].items()},
            number={n: Standardizer(**{**s, "edges": tuple(s["edges"])}) for n, s in values["number"].items()},
            item={n: Vocabulary(tuple(v)) for n, v in values["item"].items()},
        )


def as_text(field: str, value: object) -> str:
    """A categorical value as text, "" when missing; a number is read as its text, anything else is refused."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ProfileError(field, f"{value!r} is not text.")
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:g}"
    return str(value)


def as_number(field: str, value: object) -> float:
    """A numerical value, nan when missing; text that reads as a number is one, anything else is refused."""
    if value is None or value == "":
        return math.nan
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ProfileError(field, f"{value!r} is not a number.")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ProfileError(field, f"{value!r} is not a number.") from None
    if math.isinf(number):
        raise ProfileError(field, f"{value!r} is not a finite number.")
    return number
