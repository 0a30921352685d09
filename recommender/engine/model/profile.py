"""The profile path in closed form: which items do people of this field value buy more, or less, than everybody?

For each value v of each profile field and each item i: log((C + k) / (E + k)), C the purchases of i by people with v, E
how many there would be if they bought like everybody. k shrinks: a value or an item with few purchases says next to
nothing. Summed over the fields, scaled and added to the log share of purchases, that is naive Bayes; of low rank it is
a dot product of two towers. The scale makes up for what the fields say twice. It and k are chosen by cross-validation
over people, by the lists that their profiles alone would have given them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from recommender.engine.data.dataset import TRAIN, Cases, TwoTowerDataset
from recommender.engine.data.encoders import FIRST
from recommender.engine.evaluation.metrics import affordable, proven, rank_targets, user_metrics

SHRINKAGES = (3.0, 10.0, 30.0, 100.0)
SCALES = (0.25, 0.5, 0.75, 1.0)
FIRST_SCALE = 0.5  # at which the shrinkage is chosen
FOLDS = 5
PEOPLE = 1000  # on whom the settings are tried, at most
MAX_VALUES = 512  # field values with the most purchases; rarer ones say nothing
MIN_PURCHASES = 20


@dataclass(frozen=True)
class ProfilePath:
    """users : one float32 [ids, rank] table a field. items : float32 [items, rank]. chosen : by cross-validation."""

    users: list[np.ndarray]
    items: np.ndarray
    chosen: dict[str, Any]


def fit_profile_path(data: TwoTowerDataset, rank: int, seed: int) -> ProfilePath:
    """From the TRAIN purchases; all zeros where there is no profile or it tells nothing about what people buy."""
    sizes = data.encoders.field_sizes
    users = [np.zeros((n, rank), np.float32) for n in sizes]
    items = np.zeros((data.n_items, rank), np.float32)
    counts = _Counts.of(data)
    if counts is None:
        return ProfilePath(users, items, {})
    chosen = _choose(data, counts, rank, seed)
    if chosen is None:
        return ProfilePath(users, items, {})
    left, right = counts.opinions(**chosen)
    for field, (a, b) in enumerate(pairwise(counts.offsets)):
        here = counts.place[a:b] >= 0
        users[field][here, : left.shape[1]] = left[counts.place[a:b][here]]
    items[counts.sold, : right.shape[1]] = right
    return ProfilePath(users, items, chosen)


@dataclass(frozen=True)
class _Counts:
    """Purchases of each item by people with each field value; of the values with enough, and of the items ever sold.

    by_value : float32 [values, sold].   total : float64 [sold].   sold : int64, item rows.
    place : int64 [ids of all fields], a value's row or -1.   offsets : int64 [fields + 1], of each field's ids therein.
    """

    by_value: np.ndarray
    total: np.ndarray
    sold: np.ndarray
    place: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, data: TwoTowerDataset) -> _Counts | None:
        """Of the TRAIN purchases; None where no value has enough of them."""
        rows = _learned(data)
        offsets = np.cumsum([0, *data.encoders.field_sizes])
        ids = data.profile_ids[rows]
        known = (ids + offsets[:-1])[ids >= FIRST]
        support = np.bincount(known, minlength=offsets[-1])
        kept = np.argsort(-support)[:MAX_VALUES]
        kept = np.sort(kept[support[kept] >= MIN_PURCHASES])
        if not len(kept):
            return None
        place = np.full(offsets[-1], -1)
        place[kept] = np.arange(len(kept))
        # What nobody bought has nothing to count; a catalog may hold several times as many items as were ever sold.
        sold = np.unique(data.item[rows])
        empty = cls(np.zeros((len(kept), len(sold)), np.float32), np.zeros(len(sold)), sold, place, offsets)
        return empty.plus(data, rows)

    def plus(self, data: TwoTowerDataset, rows: np.ndarray, sign: int = 1) -> _Counts:
        """With the purchases `rows`, or without them where `sign` is -1."""
        item = np.searchsorted(self.sold, data.item[rows])
        by_value = self.by_value.ravel().copy()
        for field in range(len(self.offsets) - 1):
            value = self.place[data.profile_ids[rows, field] + self.offsets[field]]
            here = value >= 0
            pairs = value[here] * len(self.sold) + item[here]
            by_value += sign * np.bincount(pairs, minlength=len(by_value)).astype(np.float32)
        total = self.total + sign * np.bincount(item, minlength=len(self.sold))
        return replace(self, by_value=by_value.reshape(self.by_value.shape), total=total)

    def opinions(self, shrinkage: float, scale: float, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """left [values, rank] and right [sold, rank]: left @ right.T is the log of purchases to what they would be if
        these people bought like everybody, as well as `rank` can say it; errors count by the items' popularity."""
        share = ((self.total + 1) / (self.total + 1).sum()).astype(np.float32)
        expected = self.by_value.sum(1, keepdims=True) * (self.total / self.total.sum()).astype(np.float32)
        table = scale * np.log((self.by_value + shrinkage) / (expected + shrinkage))
        weighted = table * np.sqrt(share)
        _, vectors = np.linalg.eigh((weighted @ weighted.T).astype(np.float64))
        left = vectors[:, ::-1][:, :rank].astype(np.float32)
        return left, table.T @ left


@dataclass(frozen=True)
class _NaiveBayes:
    """Popularity and the opinions of the fields, as evaluation measures them."""

    counts: _Counts
    left: np.ndarray
    right: np.ndarray

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        scores = np.full((len(cases), data.n_items), -np.inf, np.float32)
        # Ties count against a model. In the one list for all chance breaks them, or any profile would seem to help.
        chance = 1e-4 * np.random.default_rng(0).random(len(self.counts.sold))
        popular = np.log(self.counts.total + 0.5) + chance
        people = np.zeros((len(cases), self.left.shape[1]), np.float32)
        for field, offset in enumerate(self.counts.offsets[:-1]):
            value = self.counts.place[data.profile_ids[cases.rows, field] + offset]
            people += np.where(value[:, None] >= 0, self.left[value], 0)
        scores[:, self.counts.sold] = people @ self.right.T + popular
        return scores


def _learned(data: TwoTowerDataset) -> np.ndarray:
    return np.flatnonzero((data.role == TRAIN) & ~data.repeat)


def _choose(data: TwoTowerDataset, counts: _Counts, rank: int, seed: int) -> dict[str, Any] | None:
    """shrinkage and scale by NDCG@10 of people left out of the counts, and the rank; None where that is not better than
    the list that everybody gets: by more than two standard errors, for it is the best of several."""
    rows = _learned(data)
    fold = np.random.default_rng(seed).integers(0, FOLDS, data.n_users)
    people = _newcomers(data, rows, seed)
    if len(people) < FOLDS:
        return None
    others = [counts.plus(data, rows[fold[data.user[rows]] == k], sign=-1) for k in range(FOLDS)]

    def quality(settings: dict[str, Any]) -> np.ndarray:
        found = np.zeros(len(people))
        for k, of_others in enumerate(others):
            here = fold[people.users] == k
            model = _NaiveBayes(of_others, *of_others.opinions(**settings))
            found[here] = user_metrics(rank_targets(model, data, people[here]))["ndcg_10"]
        return found

    chosen: dict[str, Any] = {"shrinkage": SHRINKAGES[0], "scale": FIRST_SCALE, "rank": rank}
    for name, values in (("shrinkage", SHRINKAGES), ("scale", SCALES)):
        served = {value: float(quality({**chosen, name: value}).mean()) for value in values}
        chosen[name] = max(served, key=lambda value: served[value])
    gain = quality(chosen) - quality({**chosen, "scale": 0.0})
    return chosen if proven(gain, errors=2) else None


def _newcomers(data: TwoTowerDataset, rows: np.ndarray, seed: int) -> Cases:
    """People as they were before their first purchase, with all of the purchases `rows` ahead of them."""
    users, start = np.unique(data.user[rows], return_index=True)
    has_profile = (data.profile_ids[rows[start]] >= FIRST).any(1)
    at_most = affordable(PEOPLE, data.n_items)
    kept = np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(has_profile))[:at_most])
    targets = np.split(data.item[rows], start[1:])
    users, first = users[kept], rows[start[kept]]
    return Cases(users, first, data.first_row[users] - 1, [targets[k] for k in kept])
