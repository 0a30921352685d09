"""The yardsticks: models with nothing to tune, or next to nothing, that any trained model must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.splits import VALID
from recommender.engine.evaluation.metrics import rank_targets, user_metrics

LARGEST_TABLE = 50_000_000  # values of a field x items
SHRINKAGE = 10.0  # purchases as by everybody, for each item sold, that are added to those of a value
CASES = 2000


class Popularity:
    """Items by number of users who bought them, the same list for everybody."""

    def __init__(self, data: TwoTowerDataset):
        self.counts = data.item_counts()

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return np.tile(self.counts, (len(cases), 1))


@dataclass(frozen=True)
class _OfField:
    """Popularity among users of the same value of one profile field. table : float64 [values, items]."""

    field: int
    table: np.ndarray

    @classmethod
    def count(cls, data: TwoTowerDataset, field: int, share: np.ndarray) -> _OfField:
        size, counted = data.encoders.field_sizes[field], data.counted
        pairs = data.profile_ids[counted, field] * data.n_items + data.item[counted]
        own = np.bincount(pairs, minlength=size * data.n_items).reshape(size, data.n_items)
        # Added pseudo-purchases follow overall popularity: a value with few purchases keeps the common list.
        return cls(field, own + SHRINKAGE * np.count_nonzero(share) * share)

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return self.table[data.profile_ids[cases.rows, self.field]]


class SegmentPopularity:
    """Popularity among users of the same value of one profile field, shrunk to popularity among all.

    The field is the one that serves validation best; without profiles, or without validation, this is popularity.
    """

    def __init__(self, data: TwoTowerDataset):
        counts, cases = data.item_counts(), data.cases(VALID, CASES)
        self.share = counts / counts.sum()
        sizes = data.encoders.field_sizes if len(cases) else ()
        fields = [f for f, size in enumerate(sizes) if size * data.n_items <= LARGEST_TABLE]
        tables = (_OfField.count(data, field, self.share) for field in fields)
        self.best = max(
            tables, key=lambda model: user_metrics(rank_targets(model, data, cases))["ndcg_10"].mean(), default=None
        )
        self.field = None if self.best is None else self.best.field

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return np.tile(self.share, (len(cases), 1)) if self.best is None else self.best.scores(data, cases)
