"""Models of ratings of the surprise package (scikit-surprise): biases, SVD, SVD++."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from surprise import SVD as FunkSVD
from surprise import BaselineOnly, Dataset, Reader, SVDpp

from benchmarks.peers.raters import rated_rows
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TRAIN

SCALE = 1, 5


class SVD:
    """Matrix factorisation with biases by SGD (Funk 2006), of the surprise package."""

    def __init__(self, **settings: Any):
        self.decided = settings

    @staticmethod
    def grid() -> list[dict[str, Any]]:
        sizes, ridges, epochs = (50, 150), (0.06, 0.08, 0.1, 0.12), (40, 80)
        return [
            {"n_factors": f, "reg_all": r, "n_epochs": e, "lr_all": 0.01} for f, r, e in product(sizes, ridges, epochs)
        ]

    def make(self) -> Any:
        return FunkSVD(random_state=1, **self.decided)

    def fit(self, data: TwoTowerDataset) -> None:
        rows = rated_rows(data, TRAIN)
        triples = zip(data.user[rows].tolist(), data.item[rows].tolist(), data.rating[rows].tolist(), strict=True)
        known = Dataset(Reader(rating_scale=SCALE)).construct_trainset([(*t, None) for t in triples])
        self.model = self.make().fit(known)

    def predict(self, data: TwoTowerDataset, role: int) -> np.ndarray:
        rows = rated_rows(data, role)
        pairs = zip(data.user[rows].tolist(), data.item[rows].tolist(), strict=True)
        return np.array([self.model.predict(user, item).est for user, item in pairs])


class Bias(SVD):
    """Mean, bias of the user and bias of the item, shrunk."""

    @staticmethod
    def grid() -> list[dict[str, Any]]:
        return [{"reg_u": u, "reg_i": i} for u, i in product((1, 3, 6, 12), (1, 3, 6, 12))]

    def make(self) -> Any:
        return BaselineOnly(bsl_options={"method": "als", "n_epochs": 20, **self.decided}, verbose=False)


class SVDPlusPlus(SVD):
    """SVD++ (Koren 2008), of the surprise package. A fit takes minutes."""

    @staticmethod
    def grid() -> list[dict[str, Any]]:
        return [{"n_factors": 20, "reg_all": r, "n_epochs": 40, "lr_all": 0.007} for r in (0.04, 0.08)]

    def make(self) -> Any:
        return SVDpp(random_state=1, cache_ratings=True, **self.decided)
