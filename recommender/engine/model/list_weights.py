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

from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.evaluation.metrics import (
    VectorScorer,
    affordable,
    case_inputs,
    proven,
    rank_targets,
    user_metrics,
)

SHORT, LONG = 5, 20  # purchases: a history is short up to the one and long from the other on, by degrees in between
TRUSTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)  # how far the history may move a list away from profile and popularity
ENOUGH = 50  # people to choose the weights for short histories by: with fewer they would be a matter of chance
CASES = 2000  # held-out people on whom the weights for short histories are tried, at most
# Weights of popularity beside a history, never none: of items that the history says nothing of, the popular come first.
POPULARITIES = (0.01, 0.1, 0.25, 0.5, 1.0)
VOTES = (0.25, 0.5, 1.0)  # weights of the votes within a short history's say, beside what the GRU makes of it
QUIET_TRUST, QUIET_VOTES = 0.6, 0.5  # of a short history, unless others prove better
CUTS = (1, 3, 5)  # purchases that are left known of a long history


@dataclass(frozen=True)
class ListWeights:
    """Of popularity and of the history, in the lists of people with long histories and with short ones; within a short
    history, of the votes."""

    popularity: float = 1.0
    trust: float = 1.0
    short_popularity: float = 1.0
    short_trust: float = 1.0
    short_votes: float = 1.0


class HeldOut:
    """Validation cases with everybody's vectors, found once, measured under several weights of their parts.

    hidden : item rows that no list of the case may hold, one array each, beside what is known to be bought.
    without_votes : the same model, in which what was bought does not vote.
    """

    def __init__(
        self,
        scorer: VectorScorer,
        data: TwoTowerDataset,
        cases: Cases,
        hidden: Sequence[np.ndarray] | None = None,
        without_votes: VectorScorer | None = None,
    ):
        self.data, self.cases, self.items, self.hidden = data, cases, scorer.items.rank, hidden
        self.width = scorer.items.trace.shape[1]
        parts = np.array_split(np.arange(len(cases)), len(cases) // 512 + 1)
        inputs = [case_inputs(data, cases[part], scorer.max_history) for part in parts if len(part)]
        self.people = np.concatenate([scorer.users(i).rank for i in inputs])
        self.unvoted = self.people
        if without_votes is not None:
            self.unvoted = np.concatenate([without_votes.users(i).rank for i in inputs])
        self.weighed = self.people

    @property
    def more_than_votes(self) -> bool:
        """Whether a history says anything beside its votes that can be weighed against them."""
        return self.unvoted is not self.people and bool(self.unvoted[:, : self.width].any())

    def ndcg(self, popularity: float, trust: float = 1.0, votes: float = 1.0) -> np.ndarray:
        """NDCG@10 [cases]."""
        self.weighed = self.people.copy() if votes == 1 else votes * self.people + (1 - votes) * self.unvoted
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
    scorer: VectorScorer,
    data: TwoTowerDataset,
    cases: Cases,
    popularities: Sequence[float] = POPULARITIES,
    without_votes: VectorScorer | None = None,
) -> ListWeights:
    """What serves validation best; the trained weights where there is next to nothing to go by.

    Only people with a history are asked: the weights are theirs. A history that serves them worse than popularity alone
    does has no say. Another trust than the trained one must be better by more than a standard error of the paired
    difference. Short histories get weights of their own (`_Short.choose`) where enough people have one, or a long one
    that can be known by its first purchases; the history never counts for more there than in a long one.

    without_votes : the same model, in which what was bought does not vote, where that can be weighed apart.
    """
    cases = cases[cases.lengths(data) > 0]
    if len(cases) < 2:
        return ListWeights()
    held_out = HeldOut(scorer, data, cases)
    served = {weight: held_out.ndcg(weight) for weight in sorted(popularities, reverse=True)}
    popularity = max(served, key=lambda weight: served[weight].mean())
    trained, best, trust = served[popularity], 0.0, 1.0
    for other in TRUSTS:
        gain = held_out.ndcg(popularity, other) - trained
        if gain.mean() > best and proven(gain):
            best, trust = float(gain.mean()), other
    if trust == 0 or held_out.ndcg(1.0, 0.0).mean() > trained.mean() + best:
        popularity, trust = 1.0, 0.0
    short = _Short.of(scorer, data, cases, without_votes)
    if short is None:
        return ListWeights(popularity, trust, popularity, trust)
    return ListWeights(popularity, trust, *short.choose(popularity, trust))


@dataclass(frozen=True)
class _Short:
    """Validation people with a short history, or those with a long one, known by its first purchases.

    The latter where the former are few, and fewer: where most people buy much, a short history is the beginning of a
    long one.
    known : of the same people one or more times, with other parts of a long history known.
    cut : whether it is a long history.
    """

    known: list[HeldOut]
    cut: bool

    @classmethod
    def of(
        cls, scorer: VectorScorer, data: TwoTowerDataset, cases: Cases, without_votes: VectorScorer | None
    ) -> _Short | None:
        """None where there are not enough of them."""
        bought = cases.lengths(data)
        few, many = cases[bought <= SHORT], cases[bought >= LONG]
        cut = len(few) < 2 * ENOUGH and len(many) >= len(few)
        some = many if cut else few
        some = some[:: -(-len(some) // affordable(CASES, data.n_items)) or 1]
        if len(some) < ENOUGH:
            return None
        if not cut:
            return cls([HeldOut(scorer, data, some, None, without_votes)], cut)
        cuts, hidden = [cut_short(data, some, known) for known in CUTS], some.bought(data)
        return cls([HeldOut(scorer, data, each, hidden, without_votes) for each in cuts], cut)

    def choose(self, popularity: float, trust: float) -> tuple[float, float, float]:
        """popularity, trust and votes for short histories, where those are the ones for long histories.

        Of a history that is short, what is held out is what came next, and what serves it best serves. Of one that is
        cut, it is a single purchase much later, and tells little of a list that is to be good for the next purchase and
        for all that come later. There the history speaks quietly, as served both where much was held out
        (docs/engine.md), unless other weights are better by two standard errors: they are the best of many.
        """
        trusts = [each for each in TRUSTS if each <= trust]
        votes = VOTES if any(each.more_than_votes for each in self.known) else (1.0,)
        # Of equals, the first serves: the loudest.
        settings = product(sorted({popularity, 1.0}), trusts[::-1], votes[::-1])
        tried = {each: self.ndcg(*each) for each in settings}
        best = max(tried, key=lambda each: tried[each].mean())
        quiet = (1.0, min(QUIET_TRUST, trust), QUIET_VOTES if len(votes) > 1 else 1.0)
        return best if not self.cut or proven(tried[best] - self.ndcg(*quiet), errors=2) else quiet

    def ndcg(self, popularity: float, trust: float, votes: float) -> np.ndarray:
        """NDCG@10 [people], the mean over what is known of each."""
        return np.mean([each.ndcg(popularity, trust, votes) for each in self.known], 0)


def cut_short(data: TwoTowerDataset, cases: Cases, known: int) -> Cases:
    """The same cases in the same order, of whose longer histories only the first `known` purchases are known."""
    context = data.first_row[cases.users] + known - 1
    return replace(cases, rows=context + 1, context=context)
