"""The linear path in closed form: a purchase votes for other items, a recent one louder, and the votes are summed.

The votes are those of a linear item-item autoencoder (EASE; Steck, "Embarrassingly shallow autoencoders for sparse
data", WWW 2019): B = I - P diag(1 / diag P), P = (M'M + ridge I)^-1. M holds a row a person: the items bought and,
where that pays, how often each item feature was (Jeunen, Van Balen & Goethals, "Closed-form models for collaborative
filtering with side-information", RecSys 2020). Of rank d it is a dot product of two towers:

    B ~ history @ items.T     history float32 [items, d], items float32 [items, d]

Where the catalog is small, B is computed and reduced by the regression that weighs it by people (`items` are the top
right singular vectors of M B). Where it is large, neither B nor any other matrix of items by items is: with the
truncated SVD M ~ U S V', P = (I - V diag(s2 / (s2 + ridge)) V') / ridge, and off its diagonal, which only concerns
items already bought, B = (V diag(s2 / (s2 + ridge)) / ridge) @ (V / diag P)'. What d may be depends on the data: where
every item has a few companions of its own, 128 dimensions cut most of that off.

A least-squares vote is the larger the more an item sells, whoever asks. Where histories are one order long that drowns
what goes with the order, so the votes for an item are divided by a power of its buyers, as the asymmetric cosine does
among neighbours (Aiolli, "Efficient top-N recommendation for very large scale binary rated datasets", RecSys 2013).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy import sparse
from scipy.linalg import lapack, qr
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from recommender.engine.data.dataset import TRAIN, VALID, Cases, TwoTowerDataset
from recommender.engine.evaluation.metrics import affordable, proven, rank_targets, user_metrics

RIDGES = (30.0, 100.0, 300.0, 1000.0)
RECENCIES = (0.0, 0.3, 0.5, 0.7, 1.0)
FEATURES = (0.0, 0.3)
DISCOUNTS = (0.0, 0.1, 0.2)
POPULARITIES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # of a standard deviation of the votes
SCALES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)  # standard deviations that the scores get
CONFIDENCE = 0.5  # of what is likeliest for held-out people: the votes have seen the purchases that training predicts
BESIDE = (0.0, 0.25, 0.5, 0.75, 1.0)  # weights of popularity beside the votes
HALF_LIVES = (0.3, 0.1)  # of the time the data spans, beside 0: purchases never fade
CASES = 2000  # held-out people on whom the settings are chosen
EXACT_UP_TO = 6000  # items and features; an inverse of that size takes a few seconds
WIDER_EXACT, WIDER_FACTORED = (2, 4), (2, 4, 8)  # times the width asked for; the exact votes' take longer to find
MULTIPLICATIONS = 1e12  # at most, of purchases x items x width: an epoch of training takes a minute or two then
CHEAP = 2e11  # multiplications that a wider path may cost without having proved its worth
CELLS = 1 << 24  # at most, of items x width: 64 MB
OVERSAMPLE, POWER_STEPS = 32, 4


@dataclass(frozen=True)
class LinearSettings:
    """What validation chose. An item's score is scale * (votes for it) + popularity * (log share of purchases).

    rank : of the votes.   ridge : shrinks them.   recency : the purchase k steps back counts (1 + k)^-recency.
    features : weight of the item features in M.   half_life : of a purchase in the popularity, as a share of the span.
    discount : votes for an item of n buyers count n^-discount.
    """

    rank: int = 128
    ridge: float = 300.0
    recency: float = 0.5
    features: float = 0.0
    scale: float = 12.0
    popularity: float = 0.3
    half_life: float = 0.0
    discount: float = 0.0


@dataclass(frozen=True)
class LinearPath:
    """history, items : float32 [items, rank], the vote of item i for item j is loudness * history[i] . items[j].
    popular : float32 [items], the log share of purchases; a list counts it `settings.popularity` times."""

    history: np.ndarray
    items: np.ndarray
    loudness: float
    popular: np.ndarray
    settings: LinearSettings


Votes = tuple[np.ndarray, np.ndarray]  # history, items; their first r columns are the votes of rank r


def fit_linear_path(data: TwoTowerDataset, rank: int, settings: LinearSettings | None = None) -> LinearPath:
    """From the TRAIN purchases. Settings not given are chosen on the VALID ones; without any, they are the defaults.

    rank : the least that validation chooses from, or the one where there is no validation.
    """
    cases = data.cases(VALID, affordable(CASES, data.n_items))
    if settings is None and len(cases):
        settings, (history, items) = _choose(data, cases, rank)
    else:
        settings = LinearSettings(rank=rank) if settings is None else settings
        votes = _solver(_evidence(data, settings.features), data.n_items, settings.rank)(settings.ridge)
        history, items = _discounted(votes, data.item_counts(), settings.discount)
    pad = ((0, 0), (0, settings.rank - history.shape[1]))
    # As long as random vectors would be, so that a step of training changes both by about the same share.
    items_size, history_size = (float(np.sqrt((v**2).mean() * rank)) or 1.0 for v in (items, history))
    return LinearPath(
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


# --- the closed form --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Evidence:
    """M : float32 [users, items + features].   features : float32 [items, features], weighted."""

    m: sparse.csr_matrix
    features: sparse.csr_matrix


def _evidence(data: TwoTowerDataset, weight: float) -> _Evidence:
    shape = (data.n_users, data.n_items)
    counted = data.counted
    # Of a user who bought very many items each counts for less: M'M sums over users.
    share = np.sqrt(data.user_weight[data.user[counted]]).astype(np.float32)
    bought = sparse.csr_matrix((share, (data.user[counted], data.item[counted])), shape)
    if weight == 0:
        return _Evidence(bought, sparse.csr_matrix((data.n_items, 0), dtype=np.float32))
    blocks = []
    for column, size in zip(data.item_features.T, data.encoders.item_sizes, strict=True):
        known = np.flatnonzero(column >= 2)
        ones = np.full(len(known), weight, np.float32)
        blocks.append(sparse.csr_matrix((ones, (known, column[known])), (data.n_items, size)))
    features = sparse.hstack(blocks).tocsr()
    often = bought @ features
    often.data = weight * np.sqrt(often.data / weight)
    return _Evidence(sparse.hstack([bought, often]).tocsr(), features)


def _solver(evidence: _Evidence, n_items: int, rank: int) -> Callable[[float], Votes]:
    """The votes by ridge, with what does not depend on it computed once."""
    solve = (_exact if _is_exact(evidence) else _factored)(evidence.m, n_items, rank)

    def votes(ridge: float) -> Votes:
        history, items = solve(ridge)
        return (history[:n_items] + evidence.features @ history[n_items:]).astype(np.float32), items.astype(np.float32)

    return votes


def _is_exact(evidence: _Evidence) -> bool:
    return evidence.m.shape[1] <= EXACT_UP_TO


def _exact(m: sparse.csr_matrix, n_items: int, rank: int) -> Callable[[float], Votes]:
    gram = (m.T @ m).toarray().astype(np.float64)

    def solve(ridge: float) -> Votes:
        factor, _ = lapack.dpotrf(gram + ridge * np.eye(len(gram)), lower=True, overwrite_a=True)
        inverse, _ = lapack.dpotri(factor, lower=True, overwrite_c=True)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        votes = (-inverse / np.diag(inverse))[:, :n_items]
        votes[np.arange(n_items), np.arange(n_items)] = 0
        votes = votes.astype(np.float32)

        def seen(block: np.ndarray) -> np.ndarray:  # (M B)' (M B) @ block
            return votes.T @ (m.T @ (m @ (votes @ block)))

        items = _top_vectors(seen, n_items, min(rank, n_items, m.shape[0]))
        return votes @ items, items

    return solve


def _factored(m: sparse.csr_matrix, n_items: int, rank: int) -> Callable[[float], Votes]:
    vectors = _top_vectors(lambda block: m.T @ (m @ block), m.shape[1], min(rank, *m.shape))
    values = ((m @ vectors) ** 2).sum(0)

    def solve(ridge: float) -> Votes:
        shrunk = values / (values + ridge)
        diagonal = (1 - (vectors**2 * shrunk).sum(1)) / ridge
        return vectors * (shrunk / ridge), (vectors / diagonal[:, None])[:n_items]

    return solve


def _top_vectors(times: Callable[[np.ndarray], np.ndarray], n: int, rank: int) -> np.ndarray:
    """The eigenvectors [n, rank] of the largest eigenvalues of a symmetric matrix given as a product with a block.

    Randomised, with power steps (Halko, Martinsson & Tropp, "Finding structure with randomness", 2011).
    """
    width = min(rank + OVERSAMPLE, n)
    basis = np.random.default_rng(0).normal(size=(n, width)).astype(np.float32)
    # On thin matrices a second thread gains nothing, and where others use the cores it waits.
    with threadpool_limits(1, user_api="blas"):
        for _ in range(POWER_STEPS):
            basis = qr(times(basis), mode="economic", overwrite_a=True, check_finite=False)[0]  # numpy's: 10 x slower
        small = basis.T @ times(basis)
        _, rotation = np.linalg.eigh((small + small.T) / 2)
        return basis @ rotation[:, ::-1][:, :rank]


# --- what validation chooses ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sum:
    """Votes and popularity in some proportion, as evaluation measures them."""

    history: np.ndarray
    items: np.ndarray
    recency: float
    popular: np.ndarray

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return summed_votes(data, cases, self.history, self.recency) @ self.items.T + self.popular


def summed_votes(data: TwoTowerDataset, cases: Cases, history: np.ndarray, recency: float) -> np.ndarray:
    """float32 [cases, rank]: what each person's purchases say together."""
    bought = cases.bought(data)
    rows = np.repeat(np.arange(len(cases)), [len(b) for b in bought])
    weights = np.concatenate([(1.0 + np.arange(len(b))[::-1]) ** -recency for b in bought] or [np.zeros(0)])
    columns = np.concatenate(bought) if bought else np.zeros(0, np.int64)
    shape = (len(cases), data.n_items)
    return sparse.csr_matrix((weights.astype(np.float32), (rows, columns)), shape) @ history


def _choose(data: TwoTowerDataset, cases: Cases, rank: int) -> tuple[LinearSettings, Votes]:
    """One setting after the other by NDCG@10; the scale, which no order depends on, by likelihood."""
    nothing, buyers = np.zeros(data.n_items, np.float32), data.item_counts()

    def ndcg(votes: Votes, recency: float, popular: np.ndarray = nothing) -> np.ndarray:
        return user_metrics(rank_targets(_Sum(*votes, recency, popular), data, cases))["ndcg_10"]

    none = np.zeros((data.n_items, 1), np.float32), np.zeros((data.n_items, 1), np.float32)
    half_life = _proven_half_life(data, lambda popular: ndcg(none, 0.0, popular))
    popular = log_share(data, half_life)

    def best_recency(votes: Votes) -> float:
        """None unless another proves better: within an order the latest purchase is no later than the others."""
        served = {recency: ndcg(votes, recency) for recency in RECENCIES}
        best = max(RECENCIES, key=lambda recency: served[recency].mean())
        return best if proven(served[best] - served[0.0]) else 0.0

    def is_cheap(width: int) -> bool:
        return width * data.n_items * float((data.role == TRAIN).sum()) <= CHEAP

    recency = best_recency(_solver(_evidence(data, 0.0), data.n_items, rank)(LinearSettings.ridge))
    settings, votes, chosen, best = LinearSettings(rank=rank), none, none, np.full(len(cases), -1.0)
    for features in FEATURES if data.encoders.item_sizes else FEATURES[:1]:
        evidence = _evidence(data, features)
        widths = _widths(data, evidence, rank)
        solve = _solver(evidence, data.n_items, widths[-1])
        for ridge in RIDGES:
            widest = solve(ridge)
            for discount, width in product(DISCOUNTS, widths):
                tried = _discounted(_cut(widest, width), buyers, discount)
                found = ndcg(tried, recency)
                # A wider path that costs time in training and in serving has to prove its worth, as has a discount.
                cheap = (width <= settings.rank or is_cheap(width)) and discount <= settings.discount
                if found.mean() > best.mean() and (cheap or proven(found - best)):
                    best, votes, chosen = found, tried, widest
                    settings = LinearSettings(
                        rank=width, ridge=ridge, features=features, half_life=half_life, discount=discount
                    )
    # The narrower of two widths may have won by chance: the wider one is taken unless the narrower is proven better.
    for width in widths:
        if is_cheap(width) and settings.rank < width <= chosen[0].shape[1]:
            wider = _discounted(_cut(chosen, width), buyers, settings.discount)
            if not proven(best - ndcg(wider, recency)):
                votes, settings = wider, replace(settings, rank=width)
    recency = best_recency(votes)
    settings = replace(settings, recency=recency)
    spread = float((summed_votes(data, cases, votes[0], recency) @ votes[1].T).std()) or 1.0
    share = max(POPULARITIES, key=lambda p: ndcg(votes, recency, p * spread * popular).mean())
    if not proven(ndcg(votes, recency, share * spread * popular) - ndcg(none, 0.0, popular)):
        # Thin data: what most people buy is all there is to know.
        return replace(settings, scale=0.0, popularity=1.0), votes
    few = cases[:300]
    scale = _likeliest_scale(_Sum(*votes, recency, nothing).scores(data, few) / spread, popular, data, few)
    scale *= CONFIDENCE
    return replace(settings, scale=scale / spread, popularity=scale * share), votes


def _cut(votes: Votes, rank: int) -> Votes:
    return votes[0][:, :rank], votes[1][:, :rank]


def _discounted(votes: Votes, buyers: np.ndarray, discount: float) -> Votes:
    """buyers : float64 [items]; an item that nobody bought counts as one that somebody did."""
    if discount == 0:
        return votes
    return votes[0], votes[1] * (np.maximum(buyers, 1.0) ** -discount).astype(np.float32)[:, None]


def _widths(data: TwoTowerDataset, evidence: _Evidence, rank: int) -> list[int]:
    """The ranks to choose from."""
    cells, purchases = data.n_items * rank, float((data.role == TRAIN).sum())
    wider = WIDER_EXACT if _is_exact(evidence) else WIDER_FACTORED
    return [rank, *(rank * w for w in wider if w * cells <= CELLS and w * cells * purchases <= MULTIPLICATIONS)]


def _proven_half_life(data: TwoTowerDataset, quality: Callable[[np.ndarray], np.ndarray]) -> float:
    """The half-life whose popular list serves best: none, unless another is better by two and a half standard errors,
    for it is the best of several, is chosen at every training, and newcomers have nothing but that list.

    quality : a list's NDCG@10 [cases].
    """
    whole = quality(log_share(data, 0.0))
    best, chosen = 0.0, 0.0
    for half_life in HALF_LIVES:
        gain = quality(log_share(data, half_life)) - whole
        if gain.mean() > best and proven(gain, errors=2.5):
            best, chosen = float(gain.mean()), half_life
    return chosen


def _likeliest_scale(votes: np.ndarray, popular: np.ndarray, data: TwoTowerDataset, cases: Cases) -> float:
    """The scale of the votes that, beside as much popularity as may be, makes the held-out purchases likeliest.

    Without popularity beside them the scale would be several times that, and training starts from overconfidence.
    """
    for row, bought in enumerate(cases.bought(data)):
        votes[row, bought] = -np.inf

    def fit(scale: float, popularity: float) -> float:
        logits = scale * votes + popularity * popular
        own = [logits[row, targets].mean() for row, targets in enumerate(cases.targets)]
        return float((np.array(own) - logsumexp(logits, axis=1)).mean())

    return max(product(SCALES, BESIDE), key=lambda pair: fit(*pair))[0]
