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

These votes know no order. Beside them count transitions: how often the one item was bought one to three moments after
the other (as in sequential rules; Ludewig & Jannach, "Evaluation of session-based recommendation algorithms", UMUAI
2018). The sum of both is reduced to one rank, by the same regression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
            votes = vote_solver(data, settings.rank)(settings.ridge)
            if settings.transitions:
                votes = transition_adder(data)(votes, settings.transitions, settings.rank)
            votes = discounted(votes, data.item_counts(), settings.discount)
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


def summed_votes(data: TwoTowerDataset, cases: Cases, history: np.ndarray, recency: float) -> np.ndarray:
    """float32 [cases, rank]: the votes of everything that each user bought."""
    lengths = cases.lengths(data)
    case = np.repeat(np.arange(len(cases)), lengths)
    back = np.arange(len(case)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = cases.context[case] - back
    weights = (1.0 + data.moment[cases.context[case]] - data.moment[rows]) ** -recency
    shape = (len(cases), data.n_items)
    return sparse.csr_matrix((weights.astype(np.float32), (case, data.item[rows])), shape) @ history


def cut(votes: Votes, rank: int) -> Votes:
    return votes[0][:, :rank], votes[1][:, :rank]


def discounted(votes: Votes, buyers: np.ndarray, discount: float) -> Votes:
    """buyers : float64 [items]; an item that nobody bought counts as one that one user did."""
    if discount == 0:
        return votes
    return votes[0], votes[1] * (np.maximum(buyers, 1.0) ** -discount).astype(np.float32)[:, None]


def vote_solver(data: TwoTowerDataset, rank: int) -> Callable[[float], Votes]:
    """ridge -> the votes from the TRAIN purchases; what does not depend on the ridge is computed once."""
    return (exact_votes if is_exact(data) else factored_votes)(bought_items(data), rank)


def bought_items(data: TwoTowerDataset) -> sparse.csr_matrix:
    """float32 [users, items], M."""
    counted = data.counted
    # Of a user who bought very many items each counts for less: M'M sums over users.
    share = np.sqrt(data.user_weight[data.user[counted]]).astype(np.float32)
    return sparse.csr_matrix((share, (data.user[counted], data.item[counted])), (data.n_users, data.n_items))


def is_exact(data: TwoTowerDataset) -> bool:
    return data.n_items <= EXACT_UP_TO


def exact_votes(m: sparse.csr_matrix, rank: int) -> Callable[[float], Votes]:
    n = m.shape[1]
    gram = (m.T @ m).toarray().astype(np.float64)

    def solve(ridge: float) -> Votes:
        factor, _ = lapack.dpotrf(gram + ridge * np.eye(n), lower=True, overwrite_a=True)
        inverse, _ = lapack.dpotri(factor, lower=True, overwrite_c=True)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        votes = -inverse / np.diag(inverse)
        np.fill_diagonal(votes, 0)
        votes = votes.astype(np.float32)

        def times(block: np.ndarray) -> np.ndarray:  # (M B)' (M B) @ block
            return votes.T @ (m.T @ (m @ (votes @ block)))

        items = top_vectors(times, n, min(rank, *m.shape)).astype(np.float32)
        return votes @ items, items

    return solve


def factored_votes(m: sparse.csr_matrix, rank: int) -> Callable[[float], Votes]:
    vectors = top_vectors(lambda block: m.T @ (m @ block), m.shape[1], min(rank, *m.shape))
    values = ((m @ vectors) ** 2).sum(0)

    def solve(ridge: float) -> Votes:
        shrunk = values / (values + ridge)
        diagonal = (1 - (vectors**2 * shrunk).sum(1)) / ridge
        return (vectors * (shrunk / ridge)).astype(np.float32), (vectors / diagonal[:, None]).astype(np.float32)

    return solve


def transition_adder(data: TwoTowerDataset) -> Callable[[Votes, float, int], Votes]:
    """(votes, weight, rank) -> the votes with transitions beside them, of that rank; these are counted once."""
    m, follows = bought_items(data), transitions(data)
    some = m[np.linspace(0, data.n_users - 1, min(data.n_users, SAMPLED_USERS)).astype(np.int64)]
    size = float(((some @ follows).data ** 2).sum())

    def add(votes: Votes, weight: float, rank: int) -> Votes:
        if weight == 0 or size == 0:
            return votes
        left, right = votes
        of_users = some @ left
        share = weight * float(np.sqrt(((of_users @ (right.T @ right)) * of_users).sum() / size))

        def times(block: np.ndarray) -> np.ndarray:
            return left @ (right.T @ block) + share * (follows @ block)

        def back(block: np.ndarray) -> np.ndarray:
            return right @ (left.T @ block) + share * (follows.T @ block)

        items = top_vectors(lambda block: back(m.T @ (m @ times(block))), m.shape[1], min(rank, *m.shape))
        items = items.astype(np.float32)
        return times(items), items

    return add


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
