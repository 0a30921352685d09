"""What predicts ratings, behind one small interface: ours, and the least that it must beat.

A rater is a class with `grid()`, the settings that validation chooses among, and, once made with one of them,
`fit(data)`, which learns from the TRAIN ratings, and `predict(data, role)`, stars for each rated purchase of a role in
row order. `decided` holds the settings that repeat the fit with no validation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TRAIN
from recommender.engine.evaluation.metrics import predict_held_out_ratings
from recommender.engine.model.rating import fit_rating_paths
from recommender.engine.model.scorer import TorchScorer
from recommender.engine.model.towers import TowerSizes, TwoTowerHybrid
from recommender.engine.training.choosing import choose_rating_path


class GlobalMean:
    """One number for all."""

    def __init__(self) -> None:
        self.decided: dict[str, Any] = {}

    @staticmethod
    def grid() -> list[dict[str, Any]]:
        return [{}]

    def fit(self, data: TwoTowerDataset) -> None:
        self.mean = float(data.rating[rated_rows(data, TRAIN)].mean())

    def predict(self, data: TwoTowerDataset, role: int) -> np.ndarray:
        return np.full(len(rated_rows(data, role)), self.mean)


class TwoTowers:
    """Our rating vectors, with the defaults that every shop gets. No list is trained: no rating depends on it."""

    def __init__(self, noise: float | None = None) -> None:
        self.decided: dict[str, Any] = {"noise": noise}

    @staticmethod
    def grid() -> list[dict[str, Any]]:
        return [{}]

    def fit(self, data: TwoTowerDataset) -> None:
        config = TrainConfig()
        self.model = TwoTowerHybrid(TowerSizes.of(data, config.dim), config)
        if self.decided["noise"] is None:
            path = choose_rating_path(data, config.rating_dim, config.seed, self.model.reads)
        else:
            (path,) = fit_rating_paths(data, config.rating_dim, config.seed, [self.decided["noise"]])
        self.decided["noise"] = path.noise
        self.model.rate_by(path)

    def predict(self, data: TwoTowerDataset, role: int) -> np.ndarray:
        return predict_held_out_ratings(TorchScorer(self.model, data), data, role)[0]


def rated_rows(data: TwoTowerDataset, role: int) -> np.ndarray:
    """int64: the rows of a role's rated purchases."""
    return np.flatnonzero((data.role == role) & np.isfinite(data.rating))
