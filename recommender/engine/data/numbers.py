"""Numbers of a field in units in which fields are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MISSING, UNKNOWN, FIRST = 0, 1, 2  # ids: no value, a value not known from training, the first that is


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

    @property
    def bins(self) -> int:
        return len(self.edges) + 1 + FIRST

    def to_dict(self) -> dict[str, Any]:
        return {"log": self.log, "mean": self.mean, "std": self.std, "edges": list(self.edges)}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Standardizer:
        return cls(**{**saved, "edges": tuple(saved["edges"])})


@dataclass(frozen=True)
class NumberTable:
    """The standardizers of several fields in columns: a few numbers of one person are many small steps field by field.

    log : bool [fields].   mean, std : float64 [fields].   edges : float64 [fields, most], the rest inf.
    """

    log: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(cls, fields: Sequence[Standardizer]) -> NumberTable:
        edges = np.full((len(fields), max((len(f.edges) for f in fields), default=0)), np.inf)
        for row, field in zip(edges, fields, strict=True):
            row[: len(field.edges)] = field.edges
        log, mean, std = (np.array([getattr(f, name) for f in fields]) for name in ("log", "mean", "std"))
        return cls(log, mean, std, edges)

    def encode(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """values : float64 [n, fields], nan where missing.

        -> bin ids int64 [n, fields], 0 where missing; float32 [n, 2 x fields], of each field the standardised
        number (0 where missing) and whether it was there.
        """
        here = np.isfinite(values)
        known = np.where(here, values, 0.0)
        bins = np.where(here, (self.edges <= known[..., None]).sum(-1) + FIRST, MISSING)
        if self.log.any():
            known = np.where(self.log, np.sign(known) * np.log1p(np.abs(known)), known)
        numbers = np.empty((len(values), 2 * len(self.log)), np.float32)
        numbers[:, ::2] = ((known - self.mean) / self.std).clip(-4, 4) * here
        numbers[:, 1::2] = here
        return bins, numbers
