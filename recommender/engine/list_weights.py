"""How much popularity and a history count in a list: what validation says, and apart for histories that are short.

Of somebody who bought two things little is known, and what comes later may be anything: there popularity tells more
than it does beside a long history. Where validation people bought much, their histories are cut short to see that: who
bought a hundred things is known by the first three of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from recommender.engine.dataset import Cases, TwoTowerDataset
from recommender.engine.evaluation import VectorScorer, case_inputs, rank_targets, user_metrics

SHORT, LONG = 5, 20  # purchases: a history is short up to the one and long from the other on, by degrees in between
TRUSTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)  # how far the history may move a list away from profile and popularity
CASES, SCORES = 2000, 60_000_000  # at most, each time that weights for short histories are tried
POPULARITIES = (0.0, 0.1, 0.25, 0.5, 1.0)  # weights of popularity beside a history


@dataclass(frozen=True)
class ListWeights:
    """Of popularity and of the history, in the lists of people with long histories and with short ones."""

    popularity: float = 1.0
    trust: float = 1.0
    short_popularity: float = 1.0
    short_trust: float = 1.0


class HeldOut:
    """Validation cases with everybody's vectors, found once, measured under several weights of their parts.

    hidden : item rows that no list of the case may hold, one array each, beside what is known to be bought.
    """

    def __init__(
        self, scorer: VectorScorer, data: TwoTowerDataset, cases: Cases, hidden: Sequence[np.ndarray] | None = None
    ):
        self.data, self.cases, self.items, self.hidden = data, cases, scorer.items.rank, hidden
        self.width = scorer.items.trace.shape[1]
        parts = np.array_split(np.arange(len(cases)), len(cases) // 512 + 1)
        inputs = (case_inputs(data, cases[part], scorer.max_history) for part in parts if len(part))
        self.people = np.concatenate([scorer.users(i).rank for i in inputs])
        self.weighed = self.people

    def ndcg(self, popularity: float, trust: float = 1.0) -> np.ndarray:
        """NDCG@10 [cases]."""
        self.weighed = self.people.copy()
        self.weighed[self.cases.lengths(self.data) > 0, -1] = popularity
        self.weighed[:, : self.width] *= trust
        return user_metrics(rank_targets(self, self.data, self.cases))["ndcg_10"]

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        places = np.searchsorted(self.cases.rows, cases.rows)
        scores = self.weighed[places] @ self.items.T
        if self.hidden is not None:
            for row, place in enumerate(places):
                scores[row, self.hidden[place]] = -np.inf
        return scores


def choose_weights(
    scorer: VectorScorer, data: TwoTowerDataset, cases: Cases, popularities: Sequence[float] = POPULARITIES
) -> ListWeights:
    """What serves validation best; the trained weights where there is next to nothing to go by.

    Another trust than the trained one must be better by more than a standard error of the paired difference, and so
    must other weights for short histories than for long ones. Those are chosen on the people who have one, and on those
    with a long one by its first purchases.
    """
    if len(cases) < 2:
        return ListWeights()
    held_out = HeldOut(scorer, data, cases)
    popularity = max(popularities, key=lambda weight: held_out.ndcg(weight).mean())
    _, trust = _better(held_out.ndcg, (popularity, 1.0), [(popularity, trust) for trust in TRUSTS])
    bought = cases.lengths(data)
    some = cases[(bought <= SHORT) | (bought >= LONG)]
    some = some[:: -(-len(some) // max(min(CASES, SCORES // data.n_items), 1)) or 1]
    if len(some) < 2:
        return ListWeights(popularity, trust, popularity, trust)
    cuts = [HeldOut(scorer, data, cut_short(data, some, known), some.bought(data)) for known in range(1, SHORT + 1)]

    def of_short(popularity: float, trust: float) -> np.ndarray:
        return np.mean([cut.ndcg(popularity, trust) for cut in cuts], axis=0)

    candidates = list(product(sorted({popularity, 1.0}), TRUSTS))
    popular, trusted = _better(of_short, (popularity, trust), candidates)
    return ListWeights(popularity, trust, popular, trusted)


def cut_short(data: TwoTowerDataset, cases: Cases, known: int) -> Cases:
    """The same cases in the same order; of a long history only the first `known` purchases are known."""
    long = cases.lengths(data) >= LONG
    context = np.where(long, data.first_row[cases.users] + known - 1, cases.context)
    return replace(cases, rows=np.where(long, context + 1, cases.rows), context=context)


def _better(
    ndcg: Callable[[float, float], np.ndarray], present: tuple[float, float], others: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """The best of `others`, popularity and trust, by more than a standard error; the present ones if none is."""
    before = ndcg(*present)
    gains = {weights: ndcg(*weights) - before for weights in others}
    proven = [weights for weights, gain in gains.items() if gain.mean() > gain.std() / np.sqrt(len(gain))]
    return max(proven, key=lambda weights: float(gains[weights].mean()), default=present)
