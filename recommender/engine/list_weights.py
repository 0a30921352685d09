"""How much popularity and a history count in a list: what validation says, and apart for histories that are short.

Of somebody who bought two things little is known, and what comes later may be anything: there popularity tells more
than it does beside a long history. Where validation people bought much, their histories are cut short to see that: who
bought a hundred things is known by the first three of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from recommender.engine.dataset import Cases, TwoTowerDataset
from recommender.engine.evaluation import VectorScorer, affordable, case_inputs, rank_targets, user_metrics

SHORT, LONG = 5, 20  # purchases: a history is short up to the one and long from the other on, by degrees in between
TRUSTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)  # how far the history may move a list away from profile and popularity
ENOUGH = 50  # people to choose the weights for short histories by: with fewer they would be a matter of chance
CASES = 2000  # held-out people on whom the weights for short histories are tried, at most
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

    Another trust than the trained one must be better by more than a standard error of the paired difference. For short
    histories those weights serve that serve best the people who have one, and those with a long one by its first
    purchases, where there are enough of both; the history never counts for more there than in a long one.
    """
    if len(cases) < 2:
        return ListWeights()
    held_out = HeldOut(scorer, data, cases)
    served = {weight: held_out.ndcg(weight) for weight in popularities}
    popularity = max(served, key=lambda weight: served[weight].mean())
    trained, best, trust = served[popularity], 0.0, 1.0
    for other in TRUSTS:
        gain = held_out.ndcg(popularity, other) - trained
        if gain.mean() > max(best, gain.std() / np.sqrt(len(gain))):
            best, trust = float(gain.mean()), other
    bought = cases.lengths(data)
    some = cases[(bought <= SHORT) | (bought >= LONG)]
    some = some[:: -(-len(some) // affordable(CASES, data.n_items)) or 1]
    if len(some) < ENOUGH:
        return ListWeights(popularity, trust, popularity, trust)
    long = some.lengths(data) >= LONG
    few, many = some[~long], some[long]
    cuts = [cut_short(data, many, known) for known in range(1, SHORT + 1)] if len(many) else []
    measured = [(1, HeldOut(scorer, data, cut, many.bought(data))) for cut in cuts]
    if len(few):  # they count as often, and are measured once
        measured.append((SHORT, HeldOut(scorer, data, few)))

    def of_short(weights: tuple[float, float]) -> float:
        return sum(times * float(each.ndcg(*weights).sum()) for times, each in measured)

    no_louder = [each for each in sorted(TRUSTS, reverse=True) if each <= trust]  # of equals, the first serves
    popular, trusted = max(product(sorted({popularity, 1.0}), no_louder), key=of_short)
    return ListWeights(popularity, trust, popular, trusted)


def cut_short(data: TwoTowerDataset, cases: Cases, known: int) -> Cases:
    """The same cases in the same order, of whose longer histories only the first `known` purchases are known."""
    context = data.first_row[cases.users] + known - 1
    return replace(cases, rows=context + 1, context=context)
