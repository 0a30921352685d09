"""Exact top-k: one matrix product, a mask, a partial sort. The seam where a vector engine would stand in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recommender.engine.data.inputs import Rows, parts_of, unit

AT_ONCE = 2**22  # scores in memory at a time: more fall out of the processor's cache
LEAST_USERS = 16  # but never fewer people, so that a large catalog is not read anew for each


class Index:
    """The ranking vectors of a catalog, ready to be searched.

    vectors : float32 [n, d], may be memory mapped, or stacked.
    """

    def __init__(self, vectors: Rows):
        self.vectors = vectors

    def __len__(self) -> int:
        return len(self.vectors)

    def scores(self, users: np.ndarray) -> np.ndarray:
        """float32 [B, n] of ranking vectors of people, float32 [B, d]."""
        parts = parts_of(self.vectors)
        if len(parts) == 1:
            return users @ parts[0].T
        scores, start = np.empty((len(users), len(self)), np.float32), 0
        for part in parts:
            np.matmul(users, part.T, out=scores[:, start : start + len(part)])
            start += len(part)
        return scores

    def top_k(
        self,
        users: np.ndarray,
        k: int,
        *,
        mask: np.ndarray | None = None,
        exclude: Sequence[np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k best rows for each person, the best first: (rows int64 [B, k], scores float32 [B, k]).

        mask : bool [n], True for rows that may be listed.   exclude : for each person, rows that may not.
        Where fewer than k rows may be listed, the rest of the row is -1 with a score of -inf. Equal scores: the lower
        row first, so that the same question has the same answer.
        """
        users = np.asarray(users, dtype=np.float32)
        rows, best_scores = np.full((len(users), k), -1), np.full((len(users), k), -np.inf, np.float32)
        step = max(LEAST_USERS, AT_ONCE // max(len(self), 1))
        for part in (slice(start, start + step) for start in range(0, len(users), step)):
            scores = self.scores(users[part])
            if mask is not None and not mask.all():
                np.copyto(scores, -np.inf, where=~mask)
            if exclude is not None:
                left_out = exclude[part]
                people = np.repeat(np.arange(len(scores)), [len(of_one) for of_one in left_out])
                scores[people, np.concatenate(left_out)] = -np.inf
            rows[part], best_scores[part] = best_rows(scores, k)
        return rows, best_scores

    def log_totals(self, users: np.ndarray) -> np.ndarray:
        """float64 [B]: the logarithm of the sum over all rows of exp(score), for ranking vectors of people, [B, d]."""
        totals = np.empty(len(users))
        step = max(LEAST_USERS, AT_ONCE // max(len(self), 1))
        for part in (slice(start, start + step) for start in range(0, len(users), step)):
            scores = self.scores(users[part])
            best = scores.max(axis=1, keepdims=True)
            totals[part] = best[:, 0] + np.log(np.exp(scores - best).sum(axis=1))
        return totals

    def nearest(self, query: np.ndarray, lift: np.ndarray, k: int, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The k best rows for one query: (rows int64 [<= k], scores float32 [<= k]), the best first.

        query : float32 [d].   lift : float32 [n], added to the scores.   mask : bool [n], rows that may be listed.
        """
        scores = self.scores(query[None]) + lift
        scores[0, ~mask] = -np.inf
        rows, best_scores = best_rows(scores, k)
        listed = rows[0] >= 0
        return rows[0][listed], best_scores[0][listed]


def best_rows(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest of each row of scores float32 [B, n], the best first; -1 in place of those at -inf.

    Equal scores: the lower place first, at the end of the list as well.
    """
    rows, best_scores = np.full((len(scores), k), -1), np.full((len(scores), k), -np.inf, np.float32)
    if k:
        for of_one, best, its_scores in zip(scores, rows, best_scores, strict=True):
            places = _best_places(of_one, k)
            best[: len(places)], its_scores[: len(places)] = places, of_one[places]
    return rows, best_scores


def _best_places(scores: np.ndarray, k: int) -> np.ndarray:
    """int64 [<= k] places of scores [n]. Numpy's partition finds the last of them faster than any sieve before it."""
    last = np.partition(scores, -k)[-k] if k < len(scores) else -np.inf
    places = np.flatnonzero(scores >= last if last > -np.inf else scores > last)
    if len(places) > k:  # several are equal to the last
        above = places[scores[places] > last]
        places = np.append(above, places[scores[places] == last][: k - len(above)])
    return places[np.argsort(-scores[places], kind="stable")]


def diversify(vectors: np.ndarray, relevance: np.ndarray, k: int, diversity: float) -> np.ndarray:
    """k places of a candidate list, ordered so as not to say the same thing twice (MMR; Carbonell & Goldstein 1998).

    vectors [n, d] of the candidates, relevance [n] their scores, diversity 0 (the plain order) to 1.
    """
    n = len(relevance)
    norm = unit(vectors)
    spread = float(relevance.max() - relevance.min()) if n else 0.0
    worth = (relevance - relevance.min()) / spread if spread else np.zeros(n)
    nearest = np.full(n, -1.0)
    left = np.ones(n, dtype=bool)
    chosen: list[int] = []
    for _ in range(min(k, n)):
        value = (1 - diversity) * worth - (diversity * nearest if chosen else 0)
        pick = int(np.argmax(np.where(left, value, -np.inf)))
        chosen.append(pick)
        left[pick] = False
        nearest = np.maximum(nearest, norm @ norm[pick])
    return np.array(chosen, dtype=np.int64)
