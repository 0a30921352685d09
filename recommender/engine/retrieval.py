"""Exact top-k: one matrix product, a mask, a partial sort. The seam where a vector engine would stand in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Index:
    """The ranking vectors of a catalog, ready to be searched. vectors : float32 [n, d], may be memory mapped."""

    def __init__(self, vectors: np.ndarray):
        self.vectors = vectors

    def __len__(self) -> int:
        return len(self.vectors)

    def scores(self, users: np.ndarray) -> np.ndarray:
        """float32 [B, n] of ranking vectors of people, float32 [B, d]."""
        return users @ self.vectors.T

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
        scores = self.scores(np.asarray(users, dtype=np.float32))
        if mask is not None:
            scores[:, ~mask] = -np.inf
        for row, rows in enumerate(exclude or ()):
            scores[row, rows] = -np.inf
        return best_rows(scores, k)


def best_rows(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest of each row of scores [B, n], the best first; -1 in place of those at -inf."""
    n = scores.shape[1]
    kept = min(k, n)
    if kept == 0:
        return np.full((len(scores), k), -1), np.full((len(scores), k), -np.inf, np.float32)
    rows = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
    rows.sort(axis=1)
    found = np.take_along_axis(scores, rows, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    rows, found = np.take_along_axis(rows, order, axis=1), np.take_along_axis(found, order, axis=1)
    rows = np.where(np.isneginf(found), -1, rows)
    if kept < k:
        rows = np.pad(rows, ((0, 0), (0, k - kept)), constant_values=-1)
        found = np.pad(found, ((0, 0), (0, k - kept)), constant_values=-np.inf)
    return rows, found


def similar(vectors: np.ndarray, row: int, k: int, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The k items most like the one in `row`, by cosine of vectors [n, d]: (rows int64 [<= k], cosines float32)."""
    own = vectors[row]
    cosine = (vectors @ own) / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(own) + 1e-12)
    cosine[row] = -np.inf
    if mask is not None:
        cosine[~mask] = -np.inf
    rows, found = best_rows(cosine[None], k)
    listed = rows[0] >= 0
    return rows[0][listed], found[0][listed]


def diversify(vectors: np.ndarray, relevance: np.ndarray, k: int, diversity: float) -> np.ndarray:
    """k places of a candidate list, ordered so as not to say the same thing twice (MMR; Carbonell & Goldstein 1998).

    vectors [n, d] of the candidates, relevance [n] their scores, diversity 0 (the plain order) to 1.
    """
    n = len(relevance)
    norm = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12)
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
