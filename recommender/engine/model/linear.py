"""The linear path in closed form: every purchase votes for other items, a recent one louder, and the votes are summed.

The votes are those of a linear item-item autoencoder (EASE; Steck, "Embarrassingly shallow autoencoders for sparse
data", WWW 2019): B = I - P diag(1 / diag P), P = (M'M + ridge I)^-1, where M [users, items] holds who bought what. Of
rank d it is a dot product of two towers:

    B ~ history @ items.T     history float32 [items, d], items float32 [items, d]

In a small catalog B is computed and reduced by the regression that weighs it by users (`items` are the top right
singular vectors of M B). In a large one no matrix of items by items is formed: with the truncated SVD M ~ U S V',
P = (I - V diag(s2 / (s2 + ridge)) V') / ridge, and off its diagonal, which only concerns items already bought,
B = (V diag(s2 / (s2 + ridge)) / ridge) @ (V / diag P)'.

A least-squares vote grows with the sales of the item. Votes for an item of n buyers can be multiplied by n^-discount,
as in the asymmetric cosine (Aiolli, "Efficient top-N recommendation for very large scale binary rated datasets", RecSys
2013).

These votes know no order. Beside them count transitions: how often the one item was bought one to five moments after
the other (as in sequential rules; Ludewig & Jannach, "Evaluation of session-based recommendation algorithms", UMUAI
2018). The sum of both is reduced to one rank, once, by the same regression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.decomposition import top_vectors
from recommender.engine.data.splits import TRAIN

EXACT_UP_TO = 6000  # items; an inverse of that size takes a few seconds
STEPS = 5  # moments between two purchases that are a transition, at most
FROM, TO = 0.7, 0.3  # powers of the buyers of both items by which transitions are divided
PAIRS = 50_000_000  # of purchases, at most; of more a sample
REDUCING_STEPS = 2  # power steps in which votes are reduced to a rank; with four lists were no better
SAMPLED_USERS = 1000  # whose votes and transitions are compared


@dataclass(frozen=True)
class LinearSettings:
    """An item's score is scale * (votes for it) + popularity * (log share of purchases). Chosen in choosing.py.

    rank : of the votes.   ridge : shrinks them.   recency : a purchase k moments back counts (1 + k)^-recency.
    transitions : what they count beside the votes, as a multiple of the size of these.
    half_life : of a purchase in the popularity, as a share of the time that the data spans; 0: purchases never fade.
    discount : votes for an item of n buyers count n^-discount.
    """

    rank: int = 128
    ridge: float = 300.0
    recency: float = 0.0
    scale: float = 12.0
    popularity: float = 0.3
    half_life: float = 0.0
    discount: float = 0.0
    transitions: float = 0.0


Votes = tuple[np.ndarray, np.ndarray]  # history, items; their first r columns are the votes of rank r


@dataclass(frozen=True)
class LinearPath:
    """history, items : float32 [items, rank], the vote of item i for item j is scale * history[i] . items[j].
    popular : float32 [items], the log share of purchases; a list counts it `settings.popularity` times."""

    history: np.ndarray
    items: np.ndarray
    scale: float
    popular: np.ndarray
    settings: LinearSettings

    @classmethod
    def fit(cls, data: TwoTowerDataset, dim: int, settings: LinearSettings, votes: Votes | None = None) -> LinearPath:
        """From the TRAIN purchases. dim : vectors get the length that random ones of this width would have, so that a
        step of training changes both by about the same share.   votes : those of the settings, where at hand."""
        if votes is None:
            full, m = vote_solver(data, settings.rank)(settings.ridge), bought_items(data)
            if settings.transitions:
                full = full.beside(transitions(data), settings.transitions, m)
            votes = discounted(full.reduced(m, settings.rank), data.item_counts(), settings.discount)
        history, items = votes
        pad = ((0, 0), (0, settings.rank - history.shape[1]))
        items_size, history_size = (float(np.sqrt((v**2).mean() * dim)) or 1.0 for v in (items, history))
        return cls(
            np.pad(history / history_size, pad),
            np.pad(items / items_size, pad),
            settings.scale * items_size * history_size,
            log_share(data, settings.half_life),
            settings,
        )


def log_share(data: TwoTowerDataset, half_life: float) -> np.ndarray:
    """float32 [items]: log share of the buyers of all items, its mean 0; an item never bought counts half a buyer.

    A buyer counts once for each item, with the latest TRAIN purchase of it.
    """
    counted = data.counted
    time = data.time[counted]
    span = max(float(time.max() - time.min()), 1.0)
    weight = np.ones(len(time)) if half_life == 0 else 0.5 ** ((time.max() - time) / (half_life * span))
    counts = np.bincount(data.item[counted], weight / weight.mean(), minlength=data.n_items)
    share = np.log((counts + 0.5) / (counts + 0.5).sum())
    return (share - share.mean()).astype(np.float32)


def history_weights(data: TwoTowerDataset, cases: Cases, recency: float) -> sparse.csr_matrix:
    """float32 [cases, items]: what each purchase of each user counts; bought k moments back, (1 + k)^-recency."""
    lengths = cases.lengths(data)
    case = np.repeat(np.arange(len(cases)), lengths)
    back = np.arange(len(case)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = cases.context[case] - back
    weights = (1.0 + data.moment[cases.context[case]] - data.moment[rows]) ** -recency
    return sparse.csr_matrix((weights.astype(np.float32), (case, data.item[rows])), (len(cases), data.n_items))


def summed_votes(data: TwoTowerDataset, cases: Cases, history: np.ndarray, recency: float) -> np.ndarray:
    """float32 [cases, rank]: the votes of everything that each user bought."""
    return history_weights(data, cases, recency) @ history


@dataclass(frozen=True)
class FullVotes:
    """The votes before they are reduced to one rank: `linear`, and `share` times `follows`.

    linear : float32 [items, items], in a large catalog its two factors.   follows : float32 [items, items].
    """

    linear: np.ndarray | Votes
    follows: sparse.csr_matrix | None = None
    share: float = 0.0

    def linear_of(self, weights: sparse.csr_matrix) -> np.ndarray:
        """float32 [users, items]: the linear votes of what each bought. weights : float32 [users, items]."""
        if isinstance(self.linear, tuple):
            return (weights @ self.linear[0]) @ self.linear[1].T
        return weights @ self.linear

    def beside(self, follows: sparse.csr_matrix, weight: float, m: sparse.csr_matrix) -> FullVotes:
        """The same and transitions, which count `weight` times their size. m : bought_items, by which both are
        compared."""
        if weight == 0:
            return self
        return replace(self, follows=follows, share=weight * self._size_against(follows, m))

    def _size_against(self, follows: sparse.csr_matrix, m: sparse.csr_matrix) -> float:
        """How large the linear votes of some users are, as a multiple of their transitions; 0 where there are none."""
        some = m[np.linspace(0, m.shape[0] - 1, min(m.shape[0], SAMPLED_USERS)).astype(np.int64)]
        size = float(((some @ follows).data ** 2).sum())
        if not size:
            return 0.0
        if isinstance(self.linear, tuple):
            left, right = self.linear
            of_users = some @ left
            return float(np.sqrt(((of_users @ (right.T @ right)) * of_users).sum() / size))
        return float(np.sqrt((self.linear_of(some) ** 2).sum() / size))

    def reduced(self, m: sparse.csr_matrix, rank: int) -> Votes:
        """The votes of that rank, by the regression that weighs them by users. m : bought_items."""
        if isinstance(self.linear, tuple) and self.follows is None:
            return cut(self.linear, rank)
        times, back = self._times()
        rank = min(rank, *m.shape)
        items = top_vectors(lambda block: back(m.T @ (m @ times(block))), m.shape[1], rank, REDUCING_STEPS)
        items = items.astype(np.float32)
        return times(items), items

    def _times(self) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
        """block -> votes @ block, and block -> votes.T @ block."""
        if isinstance(self.linear, tuple):
            left, right, share = *self.linear, self.share
            follows: Any = self.follows  # without transitions there is nothing to reduce
            return (
                lambda block: left @ (right.T @ block) + share * (follows @ block),
                lambda block: right @ (left.T @ block) + share * (follows.T @ block),
            )
        votes = self.linear
        if self.follows is not None:  # one dense product costs less than it and a sparse one
            votes = self.share * self.follows.toarray()
            votes += self.linear
        return lambda block: votes @ block, lambda block: votes.T @ block


def cut(votes: Votes, rank: int) -> Votes:
    return votes[0][:, :rank], votes[1][:, :rank]


def discounted(votes: Votes, buyers: np.ndarray, discount: float) -> Votes:
    """buyers : float64 [items]; an item that nobody bought counts as one that one user did."""
    if discount == 0:
        return votes
    return votes[0], votes[1] * (np.maximum(buyers, 1.0) ** -discount).astype(np.float32)[:, None]


def vote_solver(data: TwoTowerDataset, rank: int) -> Callable[[float], FullVotes]:
    """ridge -> the votes from the TRAIN purchases; what does not depend on the ridge is computed once. rank : of the
    factors, where they are not exact."""
    m = bought_items(data)
    return exact_votes(m) if is_exact(data) else factored_votes(m, rank)


def bought_items(data: TwoTowerDataset) -> sparse.csr_matrix:
    """float32 [users, items], M."""
    counted = data.counted
    # Of a user who bought very many items each counts for less: M'M sums over users.
    share = np.sqrt(data.user_weight[data.user[counted]]).astype(np.float32)
    return sparse.csr_matrix((share, (data.user[counted], data.item[counted])), (data.n_users, data.n_items))


def is_exact(data: TwoTowerDataset) -> bool:
    return data.n_items <= EXACT_UP_TO


def exact_votes(m: sparse.csr_matrix) -> Callable[[float], FullVotes]:
    n = m.shape[1]
    gram = (m.T @ m).toarray().astype(np.float64)

    def solve(ridge: float) -> FullVotes:
        shrunk = gram.copy()
        shrunk.flat[:: n + 1] += ridge
        # A symmetric matrix reads the same in Fortran's order, in which LAPACK works in place.
        factor, _ = lapack.dpotrf(shrunk.T, lower=True, overwrite_a=True)
        inverse, _ = lapack.dpotri(factor, lower=True, overwrite_c=True)
        diagonal = np.diag(inverse).copy()
        votes = np.tril(inverse, -1).astype(np.float32)
        votes += votes.T
        votes /= -diagonal.astype(np.float32)
        return FullVotes(votes)

    return solve


def factored_votes(m: sparse.csr_matrix, rank: int) -> Callable[[float], FullVotes]:
    vectors = top_vectors(lambda block: m.T @ (m @ block), m.shape[1], min(rank, *m.shape))
    values = ((m @ vectors) ** 2).sum(0)

    def solve(ridge: float) -> FullVotes:
        shrunk = values / (values + ridge)
        diagonal = (1 - (vectors**2 * shrunk).sum(1)) / ridge
        left, right = vectors * (shrunk / ridge), vectors / diagonal[:, None]
        return FullVotes((left.astype(np.float32), right.astype(np.float32)))

    return solve


def transitions(data: TwoTowerDataset) -> sparse.csr_matrix:
    """float32 [items, items]: how often TRAIN users bought the second up to `STEPS` moments after the first.

    k moments later counts 1 / k, each of n items of a basket 1 / n; the sum is divided by powers of both items' buyers.
    What a user had bought before counts only as the first of the two: no list shows it to them.
    """
    learned = data.role == TRAIN
    new = learned & ~data.repeat
    moments = int(data.moment[-1]) + 1
    owner = np.full(moments, -1)
    owner[data.moment[learned]] = data.user[learned]
    shape = (moments, data.n_items)
    before, after = (
        sparse.csr_matrix((np.ones(rows.sum(), np.float32), (data.moment[rows], data.item[rows])), shape)
        for rows in (learned, new)
    )
    n_before, n_after = (np.diff(of_moment.indptr) for of_moment in (before, after))
    gap = np.repeat(np.arange(1, STEPS + 1), moments)
    first = np.tile(np.arange(moments), STEPS)
    there = first + gap < moments
    first, gap = first[there], gap[there]
    same = (owner[first] >= 0) & (owner[first] == owner[first + gap]) & (n_after[first + gap] > 0)
    first, gap = first[same], gap[same]
    pairs = int((n_before[first] * n_after[first + gap]).sum())
    if pairs > PAIRS:
        drawn = np.random.default_rng(0).random(len(first)) < PAIRS / pairs
        first, gap = first[drawn], gap[drawn]
    weight = data.user_weight[owner[first]] / gap / n_before[first]
    total = before[first].T @ sparse.diags(weight.astype(np.float32)) @ after[first + gap]
    total.setdiag(0)
    total.eliminate_zeros()
    buyers = np.maximum(data.item_counts(), 1.0).astype(np.float32)
    return (sparse.diags(buyers**-FROM) @ total @ sparse.diags(buyers**-TO)).tocsr()
