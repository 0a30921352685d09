"""Models of the next basket: what a person takes next, bought before or not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.peers import ours
from benchmarks.peers.histories import popular_for_newcomers
from benchmarks.peers.popularity import Popularity
from recommender.engine.bundle.repeats import Repeats
from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.splits import TRAIN
from recommender.engine.evaluation import next_baskets
from recommender.engine.evaluation.next_baskets import NextBaskets
from recommender.engine.model.repeats import fit_repeats
from recommender.engine.training.choosing import choose_repeats

AT_ONCE = 256  # people whose distances to all others are in memory


class PersonalFrequency(Popularity):
    """Items by how often the person bought them; of items bought as often, and of all others, the popular first."""

    def fit(self, data: TwoTowerDataset) -> None:
        self.model = next_baskets.PersonalFrequency(data)


class TIFUKNN:
    """Temporal item frequency with user-based kNN (Hu, He, Gao & Zhang, SIGIR 2020, arXiv:2006.00556).

    A person is the mean of their baskets, decaying within groups of `group` baskets and over the groups; their next
    basket is that, mixed with the mean of the `neighbours` nearest people. Settings: the four that the paper found on
    its data sets, and four about them.
    """

    def __init__(
        self, group: int = 7, within: float = 0.9, over: float = 0.7, own: float = 0.7, neighbours: int = 300
    ) -> None:
        self.decided = {"group": group, "within": within, "over": over, "own": own, "neighbours": neighbours}
        self.group, self.within, self.over, self.own, self.neighbours = group, within, over, own, neighbours

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [
            {"group": 7, "within": 0.9, "over": 0.7, "own": 0.7, "neighbours": 300},  # Ta-Feng
            {"group": 3, "within": 0.9, "over": 0.6, "own": 0.2, "neighbours": 900},  # Dunnhumby
            {"group": 3, "within": 0.9, "over": 0.7, "own": 0.9, "neighbours": 900},  # Instacart
            {"group": 7, "within": 1.0, "over": 0.6, "own": 0.7, "neighbours": 300},  # Valued Shopper
            {"group": 7, "within": 0.9, "over": 0.7, "own": 0.7, "neighbours": 100},
            {"group": 7, "within": 1.0, "over": 0.9, "own": 0.7, "neighbours": 300},
            {"group": 7, "within": 1.0, "over": 0.9, "own": 0.5, "neighbours": 100},
            {"group": 7, "within": 1.0, "over": 0.9, "own": 0.9, "neighbours": 300},
        ]

    def fit(self, data: TwoTowerDataset) -> None:
        self.users = np.unique(data.user[data.role == TRAIN])
        known = np.searchsorted(data.user[data.role == TRAIN], self.users, side="right")
        last = np.flatnonzero(data.role == TRAIN)[known - 1]
        self.people = self._vectors(data, self.users, last)

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        """The nearest by Euclidean distance, the person themselves left out."""
        own = self._vectors(data, cases.users, cases.context)
        length = _squared_length(self.people)
        k = min(self.neighbours, self.people.shape[0] - 1)
        scores = np.zeros(own.shape)
        popular = data.item_counts()
        tie_break = 1e-9 * popular / max(popular.max(), 1)  # among what neither they nor the nearest bought
        for start in range(0, len(cases), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            some = own[part]
            distance = length - 2 * (some @ self.people.T).toarray() + _squared_length(some)[:, None]
            distance[self.users == cases.users[part, None]] = np.inf
            nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
            means = [np.asarray(self.people[rows].mean(0)).ravel() for rows in nearest]
            scores[part] = self.own * some.toarray() + (1 - self.own) * np.stack(means) + tie_break
        return popular_for_newcomers(scores, data, cases)

    def _vectors(self, data: TwoTowerDataset, users: np.ndarray, last: np.ndarray) -> sparse.csr_matrix:
        """float64 [users, items] of people after the purchase in row `last`."""
        moment, weights, items, count = data.moment, [], [], []
        for a, b in zip(data.first_row[users], last + 1, strict=True):
            basket = moment[a:b] - moment[a] if b > a else np.zeros(0, np.int64)
            age = basket[-1] - basket if b > a else basket  # 0: the last one; the first group may be short
            groups = age.max(initial=0) // self.group + 1
            size = np.where(age // self.group < groups - 1, self.group, age.max(initial=0) % self.group + 1)
            weights.append(self.within ** (age % self.group) / size * self.over ** (age // self.group) / groups)
            items.append(data.item[a:b])
            count.append(b - a)
        where = np.concatenate(items), np.append(0, np.cumsum(count))
        return sparse.csr_matrix((np.concatenate(weights), *where), (len(users), data.n_items))


def _squared_length(vectors: sparse.csr_matrix) -> np.ndarray:
    return np.asarray(vectors.multiply(vectors).sum(1)).ravel()


class TwoTowers(ours.TwoTowers):
    """Ours, with what was bought before where validation puts it."""

    def __init__(self, lift: float | None = None, **settings: Any):
        super().__init__(**settings)
        self.decided["lift"] = lift

    def fit(self, data: TwoTowerDataset) -> None:
        super().fit(data)
        if self.like is None:
            repeats: Repeats | None = choose_repeats(self.scorer, data)
            self.decided["lift"] = None if repeats is None else repeats.lift
        else:
            repeats, lift = fit_repeats(data), self.decided["lift"]
            repeats = None if lift is None or repeats is None else replace(repeats, lift=lift)
        self.model = NextBaskets(self.scorer, repeats)

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return self.model.scores(data, cases)
