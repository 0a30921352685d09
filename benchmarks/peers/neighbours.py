"""Item-item co-purchase, as in recommender.engine.evaluation.baselines."""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.evaluation import baselines


class CoPurchase:
    def __init__(self, shrinkage: float = 10.0):
        self.decided = {"shrinkage": shrinkage}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [{"shrinkage": s} for s in (0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0, 10000.0)]

    def fit(self, data: TwoTowerDataset) -> None:
        self.model = baselines.CoPurchase(data, **self.decided)

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return self.model.scores(data, cases)
