"""Full-ranking metrics of any model that turns people and items into vectors, or into scores. No torch.

A case is a person at a moment; every item not yet bought is ranked; ties count against the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.inputs import UserInputs, Vectors

TOP = 10
METRICS = ("ndcg_10", "hr_10", "recall_20", "mrr")
SCORES = 60_000_000  # at most, each time that a setting is tried on held-out people
AT_ONCE = 16_000_000  # scores in memory, at most


class VectorScorer(Protocol):
    """What evaluation asks of a two-tower model."""

    @property
    def items(self) -> Vectors: ...

    @property
    def max_history(self) -> int: ...

    def users(self, inputs: UserInputs) -> Vectors: ...


@runtime_checkable
class CaseScorer(Protocol):
    """What evaluation asks of any other model: scores float [cases, items]."""

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray: ...


Scorer = VectorScorer | CaseScorer


def affordable(people: int, n_items: int) -> int:
    """So many people at most, fewer where the catalog is large, on whom one setting after the other is tried."""
    return max(min(people, SCORES // n_items), 1)


def case_inputs(data: TwoTowerDataset, cases: Cases, max_history: int, profile_only: bool = False) -> UserInputs:
    """What the user tower may know of each case: the profile before its moment and the purchases up to its context.

    profile_only : hide the history, and what the profile takes from it, as if the person had registered a minute ago.
    """
    if profile_only:
        nothing = [(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.float32))] * len(cases)
        ids, numbers = data.bare_ids[cases.users], data.bare_numbers[cases.users]
        return UserInputs.of(nothing, np.zeros(len(cases)), ids, numbers, max_history)
    first = data.first_row[cases.users]
    histories = []
    for a, b in zip(np.maximum(first, cases.context - max_history), cases.context + 1, strict=True):
        histories.append((data.item[a:b].astype(np.int64), data.time[a:b], data.rating[a:b]))
    ids, numbers = data.profile_ids[cases.rows], data.profile_numbers[cases.rows]
    return UserInputs.of(histories, cases.lengths(data), ids, numbers, max_history)


def parts_by_length(data: TwoTowerDataset, cases: Cases) -> list[np.ndarray]:
    """Case numbers in parts of at most 512 (padding them costs little: histories of like length come together), fewer
    where the catalog is large."""
    order = np.argsort(cases.lengths(data), kind="stable")
    at_once = int(np.clip(AT_ONCE // max(data.n_items, 1), 1, 512))
    return np.array_split(order, -(-len(order) // at_once)) if len(order) else []


def scores_of(scorer: Scorer, data: TwoTowerDataset, cases: Cases, profile_only: bool = False) -> np.ndarray:
    """float32 [cases, items], an array of its own."""
    if isinstance(scorer, CaseScorer):
        return np.array(scorer.scores(data, cases), dtype=np.float32)
    users = scorer.users(case_inputs(data, cases, scorer.max_history, profile_only))
    return users.rank @ scorer.items.rank.T


def score_batches(
    scorer: Scorer, data: TwoTowerDataset, cases: Cases, profile_only: bool = False
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(case numbers [b], scores float32 [b, items]) with bought items at -inf, people of like history together."""
    for part in parts_by_length(data, cases):
        some = cases[part]
        scores = scores_of(scorer, data, some, profile_only)
        hide_bought(scores, data, some)
        yield part, scores


def hide_bought(scores: np.ndarray, data: TwoTowerDataset, cases: Cases) -> None:
    """Put what no list may hold at -inf in `scores` [cases, items]: what each case knows to be bought."""
    if not cases.reorders:
        lengths = cases.lengths(data)
        case = np.repeat(np.arange(len(cases)), lengths)
        back = np.arange(len(case)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        scores[case, data.item[cases.context[case] - back]] = -np.inf


def rank_targets(
    scorer: Scorer,
    data: TwoTowerDataset,
    cases: Cases,
    profile_only: bool = False,
    shown: np.ndarray | None = None,
    among: np.ndarray | None = None,
) -> list[np.ndarray]:
    """The rank (from 1) of each target of each case among all items not yet bought, the other targets included.

    shown : int64 [items], raised by one for every top ten that an item stands in (for coverage and concentration).
    among : bool [items], the only items that are ranked; the targets must be among them.
    """
    ranks: list[np.ndarray] = [np.zeros(0)] * len(cases)
    for part, scores in score_batches(scorer, data, cases, profile_only):
        if among is not None:
            scores[:, ~among] = -np.inf
        for case, found in zip(part, ranks_in(scores, [cases.targets[case] for case in part]), strict=True):
            ranks[case] = found
        if shown is not None:
            k = min(TOP, scores.shape[1])
            listed = np.argpartition(-scores, k - 1, axis=1)[:, :k].ravel()
            shown += np.bincount(listed, minlength=len(shown))
    return ranks


def ranks_of(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """int64 [t]: the rank, from 1, of each target, int [t], in `scores`, [items]. What is not a number ranks last."""
    return np.array([len(scores) - np.count_nonzero(scores < own) for own in scores[targets]], dtype=np.int64)


def ranks_in(scores: np.ndarray, targets: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The same for every row of `scores` [cases, items], targets int [t] of each."""
    if any(len(of_row) != 1 for of_row in targets):
        return [ranks_of(row, of_row) for row, of_row in zip(scores, targets, strict=True)]
    own = np.take_along_axis(scores, np.stack(targets).astype(np.int64), 1)  # [cases, 1]
    return list(scores.shape[1] - np.count_nonzero(scores < own, axis=1, keepdims=True))


def ndcg(ranks: list[np.ndarray], top: int) -> np.ndarray:
    """float64 [cases]: the gain of the first `top` places against that of the best possible list."""
    counts = np.array([len(r) for r in ranks], dtype=np.int64)
    rank = np.concatenate(ranks) if len(ranks) else np.zeros(0)
    gain = np.where(rank <= top, 1 / np.log2(rank + 1), 0)
    ideal = np.concatenate([[0], np.cumsum(1 / np.log2(np.arange(1, top + 1) + 1))])
    case = np.repeat(np.arange(len(ranks)), counts)
    return np.bincount(case, gain, minlength=len(ranks)) / ideal[np.minimum(counts, top)]


def user_metrics(ranks: list[np.ndarray]) -> dict[str, np.ndarray]:
    """float64 [cases] of each metric. With several targets: NDCG against the best possible list, recall as a share."""
    n = len(ranks)
    counts = np.array([len(r) for r in ranks], dtype=np.int64)
    case = np.repeat(np.arange(n), counts)
    rank = np.concatenate(ranks) if n else np.zeros(0)
    hits = np.bincount(case, rank <= TOP, minlength=n)
    best = np.full(n, np.inf)
    np.minimum.at(best, case, rank)
    return {
        "ndcg_10": ndcg(ranks, TOP),
        "hr_10": (hits > 0).astype(np.float64),
        "recall_20": np.bincount(case, rank <= 20, minlength=n) / np.maximum(counts, 1),
        "mrr": 1 / best,
    }


def concentration(shown: np.ndarray) -> dict[str, float]:
    """How lists share their places out among items. shown : int64 [items], how many lists each item stands in.

    coverage : the share of items that stand in any list.   top_percent : the share of all places that the one item in
    a hundred listed most takes.   gini : 0 where every item stands in as many lists, near 1 where few take all places.
    """
    n, places = len(shown), int(shown.sum())
    if places == 0:
        return {"coverage": 0.0, "top_percent": 0.0, "gini": 0.0}
    rising = np.sort(shown).astype(np.float64)
    return {
        "coverage": float((shown > 0).mean()),
        "top_percent": float(rising[-max(round(n / 100), 1) :].sum() / places),
        "gini": float(2 * (np.arange(1, n + 1) * rising).sum() / (n * places) - (n + 1) / n),
    }


def bootstrap_interval(values: np.ndarray, resamples: int, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of the mean of `values` [n] over people drawn with replacement (Efron 1979)."""
    low, high = bootstrap_intervals(values[:, None], resamples, seed, level)[0]
    return float(low), float(high)


def bootstrap_intervals(values: np.ndarray, resamples: int, seed: int = 0, level: float = 0.95) -> np.ndarray:
    """float64 [m, 2]: the same for m things measured of the same people, float [n, m], who are drawn once for all."""
    n = len(values)
    if n < 2:
        return np.tile([-np.inf, np.inf], (values.shape[1], 1)) if n == 0 else np.repeat(values.T, 2, axis=1)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    for k in range(resamples):
        means[k] = np.bincount(rng.integers(0, n, n), minlength=n) @ values / n
    tail = (1 - level) / 2
    return np.quantile(means, [tail, 1 - tail], axis=0).T


def predict_held_out_ratings(
    scorer: VectorScorer, data: TwoTowerDataset, role: int, at_most: int = 200_000
) -> tuple[np.ndarray, np.ndarray]:
    """(predicted, actual) float32 of every rated purchase of a role, each predicted from what was known before it.

    Of what is held out of one basket, nothing is known when the rest of it is predicted.
    at_most : of the purchases, evenly over all users.
    """
    before = data.first_held_out(role)
    rows = np.flatnonzero((data.role == role) & np.isfinite(data.rating))
    rows = rows[:: -(-len(rows) // at_most) or 1]
    predicted = np.zeros(len(rows), np.float32)
    for part in np.array_split(np.arange(len(rows)), len(rows) // 1024 + 1):
        if len(part) == 0:
            continue
        r, b = rows[part], before[rows[part]]
        cases = Cases(data.user[r], b, data.context[b], [data.item[[x]] for x in r])
        users = scorer.users(case_inputs(data, cases, scorer.max_history))
        logit = (users.rate * scorer.items.rate[data.item[r]]).sum(1)
        predicted[part] = 5 / (1 + np.exp(-logit))
    return predicted, data.rating[rows]
