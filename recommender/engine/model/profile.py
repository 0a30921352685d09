"""The profile path in closed form: which items do users of this field value buy more, or less, than everybody?

For each value v of each profile field and each item i: log((C + k) / (E + k)), C the purchases of i by users with v, E
how many there would be if they bought like everybody. k shrinks: a value or an item with few purchases says next to
nothing. Summed over the fields, scaled and added to the log share of purchases, that is naive Bayes; of low rank it is
a dot product of two towers. The scale makes up for what the fields say twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.numbers import FIRST
from recommender.engine.data.splits import TRAIN, drawn

SHRINKAGE = 30.0
MAX_VALUES = 512  # field values with the most purchases; rarer ones say nothing
MIN_PURCHASES = 20


@dataclass(frozen=True)
class ProfilePath:
    """users : one float32 [ids, rank] table a field.   items : float32 [items, rank].   scale : 0 where silent."""

    users: list[np.ndarray]
    items: np.ndarray
    scale: float

    @classmethod
    def silent(cls, data: TwoTowerDataset, rank: int) -> ProfilePath:
        users = [np.zeros((n, rank), np.float32) for n in data.encoders.field_sizes]
        return cls(users, np.zeros((data.n_items, rank), np.float32), 0.0)

    @classmethod
    def fit(cls, data: TwoTowerDataset, counts: ProfileCounts, rank: int, scale: float) -> ProfilePath:
        path = replace(cls.silent(data, rank), scale=scale)
        left, right = counts.log_ratios(scale, rank)
        for field, (a, b) in enumerate(pairwise(counts.offsets)):
            here = counts.place[a:b] >= 0
            path.users[field][here, : left.shape[1]] = left[counts.place[a:b][here]]
        path.items[counts.sold, : right.shape[1]] = right
        return path


@dataclass(frozen=True)
class ProfileCounts:
    """Purchases of each item by users with each field value; of the values with enough, and of the items ever sold.

    by_value : float32 [values, sold].   total : float64 [sold].   sold : int64, item rows.
    place : int64 [ids of all fields], a value's row or -1.   offsets : int64 [fields + 1], of each field's ids therein.
    """

    by_value: np.ndarray
    total: np.ndarray
    sold: np.ndarray
    place: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, data: TwoTowerDataset) -> ProfileCounts | None:
        """Of the TRAIN purchases; None where no value has enough of them."""
        rows = learned_rows(data)
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

    def plus(self, data: TwoTowerDataset, rows: np.ndarray, sign: int = 1) -> ProfileCounts:
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

    def log_ratios(self, scale: float, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """left [values, rank] and right [sold, rank]: left @ right.T is the log of purchases to what they would be if
        these users bought like everybody, as well as `rank` can say it; errors count by the items' popularity."""
        share = ((self.total + 1) / (self.total + 1).sum()).astype(np.float32)
        expected = self.by_value.sum(1, keepdims=True) * (self.total / self.total.sum()).astype(np.float32)
        table = scale * np.log((self.by_value + SHRINKAGE) / (expected + SHRINKAGE))  # [values, sold]
        weighted = table * np.sqrt(share)
        _, vectors = np.linalg.eigh((weighted @ weighted.T).astype(np.float64))
        left = vectors[:, ::-1][:, :rank].astype(np.float32)
        return left, table.T @ left

    def vectors(self, left: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """float32 [n, rank]: the sum of what the fields' values say. ids : int64 [n, fields]."""
        value = self.place[ids + self.offsets[:-1]]  # [n, fields]
        return np.where(value[..., None] >= 0, left[value], 0).sum(1)


def learned_rows(data: TwoTowerDataset) -> np.ndarray:
    """int64: the TRAIN purchases of something new to the user."""
    return np.flatnonzero((data.role == TRAIN) & ~data.repeat)


def newcomers(data: TwoTowerDataset, rows: np.ndarray, at_most: int, seed: int) -> Cases:
    """Users with a profile as they were before their first purchase, with all of the purchases `rows` ahead of them."""
    users, start = np.unique(data.user[rows], return_index=True)
    has_profile = (data.profile_ids[rows[start]] >= FIRST).any(1)
    kept = np.flatnonzero(has_profile)
    kept = np.sort(kept[np.argsort(drawn(data.tables.user_keys[users[kept]], f"newcomers {seed}"))[:at_most]])
    targets = np.split(data.item[rows], start[1:])
    users, first = users[kept], rows[start[kept]]
    return Cases(users, first, data.first_row[users] - 1, [targets[k] for k in kept])
