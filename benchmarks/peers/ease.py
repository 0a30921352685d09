"""EASE (Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019), exact, on the smaller side.

B = I - P diag(1 / diag P), P = (X'X + l2 I)^-1, scores x B. With fewer people than items, P is never written down:
P = (I - X' K X) / l2 with K = (XX' + l2 I)^-1 [people, people] (Woodbury).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from benchmarks.peers.histories import bought_matrix, history_matrix, popular_for_newcomers
from recommender.engine.data.dataset import Cases, TwoTowerDataset


class EASE:
    def __init__(self, l2: float = 300.0):
        self.l2 = l2
        self.decided = {"l2": l2}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [{"l2": l2} for l2 in (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0, 30000.0)]

    def fit(self, data: TwoTowerDataset) -> None:
        self.bought = bought_matrix(data)
        people, items = self.bought.shape
        self.by_items = items <= people
        gram = (self.bought.T @ self.bought if self.by_items else self.bought @ self.bought.T).toarray()
        gram = gram.astype(np.float64)
        gram[np.diag_indices_from(gram)] += self.l2
        inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
        if self.by_items:
            self.inverse = (inverse / -np.diag(inverse)).astype(np.float32)  # off its diagonal, B
            np.fill_diagonal(self.inverse, 0)
        else:
            self.inverse = inverse.astype(np.float32)
            own = np.asarray(self.bought.multiply(self.bought.T.dot(self.inverse).T).sum(0)).ravel()
            self.diagonal = (1 - own) / self.l2

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        history = history_matrix(data, cases)
        if self.by_items:
            scores = np.asarray(history @ self.inverse)
        else:
            # Where x holds an item its score differs from x B by a constant, but bought items are never ranked.
            voted = (history @ self.bought.T).toarray() @ self.inverse  # [cases, people]
            own = history.toarray()
            scores = own - (own - (self.bought.T @ voted.T).T) / self.l2 / self.diagonal
        return popular_for_newcomers(scores.astype(np.float32), data, cases)
