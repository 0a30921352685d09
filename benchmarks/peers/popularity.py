"""Popularity in its forms, and chance."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from scipy import sparse

from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.splits import TRAIN
from recommender.engine.evaluation import baselines


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
    """Popularity with purchases fading by half over a tenth of the time the data spans."""

    def fit(self, data: TwoTowerDataset) -> None:
        counted = data.counted
        time = data.time[counted]
        half_life = max((time.max() - time.min()) / 10, 1.0)
        self.weights = np.bincount(data.item[counted], 0.5 ** ((time.max() - time) / half_life), minlength=data.n_items)

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return np.tile(self.weights, (len(cases), 1))


class PairPopularity:
    """Popularity among people of one value of each of two profile fields, such as women of 25 to 34, shrunk to
    popularity among all."""

    def __init__(self, fields: list[int] | None = None, shrinkage: float = 1.0):
        self.fields, self.shrinkage = fields or [], shrinkage
        self.decided = {"fields": fields, "shrinkage": shrinkage}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        sizes = data.encoders.field_sizes
        pairs = [list(p) for p in combinations(range(len(sizes)), 2) if sizes[p[0]] * sizes[p[1]] <= 1000]
        return [{"fields": p, "shrinkage": s} for p in pairs for s in (0.3, 1.0, 3.0, 10.0)] or [{}]

    def fit(self, data: TwoTowerDataset) -> None:
        counts = data.item_counts()
        train = data.role == TRAIN
        segment = self._segment(data.profile_ids, data)
        shape = (int(segment.max()) + 1, data.n_items)
        pairs = (np.ones(int(train.sum())), (segment[train], data.item[train]))
        pseudo = self.shrinkage * np.count_nonzero(counts) * counts / counts.sum()
        self.table = sparse.csr_matrix(pairs, shape).toarray() + pseudo

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return self.table[self._segment(data.profile_ids[cases.rows], data)]

    def _segment(self, ids: np.ndarray, data: TwoTowerDataset) -> np.ndarray:
        segment = np.zeros(len(ids), dtype=np.int64)
        for field in self.fields:
            segment = segment * data.encoders.field_sizes[field] + ids[:, field]
        return segment


class CategoryPopularity:
    """Items by number of purchases, one without any by the mean of its category (one value of a feature)."""

    def __init__(self, feature: int | None = None):
        self.feature = feature
        self.decided = {"feature": feature}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [{"feature": f} for f in range(data.item_features.shape[1])] or [{}]

    def fit(self, data: TwoTowerDataset) -> None:
        self.counts = data.item_counts()
        sold = self.counts > 0
        value = np.zeros(data.n_items, np.int64) if self.feature is None else data.item_features[:, self.feature]
        total = np.bincount(value[sold], self.counts[sold], minlength=value.max() + 1)
        mean = total / np.bincount(value[sold], minlength=value.max() + 1).clip(min=1)
        chance = 1e-6 * np.random.default_rng(1).random(data.n_items)  # ties of a whole category would count against it
        self.counts[~sold] = (mean[value] + chance)[~sold]

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return np.tile(self.counts, (len(cases), 1))


class Random:
    """Items in an order of chance, another for everybody."""

    def __init__(self) -> None:
        self.decided: dict[str, Any] = {}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [{}]

    def fit(self, data: TwoTowerDataset) -> None:
        self.rng = np.random.default_rng(1)

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return self.rng.random((len(cases), data.n_items))


class SegmentPopularity:
    """Popularity among people of one value of one profile field, shrunk to popularity among all.

    As in recommender.engine.evaluation.baselines, which chooses the field on validation while it fits; here the field
    is chosen first, then the counts are taken again with nothing held out.
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
