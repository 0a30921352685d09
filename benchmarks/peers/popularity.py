"""Popularity in three forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender.engine import baselines
from recommender.engine.dataset import TRAIN, Cases, TwoTowerDataset


class Popularity:
    """Items by number of purchases."""

    def __init__(self) -> None:
        self.decided: dict[str, Any] = {}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [{}]

    def fit(self, data: TwoTowerDataset) -> None:
        self.model = baselines.Popularity(data)

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return self.model.scores(data, cases)


class RecentPopularity(Popularity):
    """Items by number of purchases, fading with time."""

    def fit(self, data: TwoTowerDataset) -> None:
        self.model = baselines.RecentPopularity(data)


class SegmentPopularity:
    """Popularity among people of one value of one profile field, shrunk to popularity among all.

    As in recommender.engine.baselines, which chooses the field on validation while it fits; here the field is chosen
    first, then the counts are taken again with nothing held out.
    """

    def __init__(self, field: int | None = None, shrinkage: float = 10.0):
        self.field, self.shrinkage = field, shrinkage
        self.decided = {"field": field, "shrinkage": shrinkage}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        small = [f for f, size in enumerate(data.encoders.field_sizes) if size * data.n_items <= 50_000_000]
        return [{"field": f} for f in small[:8]] or [{}]

    def fit(self, data: TwoTowerDataset) -> None:
        counts = data.item_counts()
        pseudo = self.shrinkage * np.count_nonzero(counts) * counts / counts.sum()
        if self.field is None:
            self.table = counts[None, :]
            return
        train = data.role == TRAIN
        size = data.encoders.field_sizes[self.field]
        pairs = data.profile_ids[train, self.field] * data.n_items + data.item[train]
        self.table = np.bincount(pairs, minlength=size * data.n_items).reshape(size, data.n_items) + pseudo

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        if self.field is None:
            return np.repeat(self.table, len(cases), 0)
        return self.table[data.profile_ids[cases.rows, self.field]]
