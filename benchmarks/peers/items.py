"""What comes next after one item: models that see the last item somebody bought and nothing else of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers import ours
from benchmarks.peers.histories import bought_matrix
from recommender.engine.bundle.neighbours import Neighbours, feature_codes
from recommender.engine.bundle.retrieval import Index
from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.inputs import Vectors
from recommender.engine.data.splits import TRAIN
from recommender.engine.training.questions import learn_questions

SHRINKAGE = 3.0  # as in recommender/serving/together.py, which needs Django


class ItemPeer:
    """Scores of all items for each item that is asked about; `of` float [questions, items]."""

    decided: dict[str, Any]

    def of(self, questions: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return self.of(data.item[cases.context])


class Popularity(ItemPeer):
    def __init__(self) -> None:
        self.decided = {}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [{}]

    def fit(self, data: TwoTowerDataset) -> None:
        self.counts = data.item_counts()

    def of(self, questions: np.ndarray) -> np.ndarray:
        return np.tile(self.counts, (len(questions), 1))


class ItemKNN(ItemPeer):
    """The cosine between the items' buyers, with `shrinkage` added below; of equals the popular first."""

    def __init__(self, shrinkage: float = 10.0):
        self.shrinkage = shrinkage
        self.decided = {"shrinkage": shrinkage}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [{"shrinkage": s} for s in (0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)]

    def fit(self, data: TwoTowerDataset) -> None:
        bought = bought_matrix(data)
        self.together, self.buyers = (bought.T @ bought).tocsr(), np.asarray(bought.sum(0)).ravel()

    def of(self, questions: np.ndarray) -> np.ndarray:
        norm = np.sqrt(self.buyers[questions][:, None] * self.buyers) + self.shrinkage
        return self.together[questions].toarray() / norm + 1e-6 * self.buyers / max(self.buyers.max(), 1)


class CoPurchase(ItemKNN):
    """What buyers of the item buy more than everybody does, by lift, as `bought_together` counts it on the site."""

    def __init__(self, least: int = 2):
        self.least = least
        self.decided = {"least": least}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [{"least": least} for least in (2, 5, 10)]

    def of(self, questions: np.ndarray) -> np.ndarray:
        shared = self.together[questions].toarray()
        shared[np.arange(len(questions)), questions] = 0
        expected = shared.sum(1, keepdims=True) * self.buyers / max(self.buyers.sum(), 1)
        lift = np.where(shared >= self.least, (shared + SHRINKAGE) / (expected + SHRINKAGE), 0)
        return lift + 1e-6 * self.buyers / max(self.buyers.max(), 1)


class TwoTowers(ItemPeer):
    """What the site and the standalone list as similar."""

    def __init__(self, **settings: Any):
        self.model = ours.TwoTowers(**settings)
        self.decided = self.model.decided

    grid = staticmethod(ours.TwoTowers.grid)

    def fit(self, data: TwoTowerDataset) -> None:
        self.model.fit(data)
        self.items: Vectors = self.model.scorer.items
        train = data.role == TRAIN
        first_row = np.searchsorted(data.user[train], np.arange(data.n_users + 1))
        self.questions = learn_questions(
            self.items.rank, self.items.trace.shape[1], first_row, data.item[train].astype(np.int64)
        )
        fields = data.tables.schema.item_categorical
        codes, _ = feature_codes({name: data.tables.items[name].tolist() for name in fields}, fields, data.n_items)
        parts = data.encoders.content.shared_parts
        self.neighbours = Neighbours(self, self.items, codes, data.item_content, parts)
        self.index = Index(self.items.rank)

    def of(self, questions: np.ndarray) -> np.ndarray:
        scores = np.full((len(questions), len(self.items)), -np.inf, np.float32)
        everything = np.ones(len(self.items), dtype=bool)
        for row, question in enumerate(questions):
            found, best = self.neighbours.nearest(int(question), self.index, len(self.items), everything)
            scores[row, found] = best
        return scores


class ItemVectors(TwoTowers):
    """The cosine between the items' own vectors, without popularity: what was listed until there were questions."""

    def of(self, questions: np.ndarray) -> np.ndarray:
        taste = self.items.rank[:, : self.items.trace.shape[1]]
        taste = taste / (np.linalg.norm(taste, axis=1, keepdims=True) + 1e-12)
        return taste[questions] @ taste.T
