"""The profile path in closed form: which items do people of this field value buy more, or less, than everybody?

For each value v of each profile field and each item i: log((C + k) / (E + k)), C the purchases of i by people with v, E
how many there would be if they bought like everybody. k shrinks: a value or an item with few purchases says next to
nothing. Summed over the fields and scaled, that is naive Bayes; of low rank it is a dot product of two towers.
k and the scale are chosen on people who were left out of the counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from recommender.engine.dataset import TRAIN, TwoTowerDataset

SHRINKAGES = (5.0, 20.0, 80.0)
SCALES = (0.0, 0.25, 0.5, 0.75, 1.0)
MAX_VALUES = 512  # field values with the most purchases; rarer ones say nothing
MIN_PURCHASES = 20


@dataclass(frozen=True)
class ProfilePath:
    """users : one float32 [ids, rank] table a field. items : float32 [items, rank]. chosen : what validation chose."""

    users: list[np.ndarray]
    items: np.ndarray
    chosen: dict[str, float]


def fit_profile_path(data: TwoTowerDataset, rank: int, seed: int) -> ProfilePath:
    """From the TRAIN purchases; all zeros where there is no profile or it says nothing about held-out people."""
    sizes = data.encoders.field_sizes
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    no_say = [np.zeros((n, rank), np.float32) for n in sizes]
    nothing = ProfilePath(no_say, np.zeros((data.n_items, rank), np.float32), {})
    train = np.flatnonzero((data.role == TRAIN) & ~data.repeat)
    if not sizes or len(train) == 0:
        return nothing
    values = data.profile_ids[train] + offsets[:-1]  # [n, fields] ids of all fields in one numbering
    known = data.profile_ids[train] >= 2
    support = np.bincount(values[known], minlength=offsets[-1])
    kept = np.argsort(-support)[:MAX_VALUES]
    kept = np.sort(kept[support[kept] >= MIN_PURCHASES])
    if len(kept) == 0:
        return nothing
    place = np.full(offsets[-1], -1)
    place[kept] = np.arange(len(kept))

    # What nobody bought has nothing to count; a catalog may hold several times as many items as were ever sold.
    sold, item = np.unique(data.item[train], return_inverse=True)
    held_out = np.random.default_rng(seed).random(data.n_users) < 0.2
    is_held = held_out[data.user[train]]
    best = (-np.inf, SHRINKAGES[-1], 0.0)
    if is_held.any() and not is_held.all():
        counts = _counts(values[~is_held], known[~is_held], item[~is_held], place, len(kept), len(sold))
        total = np.bincount(item[~is_held], minlength=len(sold)).astype(np.float64)
        questions = values[is_held], known[is_held], item[is_held]
        for shrinkage in SHRINKAGES:
            table = _log_ratios(counts, total, shrinkage)
            for scale in SCALES:
                fit = _log_likelihood(table * scale, place, total, *questions)
                best = max(best, (fit, shrinkage, scale))
    _, shrinkage, scale = best
    if scale == 0:
        return nothing
    counts = _counts(values, known, item, place, len(kept), len(sold))
    total = np.bincount(item, minlength=len(sold)).astype(np.float64)
    left, right = _low_rank(_log_ratios(counts, total, shrinkage) * scale, total, rank)
    everybody = np.zeros((offsets[-1], rank), np.float32)
    everybody[kept] = left
    users = [everybody[a:b] for a, b in pairwise(offsets)]
    items = np.zeros((data.n_items, rank), np.float32)
    items[sold] = right
    return ProfilePath(users, items, {"shrinkage": shrinkage, "scale": scale})


def _counts(
    values: np.ndarray, known: np.ndarray, item: np.ndarray, place: np.ndarray, n_values: int, n_items: int
) -> np.ndarray:
    """float32 [values, items]: purchases of each item by people with each value."""
    counts = np.zeros(n_values * n_items, dtype=np.float32)
    for f in range(values.shape[1]):
        row = np.where(known[:, f], place[values[:, f]], -1)
        here = row >= 0
        counts += np.bincount(row[here] * n_items + item[here], minlength=len(counts)).astype(np.float32)
    return counts.reshape(n_values, n_items)


def _log_ratios(counts: np.ndarray, total: np.ndarray, shrinkage: float) -> np.ndarray:
    expected = counts.sum(1, keepdims=True) * (total / total.sum()).astype(np.float32)
    return np.log((counts + shrinkage) / (expected + shrinkage))


def _log_likelihood(
    table: np.ndarray, place: np.ndarray, total: np.ndarray, values: np.ndarray, known: np.ndarray, item: np.ndarray
) -> float:
    """Mean log probability of held-out purchases given profiles: popularity times exp(sum over the fields)."""
    sample = np.random.default_rng(0).permutation(len(item))[:4000]
    log_share = np.log((total + 1) / (total + 1).sum())
    likelihood = 0.0
    at_once = max(20_000_000 // table.shape[1], 1)
    for part in np.array_split(sample, len(sample) // at_once + 1):
        scores = np.tile(log_share, (len(part), 1))
        for f in range(values.shape[1]):
            row = np.where(known[part, f], place[values[part, f]], -1)
            scores += np.where(row[:, None] >= 0, table[row], 0)
        top = scores.max(1, keepdims=True)
        normal = top[:, 0] + np.log(np.exp(scores - top).sum(1))
        likelihood += float((scores[np.arange(len(part)), item[part]] - normal).sum())
    return likelihood / max(len(sample), 1)


def _low_rank(table: np.ndarray, total: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """table [values, items] ~ left [values, rank] @ right.T, errors weighted by the items' popularity."""
    weight = np.sqrt((total + 1) / (total + 1).sum()).astype(np.float32)
    weighted = table * weight
    _, vectors = np.linalg.eigh((weighted @ weighted.T).astype(np.float64))
    basis = vectors[:, ::-1][:, :rank].astype(np.float32)  # [values, <= rank]
    left = np.zeros((len(table), rank), np.float32)
    right = np.zeros((table.shape[1], rank), np.float32)
    left[:, : basis.shape[1]], right[:, : basis.shape[1]] = basis, table.T @ basis
    return left, right
