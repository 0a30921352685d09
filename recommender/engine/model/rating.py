"""Ratings in closed form: whoever rated something has a vector, and a rating is 5 sigmoid(their vector . the item's).

A Gaussian model of what people rate, with the people integrated out (Lawrence & Urtasun, "Non-linear matrix
factorization with Gaussian processes", ICML 2009), seen through the sigmoid:

    rating of item i     5 sigmoid(bias_i + factors_i . taste + generosity) + noise
    a person             (taste, generosity) ~ Normal(what profile and purchases say, (1, spread))

A user's vector is then one small ridge regression on their own ratings (`posterior` here, `Rater.vectors` in
serving): it needs no id, and a new rating counts at once. That something was bought counts, rated or not, in the prior
mean: the implicit feedback of SVD++ (Koren, KDD 2008).

Learned by expectation maximisation: first the users' vectors with their covariances, given the items; then the items
and the prior mean, given the users. The sigmoid is replaced by its tangent (Gauss & Newton).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recommender.engine.data.dataset import TwoTowerDataset, capped_weight
from recommender.engine.data.numbers import FIRST
from recommender.engine.data.splits import TRAIN

ITEM_RIDGE, BIAS_RIDGE, FEATURE_RIDGE = 280.0, 3.0, 3.0  # precision about what the items' features let expect
PURCHASE_RIDGE, PROFILE_RIDGE = 3.0, 50.0  # shrink what having bought an item, and a profile value, says of a user
FEW = 30  # an item with fewer ratings says little about its like
STEPS, MORE_STEPS = 20, 5  # of expectation maximisation from a random start; from where another noise led
USERS_AT_ONCE = 8192


@dataclass(frozen=True)
class RatingPath:
    """What predicts ratings; d = rank + 1, the last coordinate is the generosity.

    noise : variance of a rating about what is expected, as a share of its variance about the item's mean.
    factors : float32 [items, d], the last column all 1.   bias : float32 [items], a logit.
    traces : float32 [items, d]; the purchases of a user add sum(traces) / sqrt(their number) to the prior mean.
    profile : one float32 [ids, d] a field, what its values add.   precision : float32 [d], of the prior, times noise.
    """

    factors: np.ndarray
    bias: np.ndarray
    traces: np.ndarray
    profile: list[np.ndarray]
    precision: np.ndarray
    noise: float

    @property
    def items(self) -> np.ndarray:
        """float32 [items, 2 d + 1]: what `Rater` and users' vectors meet."""
        return np.concatenate([self.factors, self.bias[:, None], self.traces], axis=1)


def fit_rating_paths(data: TwoTowerDataset, rank: int, seed: int, noises: Sequence[float]) -> list[RatingPath]:
    """A path for each noise, from the TRAIN ratings, of which there must be one. The others start at the first."""
    first = _Model(data, rank, seed, noises[0])
    for _ in range(STEPS):
        first.step()
    paths = []
    for noise in noises:
        model = copy(first)  # a step replaces its arrays and changes none
        model.noise = noise * model.variance
        for _ in range(MORE_STEPS):
            model.step()
        *profile, traces = np.split(model.prior().astype(np.float32), np.cumsum(model.field_sizes).astype(np.int64))
        factors, bias, precision = (a.astype(np.float32) for a in (model.factors, model.bias, model.precision()))
        paths.append(RatingPath(factors, bias, traces, profile, precision, noise))
    return paths


def posterior(
    factors: np.ndarray,
    bias: np.ndarray,
    precision: np.ndarray,
    mean: np.ndarray,
    row: np.ndarray,
    item: np.ndarray,
    rating: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Users given their ratings: vectors [n, d] and, up to the noise, their covariances [n, d, d].

    factors [items, d], bias [items], precision [d], mean [n, d] of the prior; row, item, rating [k] of the ratings.
    """
    d = len(precision)
    expected = _stars(bias[item] + (factors[item] * mean[row]).sum(1))
    slope = expected * (1 - expected / 5)
    shape = (len(mean), len(factors))
    pairs = (factors[:, :, None] * factors[:, None, :]).reshape(len(factors), d * d)
    gram = (sparse.csr_matrix((slope**2, (row, item)), shape) @ pairs).reshape(-1, d, d) + np.diag(precision)
    pull = sparse.csr_matrix((slope * (rating - expected), (row, item)), shape) @ factors
    inverse = np.linalg.inv(gram)
    return mean + np.einsum("nij,nj->ni", inverse, pull), inverse


@dataclass(frozen=True)
class _Raters:
    """n users with k ratings: row, item, rating [k], rows in order, each user's oldest first.

    evidence : csr [n, values of all fields + items], 1 for a value of the profile, 1 / sqrt(purchases) for a purchase.
    """

    row: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    evidence: sparse.csr_matrix

    def __len__(self) -> int:
        return self.evidence.shape[0]

    @classmethod
    def of(cls, data: TwoTowerDataset) -> _Raters:
        """Everybody with a rating among the TRAIN purchases, with all of these and their latest profile.

        A row's purchases in `evidence` have length 1 at most: an account that buys again and again is no lever.
        """
        train = np.flatnonzero(data.role == TRAIN)
        train = train[np.isin(data.user[train], data.user[train[np.isfinite(data.rating[train])]])]
        users, last = np.unique(data.user[train][::-1], return_index=True)
        row = np.searchsorted(users, data.user[train])
        values = one_hot(data.profile_ids[train[len(train) - 1 - last]], data.encoders.field_sizes)
        shape = (len(users), data.n_items)
        bought = sparse.csr_matrix((np.bincount(row)[row] ** -0.5, (row, data.item[train])), shape)
        length = np.sqrt(np.asarray(bought.power(2).sum(1)).ravel())
        evidence = sparse.hstack([values, sparse.diags(1 / np.maximum(length, 1)) @ bought]).tocsr()
        rated = np.isfinite(data.rating[train])
        return cls(row[rated], data.item[train[rated]], data.rating[train[rated]], evidence)

    def weights(self) -> np.ndarray:
        """float64 [k]: how much each rating says about its item.

        Of each user and item only the latest counts, and all ratings of one user count as the cap allows.
        """
        pair = self.row.astype(np.int64) * self.evidence.shape[1] + self.item
        latest = len(pair) - 1 - np.unique(pair[::-1], return_index=True)[1]
        weight = np.zeros(len(pair))
        weight[latest] = 1
        return weight * capped_weight(np.bincount(self.row[latest], minlength=len(self)))[self.row]

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Slices of users and of their ratings."""
        for start in range(0, len(self), USERS_AT_ONCE):
            stop = min(start + USERS_AT_ONCE, len(self))
            a, b = np.searchsorted(self.row, [start, stop])
            yield slice(start, stop), slice(a, b)


class _Model:
    """The Gaussian model while it is learned: every `step` improves the items, the prior and its spread."""

    def __init__(self, data: TwoTowerDataset, rank: int, seed: int, noise: float):
        self.raters = raters = _Raters.of(data)
        self.field_sizes, n = data.encoders.field_sizes, data.n_items
        self.features = one_hot(data.item_features, data.encoders.item_sizes) / np.sqrt(FEATURE_RIDGE)
        self.weight = raters.weights()  # [k]
        self.counts = np.bincount(raters.item, self.weight, n)  # [items]
        mean = np.average(raters.rating, weights=self.weight)
        of_item = (np.bincount(raters.item, self.weight * raters.rating, n) + 5 * mean) / (self.counts + 5)
        error = (raters.rating - of_item[raters.item]) ** 2
        self.variance = max(float(np.average(error, weights=self.weight)), 0.01)
        self.noise = noise * self.variance
        share = (of_item / 5).clip(0.02, 0.98)
        self.bias = np.log(share / (1 - share))  # [items]
        self.factors = np.column_stack([0.1 * np.random.default_rng(seed).normal(size=(n, rank)), np.ones(n)])
        self.spread = 0.1
        values = sum(self.field_sizes)
        # A regressor of weight w and ridge 1 is one of weight 1 and ridge 1 / w^2.
        self.says = np.repeat([PROFILE_RIDGE**-0.5, PURCHASE_RIDGE**-0.5], [values, n])  # [values + items]
        self.of_evidence = np.zeros((values + n, rank + 1))
        self.of_features = np.zeros((self.features.shape[1], rank + 1))

    def prior(self) -> np.ndarray:
        """float64 [values + items, d]: what each piece of evidence adds to the prior mean of a user."""
        return self.says[:, None] * self.of_evidence

    def precision(self) -> np.ndarray:
        """float64 [d], of the prior, times noise."""
        return self.noise * np.append(np.ones(self.factors.shape[1] - 1), 1 / self.spread)

    def step(self) -> None:
        raters, d, noise = self.raters, self.factors.shape[1], self.noise
        mean = raters.evidence @ self.prior()  # [n, d]
        vectors, spread = np.empty((len(raters), d)), 0.0
        gram, pull = np.zeros((len(self.counts), d * d)), np.zeros((len(self.counts), d))
        for users, ratings in raters.blocks():
            row, item = raters.row[ratings] - users.start, raters.item[ratings]
            vector, inverse = posterior(
                self.factors, self.bias, self.precision(), mean[users], row, item, raters.rating[ratings]
            )
            covariance = noise * inverse  # [n, d, d]
            vectors[users] = vector
            spread += (covariance[:, -1, -1] + (vector - mean[users])[:, -1] ** 2).sum()
            # An item's factors meet the taste, its bias meets 1; the generosity is the user's own.
            taste = np.column_stack([vector[:, :-1], np.ones(len(vector))])
            second = taste[:, :, None] * taste[:, None, :]
            second[:, :-1, :-1] += covariance[:, :-1, :-1]
            shared = np.column_stack([covariance[:, -1, :-1], np.zeros(len(vector))])
            logit = self.bias[item] + (self.factors[item] * vector[row]).sum(1)
            expected = _stars(logit)
            slope = expected * (1 - expected / 5)
            own = slope * (raters.rating[ratings] - expected) + slope**2 * (logit - vector[row, -1])
            shape = (len(self.counts), len(vector))
            counts = self.weight[ratings]
            weight = sparse.csr_matrix((counts * slope**2, (item, row)), shape)
            gram += weight @ second.reshape(len(vector), d * d)
            pull += sparse.csr_matrix((counts * own, (item, row)), shape) @ taste - weight @ shared
        self.spread = spread / len(raters)
        weighted = raters.evidence @ sparse.diags(self.says)
        self.of_evidence = ridge_regression(weighted, vectors, self.of_evidence)
        ridge = noise * np.append(np.full(d - 1, ITEM_RIDGE), BIAS_RIDGE)
        items = self._expected_items()
        rated = self.counts > 0
        gram = gram[rated].reshape(-1, d, d) + np.diag(ridge)
        items[rated] = np.linalg.solve(gram, (pull[rated] + ridge * items[rated])[:, :, None])[:, :, 0]
        self.factors, self.bias = np.column_stack([items[:, :-1], np.ones(len(items))]), items[:, -1]

    def _expected_items(self) -> np.ndarray:
        """float64 [items, d]: factors and bias to expect from the item's features; without any, the mean bias."""
        items = np.column_stack([self.factors[:, :-1], self.bias])
        middle = np.zeros(items.shape[1])
        middle[-1] = np.average(self.bias, weights=self.counts)
        trust = np.sqrt(self.counts / (self.counts + FEW))[:, None]
        weighted = sparse.diags(trust[:, 0]) @ self.features
        self.of_features = ridge_regression(weighted, trust * (items - middle), self.of_features)
        return middle + self.features @ self.of_features


def ridge_regression(x: sparse.csr_matrix, y: np.ndarray, start: np.ndarray, steps: int = 10) -> np.ndarray:
    """(X'X + I)^-1 X'y by conjugate gradients from a `start` near by. x [n, p], y [n, q] -> [p, q]"""
    solution = start.copy()
    residual = x.T @ (y - x @ solution) - solution
    direction, size = residual.copy(), (residual**2).sum(0)
    for _ in range(steps):
        image = x.T @ (x @ direction) + direction
        step = size / np.maximum((direction * image).sum(0), 1e-12)
        solution += step * direction
        residual -= step * image
        size, before = (residual**2).sum(0), size
        direction = residual + size / np.maximum(before, 1e-12) * direction
    return solution


def one_hot(ids: np.ndarray, sizes: tuple[int, ...]) -> sparse.csr_matrix:
    """float64 [n, sum of sizes]: 1 for each known value of the fields' ids [n, fields]."""
    row, field = np.nonzero(ids >= FIRST)
    offsets = np.cumsum([0, *sizes])
    return sparse.csr_matrix((np.ones(len(row)), (row, offsets[field] + ids[row, field])), (len(ids), sum(sizes)))


def _stars(logit: np.ndarray) -> np.ndarray:
    return 5 / (1 + np.exp(-logit))
