"""LightFM (Kula 2015) with the WARP loss, features of people and items beside their identities."""

from __future__ import annotations

import os
from itertools import product
from typing import Any

import numpy as np
from lightfm import LightFM
from scipy import sparse

from benchmarks.peers.histories import bought_matrix, popular_for_newcomers
from recommender.engine.data.dataset import Cases, TwoTowerDataset

THREADS = os.cpu_count() or 1


class LightFMWarp:
    def __init__(self, **settings: Any):
        self.decided = settings

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [
            {"no_components": c, "features": f, "epochs": e} for c, f, e in product((32, 96), (True, False), (20, 60))
        ]

    def fit(self, data: TwoTowerDataset) -> None:
        settings = dict(self.decided)
        epochs, featured = settings.pop("epochs"), settings.pop("features")
        bought = bought_matrix(data)
        self.people = _features(data.bare_ids, featured, bought.getnnz(1) > 0)
        self.items = _features(data.item_features, featured, bought.getnnz(0) > 0)
        self.model = LightFM(loss="warp", learning_schedule="adagrad", random_state=1, **settings)
        self.model.fit(
            bought.tocoo(),
            user_features=self.people,
            item_features=self.items,
            epochs=epochs,
            num_threads=2,
        )

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        _, people = self.model.get_user_representations(self.people)
        bias, items = self.model.get_item_representations(self.items)
        scores = people[cases.users] @ items.T + bias
        return scores if self.decided["features"] else popular_for_newcomers(scores, data, cases)


def _features(ids: np.ndarray, featured: bool, met: np.ndarray) -> sparse.csr_matrix:
    """float32 [rows, rows + feature values]: its identity and, where wanted, its feature values, summing to 1. Of whom
    training never met the identity would be noise: the feature values stand alone, where there are any."""
    alone = featured and ids.shape[1] > 0
    blocks = [sparse.diags((met | (not alone)).astype(np.float32), format="csr")]
    for column in ids.T if featured else ():
        ones = np.ones(len(ids), np.float32)
        blocks.append(sparse.csr_matrix((ones, (np.arange(len(ids)), column))))
    joined = sparse.hstack(blocks, format="csr", dtype=np.float32)
    return (joined / joined.sum(1)).tocsr().astype(np.float32) if len(blocks) > 1 else joined
