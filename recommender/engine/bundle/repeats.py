"""What somebody bought before: how likely each of it is in their next basket, and whether it is due.

A logistic regression (model/repeats.py learns it) on how often and how lately a person bought an item, and on what is
known of the item. Validation and serving both read it here. No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recommender.engine.bundle.neighbours import Search

REPEATS = "repeats.npz"  # its file, beside the item vectors
DUE_FROM = 0.5  # of the usual time between two purchases
ITEM_SAYS = 2.0  # intervals of the person's own that the item's own counts as much as

History = tuple[np.ndarray, np.ndarray]  # rows of items int64 [n], and times float64 [n], oldest first


@dataclass(frozen=True)
class BoughtBefore:
    """The items that one person bought, each once.

    rows : int64 [k].   counts : float64 [k, 4], logarithms: baskets that held it, 1 + baskets since the last of them,
    1 + baskets since the first, and all baskets.   last : float64 [k], when it was bought last.
    interval : float64 [k], mean seconds between two purchases of it, nan where there is one.
    """

    rows: np.ndarray
    counts: np.ndarray
    last: np.ndarray
    interval: np.ndarray

    @classmethod
    def of(cls, history: History) -> BoughtBefore:
        items, times = history
        basket = np.cumsum(np.diff(times, prepend=times[:1]) != 0)  # what was bought at one moment
        rows, inverse = np.unique(items, return_inverse=True)
        times_bought = np.bincount(inverse, minlength=len(rows))
        first, last = np.full(len(rows), len(items)), np.zeros(len(rows), np.int64)  # places in the history
        np.minimum.at(first, inverse, np.arange(len(items)))
        np.maximum.at(last, inverse, np.arange(len(items)))
        baskets = basket[-1] + 1 if len(basket) else 0
        counts = np.log(
            np.column_stack(
                [times_bought, baskets - basket[last], baskets - basket[first], np.full(len(rows), baskets)]
            ).astype(np.float64)
        )
        interval = np.where(times_bought > 1, times[last] - times[first], np.nan) / (times_bought - 1).clip(min=1)
        return cls(rows, counts, times[last], interval)


@dataclass(frozen=True)
class Repeats:
    """weights : float64 [4], of `BoughtBefore.counts`.   items : float64 [items + 1], what is added for each item; the
    last for one that training did not see.   interval : float64 [items + 1], seconds from one purchase of an item to
    the next by the same person, the geometric mean.
    lift : by how much the logarithm of a likelihood of one lies above the best score of the two towers.
    """

    weights: np.ndarray
    items: np.ndarray
    interval: np.ndarray
    lift: float = 0.0

    @classmethod
    def open(cls, path: Path) -> Repeats | None:
        """None where the model has none: nobody buys anything twice, or an earlier version wrote it."""
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as saved:
            return cls(saved["weights"], saved["items"], saved["interval"], float(saved["lift"]))

    def save(self, path: Path) -> None:
        np.savez(path, weights=self.weights, items=self.items, interval=self.interval, lift=self.lift)

    def of_items(self, rows: np.ndarray) -> Repeats:
        """The same with other items: those in `rows`, int64 [n], -1 for one that training did not see."""
        rows = np.append(rows, -1)
        return replace(self, items=self.items[rows], interval=self.interval[rows])

    def likelihood(self, bought: BoughtBefore, when: float | None = None) -> np.ndarray:
        """float64 [k]: the logarithm of how likely each item is in the next basket.   when : Unix seconds, of that
        basket; what is known of items is of the end of the purchases that were learned from, unless a subclass knows.
        """
        return -np.logaddexp(0, -(bought.counts @ self.weights + self.said_of(bought.rows, when)))

    def said_of(self, rows: np.ndarray, when: float | None = None) -> np.ndarray:
        """float64 [k]: what is added for each item."""
        return self.items[self._places(rows)]

    def due(self, bought: BoughtBefore, now: float) -> np.ndarray:
        """bool [k]: whether at least half of the usual time since its last purchase has passed. now : Unix seconds.

        Usual is what is so for the item; the more often the person bought it, the more what is so for them.
        """
        own = (np.exp(bought.counts[:, 0]) - 1) * (bought.interval > 0)
        of_item = np.log(self.interval[self._places(bought.rows)])
        of_person = np.log(np.where(bought.interval > 0, bought.interval, 1.0))
        usual = np.exp((ITEM_SAYS * of_item + own * of_person) / (ITEM_SAYS + own))
        return now - bought.last >= DUE_FROM * usual

    def beside(self, best: float, bought: BoughtBefore, when: float | None = None) -> np.ndarray:
        """float64 [k]: the scores of what was bought before, beside those of the towers.   best : the highest of these.
        when : as for `likelihood`."""
        return best + self.lift + self.likelihood(bought, when)

    def top_k(
        self, index: Search, users: np.ndarray, k: int, mask: np.ndarray, histories: Sequence[History]
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `Index.top_k`: the k items that each person is likeliest to buy next, bought before or not."""
        (_, best), bought = index.top_k(users, 1), [BoughtBefore.of(history) for history in histories]
        rows, scores = index.top_k(users, k, mask=mask, exclude=[of_one.rows for of_one in bought])
        for person, of_one in enumerate(bought):
            if not len(of_one.rows):
                continue
            allowed = mask[of_one.rows]
            all_rows = np.concatenate([of_one.rows[allowed], rows[person]])
            own = self.beside(best[person, 0], of_one)[allowed].astype(np.float32)
            all_scores = np.concatenate([own, scores[person]])
            order = np.lexsort((all_rows, -all_scores))[:k]
            rows[person], scores[person] = all_rows[order], all_scores[order]
        return rows, scores

    def buy_again(
        self, k: int, mask: np.ndarray, histories: Sequence[History], now: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `Index.top_k`, of what each person bought before and is due; scores are the logarithms of likelihoods."""
        rows, scores = np.full((len(histories), k), -1), np.full((len(histories), k), -np.inf, np.float32)
        for person, history in enumerate(histories):
            bought = BoughtBefore.of(history)
            likelihood = np.where(self.due(bought, now) & mask[bought.rows], self.likelihood(bought), -np.inf)
            order = np.lexsort((bought.rows, -likelihood))[:k]
            order = order[likelihood[order] > -np.inf]
            rows[person, : len(order)], scores[person, : len(order)] = bought.rows[order], likelihood[order]
        return rows, scores

    def _places(self, rows: np.ndarray) -> np.ndarray:
        return np.minimum(rows, len(self.items) - 1)
