"""How people come back to what they bought: a logistic regression on their own baskets, in closed form. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from recommender.engine.bundle.repeats import BoughtBefore, Repeats
from recommender.engine.data.dataset import TwoTowerDataset, capped_weight
from recommender.engine.data.splits import TRAIN

LATEST = 3  # baskets of each user that are asked about
PAIRS = 1_000_000  # of a basket and something bought before, of all users: 150 MB
LEAST_REPEATS = 50  # purchases of something bought before; fewer tell nothing
SHRINKAGE = 20.0  # chances to buy an item again that the mean of all items counts as
INTERVALS = 10.0  # the same of intervals
RECENT = 0.1  # of the time that the data spans
RIDGE, STEPS = 1.0, 30


@dataclass(frozen=True)
class RecentPurchases:
    """Counts the TRAIN purchases of items shortly before a moment.

    ordered : float64 [n], item x span + seconds since start, of each purchase, ascending.   start, span : seconds.
    """

    ordered: np.ndarray
    start: float
    span: float

    @classmethod
    def of(cls, data: TwoTowerDataset) -> RecentPurchases:
        train = data.role == TRAIN
        start = float(data.time[train].min())
        span = float(data.time[train].max()) - start + 2
        return cls(np.sort(data.item[train] * span + (data.time[train] - start)), start, span)

    def before(self, items: np.ndarray, when: np.ndarray) -> np.ndarray:
        """float64 [k]: within a tenth of the time that the data spans.   when : float64 [k]."""
        end = (when - self.start).clip(0, self.span - 0.5)
        begin = (end - RECENT * self.span).clip(min=0)
        of_item = items * self.span
        counts = np.searchsorted(self.ordered, of_item + end) - np.searchsorted(self.ordered, of_item + begin)
        return counts.astype(np.float64)


@dataclass(frozen=True)
class LearnedRepeats(Repeats):
    """The same while training: what is known of items at any moment. `save` keeps that of the end.

    facts : float64 [items, 2], of each item the logarithms of how often its buyers came back to it and of 1 + how many
    they are.   recent : counts its purchases of late.   of_facts : float64 [4], what these three weigh, and the level.
    """

    facts: np.ndarray = field(kw_only=True)
    recent: RecentPurchases = field(kw_only=True)
    of_facts: np.ndarray = field(kw_only=True)

    def said_of(self, rows: np.ndarray, when: float | None = None) -> np.ndarray:
        if when is None:
            return super().said_of(rows)
        of_late = np.log1p(self.recent.before(rows, np.full(len(rows), when)))
        return self.facts[rows] @ self.of_facts[:2] + of_late * self.of_facts[2] + self.of_facts[3]


def fit_repeats(data: TwoTowerDataset, seed: int = 0) -> LearnedRepeats | None:
    """Learned from the TRAIN purchases: what of all that a user had bought was in their next basket? None where hardly
    anything was ever bought again.
    """
    if (data.repeat & (data.role == TRAIN)).sum() < LEAST_REPEATS:
        return None
    first, stop = _questions(data, seed)
    known = data.first_row[data.user[first]]
    bought = [BoughtBefore.of((data.item[a:b], data.time[a:b])) for a, b in zip(known, first, strict=True)]
    taken = [np.isin(b.rows, data.item[start:end]) for b, start, end in zip(bought, first, stop, strict=True)]
    if sum(int(of_one.sum()) for of_one in taken) < LEAST_REPEATS:
        return None
    again = np.concatenate(taken).astype(np.float64)
    rows = np.concatenate([of_one.rows for of_one in bought]).astype(np.int64)
    question = first[np.repeat(np.arange(len(bought)), [len(of_one.rows) for of_one in bought])]
    mean = float(again.mean())
    came_back = np.bincount(rows, again, minlength=data.n_items) + SHRINKAGE * mean
    chances = np.bincount(rows, minlength=data.n_items) + SHRINKAGE
    buyers, recent = np.log1p(data.item_counts()), RecentPurchases.of(data)
    # What a question itself adds to the counts must not answer it.
    rate, of_late = (came_back[rows] - again) / (chances[rows] - 1), recent.before(rows, data.time[question])
    counts = np.concatenate([of_one.counts for of_one in bought])
    x = np.column_stack([counts, np.log(rate), buyers[rows], np.log1p(of_late)])
    pairs_of = np.bincount(data.user[question], minlength=data.n_users)  # people count, not rows
    weights = _logistic(x, again, capped_weight(pairs_of)[data.user[question]])
    facts, of_facts = np.column_stack([np.log(came_back / chances), buyers]), weights[4:]
    now = np.full(data.n_items, data.time[data.role == TRAIN].max() + 1)
    of_late = np.log1p(recent.before(np.arange(data.n_items), now))
    items = facts @ of_facts[:2] + of_late * of_facts[2] + of_facts[3]
    interval = _intervals(data)
    return LearnedRepeats(
        weights[:4],
        np.append(items, np.median(items)),
        np.append(interval, np.median(interval)),
        facts=facts,
        recent=recent,
        of_facts=of_facts,
    )


def _questions(data: TwoTowerDataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """First row of some TRAIN baskets of users who had bought before, and the row after each; int64."""
    first = np.unique(data.moment, return_index=True)[1]
    first = first[(data.role[first] == TRAIN) & (first > data.first_row[data.user[first]])]
    users = data.user[first]
    from_last = np.searchsorted(users, users, side="right") - np.arange(len(first))
    first = first[from_last <= LATEST]
    drawn = np.random.default_rng(seed).permutation(len(first))
    known = first[drawn] - data.first_row[data.user[first[drawn]]]
    first = np.sort(first[drawn][np.cumsum(known) <= PAIRS])
    return first, np.searchsorted(data.moment, data.moment[first], side="right")


def _intervals(data: TwoTowerDataset) -> np.ndarray:
    """float64 [items]: seconds between two purchases of an item by one user, the geometric mean, drawn to that of all
    items where there are few."""
    train = np.flatnonzero(data.role == TRAIN)
    rows = train[np.lexsort((data.time[train], data.item[train], data.user[train]))]
    again = (np.diff(data.user[rows]) == 0) & (np.diff(data.item[rows]) == 0) & (np.diff(data.time[rows]) > 0)
    items, logs = data.item[rows][1:][again], np.log(np.diff(data.time[rows])[again])
    total, n = np.bincount(items, logs, minlength=data.n_items), np.bincount(items, minlength=data.n_items)
    return np.exp((total + INTERVALS * logs.mean()) / (n + INTERVALS))


def _logistic(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The weights of a logistic regression and its level, float64 [d + 1], by Newton's method. x : [n, d].
    y : 0 or 1 [n].   weight : [n], how much each row counts."""
    mean, spread = x.mean(0), x.std(0) + 1e-9
    z = np.column_stack([(x - mean) / spread, np.ones(len(x))])
    w, ridge = np.zeros(z.shape[1]), RIDGE * np.eye(z.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-(z @ w)))
        step = np.linalg.solve((z.T * (weight * p * (1 - p))) @ z + ridge, z.T @ (weight * (y - p)) - RIDGE * w)
        w += step
        if np.abs(step).max() < 1e-6:
            break
    return np.append(w[:-1] / spread, w[-1] - (w[:-1] * mean / spread).sum())
