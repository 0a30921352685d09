"""The yardsticks: models with nothing to tune, or next to nothing, that any trained model must beat."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recommender.engine.data.dataset import TRAIN, VALID, Cases, TwoTowerDataset
from recommender.engine.evaluation.metrics import rank_targets, user_metrics


class Popularity:
    """Items by number of people who bought them, the same list for everybody."""

    def __init__(self, data: TwoTowerDataset):
        self.counts = data.item_counts()

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return np.tile(self.counts, (len(cases), 1))


class RecentPopularity:
    """Popularity with purchases fading by half over a tenth of the time the data spans."""

    def __init__(self, data: TwoTowerDataset):
        counted = data.counted
        time = data.time[counted]
        half_life = max((time.max() - time.min()) / 10, 1.0)
        weight = 0.5 ** ((time.max() - time) / half_life)
        self.weights = np.bincount(data.item[counted], weight, minlength=data.n_items)

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return np.tile(self.weights, (len(cases), 1))


class SegmentPopularity:
    """Popularity among people of the same value of one profile field, shrunk to popularity among all.

    The field is the one that serves validation best; without profiles, or without validation, this is popularity.
    """

    def __init__(self, data: TwoTowerDataset, shrinkage: float = 10.0):
        counts, counted = data.item_counts(), data.counted
        self.share = counts / counts.sum()
        self.field: int | None = None
        self.table: np.ndarray | None = None
        chosen: tuple[int | None, np.ndarray | None] = None, None
        cases, best = data.cases(VALID, 2000), -1.0
        for field, size in enumerate(data.encoders.field_sizes if len(cases) else ()):
            if size * data.n_items > 50_000_000:
                continue
            pairs = data.profile_ids[counted, field] * data.n_items + data.item[counted]
            own = np.bincount(pairs, minlength=size * data.n_items).reshape(size, data.n_items)
            # Added pseudo-purchases follow overall popularity: a value with few purchases keeps the common list.
            self.field, self.table = field, own + shrinkage * len(np.flatnonzero(counts)) * self.share
            ndcg = float(user_metrics(rank_targets(self, data, cases))["ndcg_10"].mean())
            if ndcg > best:
                chosen, best = (self.field, self.table), ndcg
        self.field, self.table = chosen

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        if self.table is None:
            return np.tile(self.share, (len(cases), 1))
        return self.table[data.profile_ids[cases.rows, self.field]]


class CoPurchase:
    """Item-item co-purchase: cosine between the items' buyers, summed over what the person bought."""

    def __init__(self, data: TwoTowerDataset, shrinkage: float = 10.0):
        train = data.role == TRAIN
        bought = sparse.csr_matrix(
            (np.ones(train.sum(), np.float32), (data.user[train], data.item[train])), (data.n_users, data.n_items)
        )
        bought.data[:] = 1
        together = (bought.T @ bought).tocoo()
        buyers = np.asarray(bought.sum(0)).ravel()
        norm = np.sqrt(buyers[together.row] * buyers[together.col]) + shrinkage
        keep = together.row != together.col
        self.similarity = sparse.csr_matrix(
            ((together.data / norm)[keep], (together.row[keep], together.col[keep])), (data.n_items, data.n_items)
        )
        self.tie_break = 1e-6 * buyers / max(buyers.max(), 1)

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        bought = [np.unique(b) for b in cases.bought(data)]
        rows = np.repeat(np.arange(len(cases)), [len(b) for b in bought])
        columns = np.concatenate(bought) if bought else np.zeros(0, np.int64)
        history = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (len(cases), data.n_items))
        return (history @ self.similarity).toarray() + self.tie_break
