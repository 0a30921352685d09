"""What one step of training reads: stretches of histories in batches, the purchases to predict, sampled negatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recommender.engine.data.dataset import TwoTowerDataset, activity_cap
from recommender.engine.data.inputs import rating_bucket
from recommender.engine.data.splits import TRAIN
from recommender.engine.model.towers import LONG, SHORT


@dataclass(frozen=True)
class Window:
    """A stretch of one user's purchases: rows start..stop are read, those from `target_from` on are predicted."""

    start: int
    target_from: int
    stop: int


def windows(data: TwoTowerDataset, max_history: int) -> list[Window]:
    """Windows that predict every TRAIN purchase once, with at least half of `max_history` before it where there is.

    Of a user with more than `activity_cap` allows only the latest are predicted.
    """
    train_rows = np.flatnonzero(data.role == TRAIN)
    if len(train_rows) == 0:
        return []
    users, begin = np.unique(data.user[train_rows], return_index=True)
    end = np.append(begin[1:], len(train_rows))
    cap = max(int(activity_cap(end - begin)), max_history)
    begin = np.maximum(begin, end - cap)
    made = []
    step = max(max_history // 2, 1)
    for u, b, e in zip(users, begin, end, strict=True):
        first, predicted, stop = int(data.first_row[u]), int(train_rows[b]), int(train_rows[e - 1]) + 1
        made.append(Window(first, predicted, min(first + max_history, stop)))
        at = first + max_history
        while at < stop:
            if at + step > predicted:
                made.append(Window(at - step, max(at, predicted), min(at + step, stop)))
            at += step
    return made


def batches(made: list[Window], batch_rows: int, rng: np.random.Generator) -> Iterator[list[Window]]:
    """Windows in batches of like length (padding costs time), at most `batch_rows` padded rows each, shuffled."""
    lengths = np.array([w.stop - w.start for w in made])
    order = np.lexsort((rng.random(len(made)), lengths))
    groups: list[list[Window]] = []
    group: list[Window] = []
    for k in order:
        longest = int(lengths[k])  # lengths only grow
        if group and longest * (len(group) + 1) > batch_rows:
            groups.append(group)
            group = []
        group.append(made[k])
    if group:
        groups.append(group)
    for g in rng.permutation(len(groups)):
        yield groups[g]


@dataclass(frozen=True)
class Batch:
    """B windows padded to L purchases, of which P are predicted.

    items, bucket, gap, moment : int64 [B, L].
    state : int64 [P], 1 + the flat place of the last known purchase, 0 when nothing is known.
    target : int64 [P] item rows.   known : float32 [P].   ids [P, F], numbers [P, N].
    """

    items: Tensor
    bucket: Tensor
    gap: Tensor
    moment: Tensor
    state: Tensor
    target: Tensor
    known: Tensor
    ids: Tensor
    numbers: Tensor

    def bought(self) -> Tensor:
        """int64 [2, m]: (number of the target, item row) of every purchase of its window that came before it."""
        length = self.items.shape[1]
        last = self.state - 1
        place = torch.where(last >= 0, last % length, last)
        before = torch.arange(length, device=last.device) <= place[:, None]  # [P, L]
        target, k = before.nonzero(as_tuple=True)
        window = torch.div(last, length, rounding_mode="floor")[target]
        return torch.stack([target, self.items[window, k]])

    @classmethod
    def of(cls, group: Sequence[Window], data: TwoTowerDataset, device: torch.device, later: int) -> Batch:
        """later : purchases of each user that are predicted from the first few, too."""
        start = np.array([w.start for w in group], dtype=np.int64)
        stop = np.array([w.stop for w in group], dtype=np.int64)
        target_from = np.array([w.target_from for w in group], dtype=np.int64)
        rows = start[:, None] + np.arange((stop - start).max(initial=1))  # [B, L]
        inside = rows < stop[:, None]
        rows = np.where(inside, rows, start[:, None])
        first = data.first_row[data.user[start]]
        read = _shuffled_orders(rows, inside, data)  # [B, L]
        wanted = inside & (rows >= target_from[:, None]) & (data.role[read] == TRAIN) & ~data.repeat[read]
        b, _ = np.nonzero(wanted)
        moment, row = rows[wanted], read[wanted]  # [P]
        place = data.context[moment] - start[b]
        known = data.context[moment] - first[b] + 1
        if later:
            window, after, much_later = drawn_later(start, stop, read, later, data)
            b, place = np.append(b, window), np.append(place, after - 1)
            known, row = np.append(known, after), np.append(row, much_later)
            moment = np.append(moment, start[window] + after)
        tensors = (
            data.item[read].astype(np.int64),
            rating_bucket(data.rating[read]),
            data.gap[rows],
            data.moment[rows] - data.moment[start][:, None],
            np.where(place >= 0, 1 + b * rows.shape[1] + place, 0),
            data.item[row].astype(np.int64),
            known.astype(np.float32),
            data.profile_ids[moment],
            data.profile_numbers[moment],
        )
        return cls(*(torch.from_numpy(np.ascontiguousarray(t)).to(device) for t in tensors))


def _shuffled_orders(rows: np.ndarray, inside: np.ndarray, data: TwoTowerDataset) -> np.ndarray:
    """int64 [B, L]: the rows with those of a first basket in a new order: any part of it predicts any other."""
    users = data.user[rows[:, 0]]
    first_order = inside & (rows < data.first_order_end[users][:, None])
    first_order &= (rows[:, 0] == data.first_row[users])[:, None]  # a window that begins later reads on from another
    if not first_order.any():
        return rows
    keys = np.where(first_order, torch.rand(rows.shape).numpy(), 1.0 + np.arange(rows.shape[1]))
    return np.take_along_axis(rows, np.argsort(keys, axis=1), axis=1)


def drawn_later(
    start: np.ndarray, stop: np.ndarray, read: np.ndarray, most: int, data: TwoTowerDataset
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Purchases predicted from the first few of their user: number of the window [B] that opens the history, how many
    purchases are known, one to five, and the row of one after those, wherever it is.

    read : int64 [B, L], the rows in the order in which the windows read them.
    most : so many are drawn of a user with a long history, fewer of others: little comes much later there. Left out
        is what is bought again, or held out.
    """
    first, last = data.first_row[data.user[start]], data.first_row[data.user[start] + 1] - 1
    bought = last - first + 1
    often = np.where(start == first, most * bought / (bought + LONG), 0) + torch.rand(len(start)).numpy()
    window = np.repeat(np.arange(len(start)), often.astype(np.int64))
    start, stop, last = start[window], stop[window], last[window]
    known = 1 + (SHORT * torch.rand(len(window)).numpy()).astype(np.int64)
    there = start + known <= np.minimum(stop, last)
    window, start, stop, last, known = (values[there] for values in (window, start, stop, last, known))
    row = start + known + ((last - start - known + 1) * torch.rand(len(window)).numpy()).astype(np.int64)
    row = np.where(row < stop, read[window, (row - start).clip(max=read.shape[1] - 1)], row)
    learned = (data.role[row] == TRAIN) & ~data.repeat[row]
    return window[learned], known[learned], row[learned]


@dataclass(frozen=True)
class NegativeSampler:
    """Draws items in proportion to popularity to a power, and says how likely each draw was (for the logQ correction).

    Half of the draws follow popularity, half are uniform, so that rare items are pushed down too.
    """

    probability: np.ndarray
    cumulative: np.ndarray

    @classmethod
    def fit(cls, counts: np.ndarray, power: float = 0.75) -> NegativeSampler:
        weight = counts**power
        popular = weight / weight.sum() if weight.sum() else np.full(len(counts), 1 / len(counts))
        probability = 0.5 * popular + 0.5 / len(counts)
        return cls(probability, np.cumsum(probability))

    def inclusion(self, n: int) -> np.ndarray:
        """float64 [items]: how likely each is to be among n draws."""
        return -np.expm1(n * np.log1p(-self.probability.clip(max=1 - 1e-12)))

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """int64 [n] item rows, with repetition."""
        rows = np.searchsorted(self.cumulative, rng.random(n) * self.cumulative[-1], side="right")
        return rows.clip(max=len(self.cumulative) - 1).astype(np.int64)
