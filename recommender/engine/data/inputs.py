"""What the user tower reads of a batch of people, as plain arrays: the one form that training and serving share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

RATING_BUCKETS = 7  # 0: not rated, 1..6: a rating rounded to 0..5
GAP_BUCKETS = 16  # log2 of the hours since the purchase before
# What the user tower reads: of each purchase, one after the other; and, with the state after the last, of the whole.
EVENTS, ANSWER = ("history", "bucket", "gap"), ("trace", "moment", "length", "known", "ids", "numbers")


class Stacked:
    """Rows of one array and, below them, those of another, read as if they were one; neither is copied.

    So the vectors of a model's own items stay in their file, which all processes share, while those of the items
    created since, a few, lie in memory.
    """

    def __init__(self, first: np.ndarray, more: np.ndarray):
        self.parts = (first, more)
        self.shape = (len(first) + len(more), first.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray | slice | int) -> np.ndarray:
        """Rows by number, a copy; float32 [..., d] for rows of shape [...]."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        first, more = self.parts
        rows = np.asarray(rows)
        newer = rows >= len(first)
        if not newer.any():
            return first[rows]
        found = np.empty((*rows.shape, self.shape[1]), first.dtype)
        found[~newer], found[newer] = first[rows[~newer]], more[rows[newer] - len(first)]
        return found


def mapped(path: Path) -> np.ndarray:
    """An array that stays in its file, whose pages all processes share; np.memmap itself is slow to slice."""
    return np.load(path, mmap_mode="r").view(np.ndarray)


Rows = np.ndarray | Stacked


def parts_of(rows: Rows) -> tuple[np.ndarray, ...]:
    """The arrays that rows lie in, from the top."""
    return rows.parts if isinstance(rows, Stacked) else (rows,)


def unit(vectors: np.ndarray) -> np.ndarray:
    """The vectors [n, d] at length one; those without a length stay what they are."""
    return vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12)


@dataclass(frozen=True)
class Vectors:
    """Vectors of n people or items. rank : float32 [n, d], their dot products rank. rate : float32 [n, r], ratings.

    trace : float32 [n, width], what an item leaves in the vector of who bought it, and what the first `width` columns
        of its `rank` are met with; 0 wide for people.
    """

    rank: np.ndarray
    rate: np.ndarray
    trace: np.ndarray

    def __len__(self) -> int:
        return len(self.rank)

    def __getitem__(self, rows: np.ndarray | slice) -> Vectors:
        return Vectors(self.rank[rows], self.rate[rows], self.trace[rows])

    def above(self, more: Vectors) -> StackedVectors:
        """These and, below them, more, without a copy of either."""
        pairs = ((self.rank, more.rank), (self.rate, more.rate), (self.trace, more.trace))
        return StackedVectors(*(Stacked(first, second) for first, second in pairs))

    @classmethod
    def concat(cls, parts: list[Vectors]) -> Vectors:
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("rank", "rate", "trace")))

    @classmethod
    def of_people(cls, rank: np.ndarray, rate: np.ndarray) -> Vectors:
        return cls(rank, rate, np.zeros((len(rank), 0), np.float32))


@dataclass(frozen=True)
class StackedVectors:
    """Vectors of a model's own items and of those created since."""

    rank: Stacked
    rate: Stacked
    trace: Stacked

    def __len__(self) -> int:
        return len(self.rank)

    def __getitem__(self, rows: np.ndarray | slice) -> Vectors:
        return Vectors(self.rank[rows], self.rate[rows], self.trace[rows])


ItemVectors = Vectors | StackedVectors


@dataclass(frozen=True)
class UserInputs:
    """B people. Histories are right-padded to L >= 1 purchases, oldest first: for ratings more of them are read than
    for lists, which are made from the latest.

    items : int64 [B, L] rows of the item vectors, 0 in the padding.   rating : float32 [B, L], nan where none.
    gap : int64 [B, L] bucket of the time since the purchase before.   moment : int64 [B, L], one number for all that
    was bought at one time, and the next one for what was bought next.   length : int64 [B], may be 0.
    known : float32 [B] purchases in all, also those before the history's start.
    ids : int64 [B, fields].   numbers : float32 [B, 2 x numerical fields].
    """

    items: np.ndarray
    rating: np.ndarray
    gap: np.ndarray
    moment: np.ndarray
    length: np.ndarray
    known: np.ndarray
    ids: np.ndarray
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.length)

    def latest(self, most: int) -> UserInputs:
        """The same people with at most so many purchases, the latest: what lists are made from."""
        width = self.items.shape[1]
        if width <= most:
            return self
        place = ((self.length - most).clip(min=0)[:, None] + np.arange(most)).clip(max=width - 1)  # [B, most]
        of_purchases = ("items", "rating", "gap", "moment")
        latest = {name: np.take_along_axis(getattr(self, name), place, 1) for name in of_purchases}
        return replace(self, **latest, length=self.length.clip(max=most))

    def since(self, people: np.ndarray, first: np.ndarray | int = 0) -> UserInputs:
        """Some of the people (rows int64 [b]) from their purchase `first` (int64 [b], from 0) on; there is one."""
        length = self.length[people] - first
        place = np.broadcast_to(first, len(people))[:, None] + np.arange(length.max(initial=1))
        row, place = people[:, None], place.clip(max=self.items.shape[1] - 1)
        return UserInputs(
            items=self.items[row, place],
            rating=self.rating[row, place],
            gap=self.gap[row, place],
            moment=self.moment[row, place],
            length=length,
            known=self.known[people],
            ids=self.ids[people],
            numbers=self.numbers[people],
        )

    def shared_with(self, others: np.ndarray) -> np.ndarray:
        """int64 [B]: how many purchases, from the first on, each has in common with the person in row `others`."""
        length = np.minimum(self.length, self.length[others])
        differs = np.arange(self.items.shape[1]) >= length[:, None]
        for read in (self.items, rating_bucket(self.rating), self.gap):
            differs |= read != read[others]
        return np.where(differs.any(1), differs.argmax(1), length)

    def feed(self, items: ItemVectors, names: Sequence[str] = (*EVENTS, *ANSWER)) -> dict[str, np.ndarray]:
        """What a user tower reads, by name. Padding reads item 0, which a causal tower never sees."""
        made: dict[str, Callable[[], np.ndarray]] = {
            "history": lambda: items.rank[self.items][..., : items.trace.shape[1]],
            "trace": lambda: items.trace[self.items],
            "bucket": lambda: rating_bucket(self.rating),
        }
        return {name: made[name]() if name in made else getattr(self, name) for name in names}

    @classmethod
    def of(
        cls,
        histories: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
        known: np.ndarray,
        ids: np.ndarray,
        numbers: np.ndarray,
        max_history: int,
    ) -> UserInputs:
        """From (item rows, times, ratings) of each person, oldest first; the latest `max_history` are read."""
        length = np.array([min(len(h[0]), max_history) for h in histories], dtype=np.int64)
        shape = (len(histories), max(int(length.max(initial=0)), 1))
        items, rating = np.zeros(shape, np.int64), np.full(shape, np.nan, np.float32)
        times = np.full((len(histories), shape[1] + 1), np.nan)  # the first: of the purchase before the history's start
        for row, (n, (item, time, rated)) in enumerate(zip(length.tolist(), histories, strict=True)):
            start = len(item) - n
            items[row, :n], rating[row, :n] = item[start:], rated[start:]
            if start:
                times[row, : n + 1] = time[start - 1 :]
            else:
                times[row, 1 : n + 1] = time
        moment = (times[:, 1:] != times[:, :-1]).cumsum(axis=1)
        return cls(items, rating, gap_bucket(times), moment, length, known.astype(np.float32), ids, numbers)


def rating_bucket(rating: np.ndarray) -> np.ndarray:
    """int64 ids of ratings: 0 where none, else 1 + the rating rounded."""
    return np.where(np.isfinite(rating), 1 + np.rint(rating), 0).astype(np.int64)


def gap_bucket(time: np.ndarray) -> np.ndarray:
    """int64 [..., n] ids of the time since the purchase before: 1 + log2 of the hours; 0 where either is nan.

    time : float64 [..., n + 1], Unix seconds.
    """
    hours = np.maximum(time[..., 1:] - time[..., :-1], 0) / 3600
    bucket = np.minimum(1 + np.log2(1 + hours), GAP_BUCKETS - 1)
    return np.where(np.isfinite(bucket), bucket, 0).astype(np.int64)
