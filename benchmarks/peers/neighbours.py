"""Item-item co-purchase."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.splits import TRAIN


class CoPurchase:
    """Cosine between the items' buyers, summed over what the person bought."""

    def __init__(self, shrinkage: float = 10.0):
        self.shrinkage = shrinkage
        self.decided = {"shrinkage": shrinkage}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [{"shrinkage": s} for s in (0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0, 10000.0)]

    def fit(self, data: TwoTowerDataset) -> None:
        train = data.role == TRAIN
        bought = sparse.csr_matrix(
            (np.ones(train.sum(), np.float32), (data.user[train], data.item[train])), (data.n_users, data.n_items)
        )
        bought.data[:] = 1
        together = (bought.T @ bought).tocoo()
        buyers = np.asarray(bought.sum(0)).ravel()
        norm = np.sqrt(buyers[together.row] * buyers[together.col]) + self.shrinkage
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
