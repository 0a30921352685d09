"""Ratings in closed form: whoever rated something has a vector, and a rating is 5 sigmoid(their vector . the item's).

A Gaussian model of what people rate, with the people integrated out (Lawrence & Urtasun, "Non-linear matrix
factorization with Gaussian processes", ICML 2009), seen through the sigmoid:

    rating of item i     5 sigmoid(bias_i + factors_i . taste + generosity) + noise
    a person             (taste, generosity) ~ Normal(what profile and purchases say, (1, spread))

A person's vector is then one small ridge regression on their own ratings (`posterior` here, `UserTower.rate_query` in
the towers): it needs no id, and a new rating counts at once. That something was bought counts, rated or not, in the
prior mean: the implicit feedback of SVD++ (Koren, KDD 2008).

Learned by expectation maximisation: first the people's vectors with their covariances, given the items; then the items
and the prior mean, given the people. The sigmoid is replaced by its tangent (Gauss & Newton).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from recommender.engine.data.dataset import TRAIN, VALID, TwoTowerDataset, capped_weight
from recommender.engine.data.encoders import FIRST
from recommender.engine.evaluation.metrics import proven

TRIED = {"noise": (0.3, 0.85), "ridge": (90.0, 280.0, 840.0), "purchases": (3.0, 30.0, 300.0), "profile": (50.0, 500.0)}
STEPS, MORE_STEPS = 20, 5  # of expectation maximisation from a random start; from where other settings led
CASES = 5000  # held-out ratings on which the settings are chosen
PEOPLE_AT_ONCE = 8192
BIAS_RIDGE, FEATURE_RIDGE, FEW = 3.0, 3.0, 30  # FEW: an item with fewer ratings says little about its like


@dataclass(frozen=True)
class RatingSettings:
    """What validation chose.

    noise : variance of a rating about what is expected, as a share of its variance about the item's mean.
    ridge : precision of an item's factors about those of its like.
    purchases, profile : shrink what having bought an item, and what a value of the profile, says about a person.
    """

    noise: float = 0.85
    ridge: float = 280.0
    purchases: float = 3.0
    profile: float = 50.0


@dataclass(frozen=True)
class RatingPath:
    """What the towers need to predict ratings; d = rank + 1, the last coordinate is the generosity.

    factors : float32 [items, d], the last column all 1.   bias : float32 [items], a logit.
    traces : float32 [items, d]; the purchases of a person add sum(traces) / sqrt(their number) to the prior mean.
    profile : one float32 [ids, d] a field, what its values add.   precision : float32 [d], of the prior, times noise.
    """

    factors: np.ndarray
    bias: np.ndarray
    traces: np.ndarray
    profile: list[np.ndarray]
    precision: np.ndarray
    settings: RatingSettings


def fit_rating_path(data: TwoTowerDataset, rank: int, seed: int, settings: RatingSettings | None = None) -> RatingPath:
    """From the TRAIN ratings, of which there must be one. Settings not given are chosen on the VALID ones; without any
    rated, they are the defaults.
    """
    learner = _Learner(data, rank, seed)
    learner.run(settings or RatingSettings(), STEPS)
    if settings is None:
        learner, settings = _choose(learner, data)
    return learner.path(settings)


def posterior(
    factors: np.ndarray,
    bias: np.ndarray,
    precision: np.ndarray,
    mean: np.ndarray,
    row: np.ndarray,
    item: np.ndarray,
    rating: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """People given their ratings: vectors [n, d] and, up to the noise, their covariances [n, d, d].

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


# --- people and what is known of them ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _People:
    """n people with k ratings: row, item, rating [k], rows in order, each person's oldest first.

    says : csr [n, values of all fields + items], 1 for a value of the profile, 1 / sqrt(purchases) for a purchase.
    """

    row: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    says: sparse.csr_matrix

    def __len__(self) -> int:
        return self.says.shape[0]

    @classmethod
    def who_rated(cls, data: TwoTowerDataset) -> _People:
        """Everybody with a rating among the TRAIN purchases, with all of these.

        A row's purchases in `says` have length 1 at most: an account that buys again and again is no lever.
        """
        train = np.flatnonzero(data.role == TRAIN)
        train = train[np.isin(data.user[train], data.user[train[np.isfinite(data.rating[train])]])]
        users, last = np.unique(data.user[train][::-1], return_index=True)
        people = cls._of(data, train[len(train) - 1 - last], np.searchsorted(users, data.user[train]), train)
        values = sum(data.encoders.field_sizes)
        length = np.sqrt(np.asarray(people.says[:, values:].power(2).sum(1)).ravel())
        purchases = sparse.diags(1 / np.maximum(length, 1)) @ people.says[:, values:]
        return replace(people, says=sparse.hstack([people.says[:, :values], purchases]).tocsr())

    @classmethod
    def before(cls, data: TwoTowerDataset, rows: np.ndarray) -> _People:
        """A person for each of the purchases `rows`, as they were before it."""
        first = data.first_row[data.user[rows]]
        length = data.context[rows] - first + 1
        person = np.repeat(np.arange(len(rows)), length)
        start = np.cumsum(length) - length
        return cls._of(data, rows, person, np.arange(len(person)) - start[person] + first[person])

    @classmethod
    def _of(cls, data: TwoTowerDataset, profile: np.ndarray, person: np.ndarray, bought: np.ndarray) -> _People:
        """profile [n] rows as of which each profile is read; person, bought [m] rows of purchases by person."""
        values = one_hot(data.profile_ids[profile], data.encoders.field_sizes)
        often = np.bincount(person, minlength=len(profile)).clip(min=1) ** -0.5
        shape = (len(profile), data.n_items)
        purchases = sparse.csr_matrix((often[person], (person, data.item[bought])), shape)
        rated = np.isfinite(data.rating[bought])
        person, bought = person[rated], bought[rated]
        return cls(person, data.item[bought], data.rating[bought], sparse.hstack([values, purchases]).tocsr())

    def weights(self) -> np.ndarray:
        """float64 [k]: how much each rating says about its item.

        Of each person and item only the latest counts, and all ratings of one person count as the cap allows.
        """
        pair = self.row.astype(np.int64) * self.says.shape[1] + self.item
        latest = len(pair) - 1 - np.unique(pair[::-1], return_index=True)[1]
        weight = np.zeros(len(pair))
        weight[latest] = 1
        return weight * capped_weight(np.bincount(self.row[latest], minlength=len(self)))[self.row]

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Slices of people and of their ratings."""
        for start in range(0, len(self), PEOPLE_AT_ONCE):
            stop = min(start + PEOPLE_AT_ONCE, len(self))
            a, b = np.searchsorted(self.row, [start, stop])
            yield slice(start, stop), slice(a, b)


# --- expectation maximisation -----------------------------------------------------------------------------------------


class _Learner:
    """The model while it is learned. A copy goes on by itself: a step replaces its arrays and changes none."""

    def __init__(self, data: TwoTowerDataset, rank: int, seed: int):
        self.people = people = _People.who_rated(data)
        self.field_sizes, n = data.encoders.field_sizes, data.n_items
        self.like = one_hot(data.item_features, data.encoders.item_sizes)
        self.weight = people.weights()
        self.counts = np.bincount(people.item, self.weight, n)
        mean = np.average(people.rating, weights=self.weight)
        of_item = (np.bincount(people.item, self.weight * people.rating, n) + 5 * mean) / (self.counts + 5)
        error = (people.rating - of_item[people.item]) ** 2
        self.variance = max(float(np.average(error, weights=self.weight)), 0.01)
        share = (of_item / 5).clip(0.02, 0.98)
        self.bias = np.log(share / (1 - share))
        self.factors = np.column_stack([0.1 * np.random.default_rng(seed).normal(size=(n, rank)), np.ones(n)])
        self.spread = 0.1
        self.said = np.zeros((people.says.shape[1], rank + 1))
        self.told = np.zeros((self.like.shape[1], rank + 1))

    def run(self, settings: RatingSettings, steps: int) -> None:
        for _ in range(steps):
            self._step(settings)

    def predict(self, settings: RatingSettings, people: _People, item: np.ndarray) -> np.ndarray:
        """The rating that each of n people gives one item, [n]."""
        mean = people.says @ self._weighted_said(settings)
        logit = np.empty(len(people))
        for who, what in people.blocks():
            found, _ = self._posterior(settings, people, mean, who, what)
            logit[who] = self.bias[item[who]] + (self.factors[item[who]] * found).sum(1)
        return _stars(logit)

    def path(self, settings: RatingSettings) -> RatingPath:
        said = self._weighted_said(settings).astype(np.float32)
        edges = np.cumsum(self.field_sizes).astype(np.int64)
        *profile, traces = np.split(said, edges)
        return RatingPath(
            factors=self.factors.astype(np.float32),
            bias=self.bias.astype(np.float32),
            traces=traces,
            profile=profile,
            precision=self._precision(settings).astype(np.float32),
            settings=settings,
        )

    def _step(self, settings: RatingSettings) -> None:
        people, d = self.people, self.factors.shape[1]
        noise = settings.noise * self.variance
        weights = sparse.diags(self._weights(settings))
        mean = people.says @ (weights @ self.said)
        vectors, spread = np.empty((len(people), d)), 0.0
        gram, pull = np.zeros((len(self.counts), d * d)), np.zeros((len(self.counts), d))
        for who, what in people.blocks():
            found, inverse = self._posterior(settings, people, mean, who, what)
            covariance = noise * inverse
            vectors[who] = found
            spread += (covariance[:, -1, -1] + (found - mean[who])[:, -1] ** 2).sum()
            # An item's factors meet the taste, its bias meets 1; the generosity is the person's own.
            taste = np.column_stack([found[:, :-1], np.ones(len(found))])
            second = taste[:, :, None] * taste[:, None, :]
            second[:, :-1, :-1] += covariance[:, :-1, :-1]
            shared = np.column_stack([covariance[:, -1, :-1], np.zeros(len(found))])
            row, item = people.row[what] - who.start, people.item[what]
            logit = self.bias[item] + (self.factors[item] * found[row]).sum(1)
            expected = _stars(logit)
            slope = expected * (1 - expected / 5)
            own = slope * (people.rating[what] - expected) + slope**2 * (logit - found[row, -1])
            shape = (len(self.counts), len(found))
            counts = self.weight[what]
            weight = sparse.csr_matrix((counts * slope**2, (item, row)), shape)
            gram += weight @ second.reshape(len(found), d * d)
            pull += sparse.csr_matrix((counts * own, (item, row)), shape) @ taste - weight @ shared
        self.spread = spread / len(people)
        self.said = ridge_regression(people.says @ weights, vectors, self.said)
        ridge = noise * np.append(np.full(d - 1, settings.ridge), BIAS_RIDGE)
        items = self._like()
        rated = self.counts > 0
        gram = gram[rated].reshape(-1, d, d) + np.diag(ridge)
        items[rated] = np.linalg.solve(gram, (pull[rated] + ridge * items[rated])[:, :, None])[:, :, 0]
        self.factors, self.bias = np.column_stack([items[:, :-1], np.ones(len(items))]), items[:, -1]

    def _like(self) -> np.ndarray:
        """float64 [items, d]: factors and bias to expect from the item's features; without any, the mean bias."""
        items = np.column_stack([self.factors[:, :-1], self.bias])
        middle = np.zeros(items.shape[1])
        middle[-1] = np.average(self.bias, weights=self.counts)
        trust = np.sqrt(self.counts / (self.counts + FEW))[:, None]
        features = self.like / np.sqrt(FEATURE_RIDGE)
        self.told = ridge_regression(sparse.diags(trust[:, 0]) @ features, trust * (items - middle), self.told)
        return middle + features @ self.told

    def _posterior(
        self, settings: RatingSettings, people: _People, mean: np.ndarray, who: slice, what: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        ratings = people.row[what] - who.start, people.item[what], people.rating[what]
        return posterior(self.factors, self.bias, self._precision(settings), mean[who], *ratings)

    def _precision(self, settings: RatingSettings) -> np.ndarray:
        return settings.noise * self.variance * np.append(np.ones(self.factors.shape[1] - 1), 1 / self.spread)

    def _weights(self, settings: RatingSettings) -> np.ndarray:
        """[values + items]: a regressor of weight w and ridge 1 is one of weight 1 and ridge 1 / w^2."""
        values = sum(self.field_sizes)
        purchases = self.people.says.shape[1] - values
        return np.repeat([settings.profile**-0.5, settings.purchases**-0.5], [values, purchases])

    def _weighted_said(self, settings: RatingSettings) -> np.ndarray:
        return self._weights(settings)[:, None] * self.said


def _choose(learner: _Learner, data: TwoTowerDataset) -> tuple[_Learner, RatingSettings]:
    """One setting after the other by squared error; another than the default must be better by a standard error."""
    best, settings = learner, RatingSettings()
    rows = np.flatnonzero((data.role == VALID) & np.isfinite(data.rating))
    if len(rows) < 2:
        return best, settings
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:CASES])
    people = _People.before(data, rows)

    def errors(of: _Learner, settings: RatingSettings) -> np.ndarray:
        return (of.predict(settings, people, data.item[rows]) - data.rating[rows]) ** 2

    best = copy(learner)
    best.run(settings, MORE_STEPS)
    least = errors(best, settings)
    for name, values in TRIED.items():
        start = best
        for value in values:
            if value == getattr(RatingSettings, name):
                continue
            tried, changed = copy(start), replace(settings, **{name: value})
            tried.run(changed, MORE_STEPS)
            gain = least - (error := errors(tried, changed))
            if proven(gain):
                best, settings, least = tried, changed, error
    return best, settings


def ridge_regression(x: sparse.csr_matrix, y: np.ndarray, start: np.ndarray, steps: int = 10) -> np.ndarray:
    """(X'X + I)^-1 X'y by conjugate gradients from a `start` near by. x [n, p], y [n, q] -> [p, q]"""
    found = start.copy()
    rest = x.T @ (y - x @ found) - found
    way, size = rest.copy(), (rest**2).sum(0)
    for _ in range(steps):
        image = x.T @ (x @ way) + way
        far = size / np.maximum((way * image).sum(0), 1e-12)
        found += far * way
        rest -= far * image
        size, before = (rest**2).sum(0), size
        way = rest + size / np.maximum(before, 1e-12) * way
    return found


def one_hot(ids: np.ndarray, sizes: tuple[int, ...]) -> sparse.csr_matrix:
    """float64 [n, sum of sizes]: 1 for each known value of the fields' ids [n, fields]."""
    row, field = np.nonzero(ids >= FIRST)
    offsets = np.cumsum([0, *sizes])
    return sparse.csr_matrix((np.ones(len(row)), (row, offsets[field] + ids[row, field])), (len(ids), sum(sizes)))


def _stars(logit: np.ndarray) -> np.ndarray:
    return 5 / (1 + np.exp(-logit))
