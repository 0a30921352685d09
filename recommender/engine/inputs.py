"""What the user tower reads of a batch of people, as plain arrays: the one form that training and serving share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RATING_BUCKETS = 7  # 0: not rated, 1..6: a rating rounded to 0..5
GAP_BUCKETS = 16  # log2 of the hours since the purchase before


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

    @classmethod
    def concat(cls, parts: list[Vectors]) -> Vectors:
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("rank", "rate", "trace")))

    @classmethod
    def of_people(cls, rank: np.ndarray, rate: np.ndarray) -> Vectors:
        return cls(rank, rate, np.zeros((len(rank), 0), np.float32))


@dataclass(frozen=True)
class UserInputs:
    """B people. Histories are right-padded to L >= 1 purchases, oldest first: for ratings more of them are read than
    for lists, which are made from the latest.

    items : int64 [B, L] rows of the item vectors, 0 in the padding.   rating : float32 [B, L], nan where none.
    gap : int64 [B, L] bucket of the time since the purchase before.   length : int64 [B], may be 0.
    known : float32 [B] purchases in all, also those before the history's start.
    ids : int64 [B, fields].   numbers : float32 [B, 2 x numerical fields].
    """

    items: np.ndarray
    rating: np.ndarray
    gap: np.ndarray
    length: np.ndarray
    known: np.ndarray
    ids: np.ndarray
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.length)

    def feed(self, items: Vectors, max_history: int) -> dict[str, np.ndarray]:
        """The user tower's inputs by name. Padding reads item 0, which a causal tower never sees."""
        width = self.items.shape[1]
        latest = (self.length - max_history).clip(min=0)[:, None] + np.arange(min(width, max_history))
        latest = latest.clip(max=width - 1)  # [B, places in the history]
        of_list, rating, gap = (np.take_along_axis(a, latest, 1) for a in (self.items, self.rating, self.gap))
        return {
            "history": items.rank[of_list, : items.trace.shape[1]],
            "trace": items.trace[of_list],
            "bucket": rating_bucket(rating),
            "gap": gap,
            "length": self.length.clip(max=max_history),
            "factors": items.rate[self.items],
            "rating": self.rating,
            "read": self.length,
            "known": self.known,
            "ids": self.ids,
            "numbers": self.numbers,
        }

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
        return cls(items, rating, gap_bucket(times), length, known.astype(np.float32), ids, numbers)


def rating_bucket(rating: np.ndarray) -> np.ndarray:
    """int64 ids of ratings: 0 where none, else 1 + the rating rounded."""
    return np.where(np.isfinite(rating), 1 + np.rint(np.nan_to_num(rating)), 0).astype(np.int64)


def gap_bucket(time: np.ndarray) -> np.ndarray:
    """int64 [..., n] ids of the time since the purchase before: 1 + log2 of the hours; 0 where either is nan.

    time : float64 [..., n + 1], Unix seconds.
    """
    hours = np.maximum(np.diff(time), 0) / 3600
    return np.nan_to_num(1 + np.log2(1 + hours).clip(max=GAP_BUCKETS - 2)).astype(np.int64)
