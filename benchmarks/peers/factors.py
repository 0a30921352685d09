"""Matrix factorisations of the implicit package: ALS (Hu, Koren & Volinsky 2008) and BPR (Rendle et al. 2009)."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from threadpoolctl import threadpool_limits

from benchmarks.peers.histories import bought_matrix, popular_for_newcomers
from recommender.engine.data.dataset import Cases, TwoTowerDataset


class ImplicitALS:
    package = AlternatingLeastSquares
    fixed = {"iterations": 20}

    def __init__(self, **settings: Any):
        self.decided = settings

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [
            {"factors": f, "alpha": a, "regularization": r} for f, a, r in product((32, 128), (2.0, 8.0), (3.0, 30.0))
        ]

    def fit(self, data: TwoTowerDataset) -> None:
        with threadpool_limits(1, "blas"):  # the package has threads of its own and asks for this
            self.model = self.package(**self.decided, **self.fixed, random_state=1)
            self.model.fit(bought_matrix(data), show_progress=False)

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        scores = self.model.user_factors[cases.users] @ self.model.item_factors.T
        return popular_for_newcomers(scores, data, cases)


class ImplicitBPR(ImplicitALS):
    package = BayesianPersonalizedRanking
    fixed = {"factors": 64, "learning_rate": 0.03}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [{"regularization": r, "iterations": i} for r, i in product((0.005, 0.02, 0.08, 0.3), (50, 300))]
