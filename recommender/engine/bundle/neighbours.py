"""Which items go with an item: what its buyers want beside it, as far as purchases tell, and what is described alike.

Purchases speak through the item's *question*, a vector learned in training (training/questions.py) that asks the index
like a user's vector. What it does not know of an item with few buyers, the item's features tell: such an item asks with
the mean question of the items that are described most like it, and items that share its features are lifted by as much
as sharing that field lifts a pair among the items whose buyers are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from recommender.engine.data.inputs import ItemVectors, Rows, parts_of, unit

QUESTIONS = "item_question.npy"  # their file, beside the item vectors
CONTENT = "item_content.npy"  # likewise: what the items say of themselves (data/content.py)
MODEL_POPULAR = -2  # the column of an item's ranking vector that holds its log share of purchases
# What sharing every feature is worth beside a question that says nothing, in standard deviations of a question's
# scores; shared features count as much less as the question says more.
ON_TOPIC = 6.0
LEAST_PAIRS = 100.0  # pairs of items that share a field's value, at which what they tell of the field counts by half
ALIKE = 50  # items described most like one, whose questions stand in for its own
TIE = 1e-4  # of a standard deviation of popularity: among items of which nothing else is known, the popular come first


class HasQuestions(Protocol):
    """A model that knows what its items' buyers want: `Inference`."""

    @property
    def questions(self) -> np.ndarray: ...


class Search(Protocol):
    """An index that can be searched: `Index` and `MilvusIndex`."""

    def nearest(
        self, query: np.ndarray, lift: np.ndarray, k: int, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]: ...

    def top_k(
        self,
        users: np.ndarray,
        k: int,
        *,
        mask: np.ndarray | None = None,
        exclude: Sequence[np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]: ...


@dataclass(frozen=True)
class Neighbours:
    """Which items go with which.

    model : its `questions` are float32 [items, width + 1].
    vectors : ItemVectors of a catalog, the model's own items first.
    codes : int32 [fields, n], the value of each item feature, 0 where it is missing; equal values have equal codes.
    content : float32 [n, C], what the items say beside categories.   parts : the columns of it, each of which two items
    share as far as its cosine says.
    """

    model: HasQuestions
    vectors: ItemVectors
    codes: np.ndarray
    content: Rows
    parts: Sequence[slice] = ()

    @property
    def questions(self) -> np.ndarray:
        return self.model.questions

    def knows(self, row: int) -> bool:
        """Whether purchases or features say anything of what goes with the item in `row`."""
        if row < len(self.questions) and self.questions[row].any():
            return True
        alike = self._alike(self.codes[:, row], self.content[row])
        alike[row] = 0
        return bool(alike.any())

    def nearest(self, row: int, index: Search, k: int, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The k items that go best with the one in `row`: (rows int64 [<= k], scores float32 [<= k]).

        mask : bool [n], True for rows that may be listed.
        """
        allowed = mask.copy()
        allowed[row] = False
        own = self.questions[row] if row < len(self.questions) else np.zeros(self.questions.shape[1], np.float32)
        return self._nearest(own, self._alike(self.codes[:, row], self.content[row]), index, k, allowed)

    def nearest_to_described(
        self, codes: np.ndarray, content: np.ndarray, index: Search, k: int, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same for an item of which only the codes of its features, int [fields], and its content [C] are known."""
        own = np.zeros(self.questions.shape[1], np.float32)
        return self._nearest(own, self._alike(codes, content), index, k, mask)

    def _nearest(
        self, own: np.ndarray, alike: np.ndarray, index: Search, k: int, allowed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        room = max(1 - self._loudness(own), 0.0)
        question = own + room * self._question_of_the_like(alike)
        lift = (1 + room * ON_TOPIC / max(float(self.field_weights.sum()), 1e-12)) * alike
        query = np.zeros(self.vectors.rank.shape[1], np.float32)
        query[: len(question) - 1] = question[:-1]
        query[MODEL_POPULAR] = question[-1] + TIE / self._popular_spread
        return index.nearest(query, lift.astype(np.float32), k, allowed)

    def _alike(self, codes: np.ndarray, content: np.ndarray) -> np.ndarray:
        """float32 [n]: the weights of what each item shares, summed; of content, as far as it is shared."""
        alike = np.zeros(len(self.vectors), np.float32)
        for weight, column, code in zip(self.field_weights, self.codes, codes, strict=False):
            if code > 0 and weight > 0:
                alike += np.float32(weight) * (column == code)
        for weight, part, length in zip(self.field_weights[len(self.codes) :], self.parts, self._lengths, strict=True):
            if weight > 0 and content[part].any():
                shared = np.concatenate([rows[:, part] @ content[part] for rows in parts_of(self.content)])
                alike += np.float32(weight / np.linalg.norm(content[part])) * (shared / length).clip(min=0)
        return alike

    @cached_property
    def _lengths(self) -> list[np.ndarray]:
        """float32 [n] of each part of the content, the length of its vectors."""
        rows = parts_of(self.content)
        return [np.concatenate([np.linalg.norm(r[:, part], axis=1) + 1e-12 for r in rows]) for part in self.parts]

    def _question_of_the_like(self, alike: np.ndarray) -> np.ndarray:
        """float32 [width + 1]: what is asked of the items described most like one, more than of any item."""
        known = alike[: len(self.questions)]
        like = np.argsort(-known, kind="stable")[:ALIKE] if known.any() else np.zeros(0, np.int64)
        like = like[known[like] > 0]
        if not len(like):
            return np.zeros(self.questions.shape[1], np.float32)
        return np.average(self.questions[like], axis=0, weights=known[like]) - self._mean_question

    def _loudness(self, question: np.ndarray) -> float:
        """The standard deviation of a question's scores over the items."""
        return float(np.sqrt(max(question @ self._covariance @ question, 0)))

    @cached_property
    def _mean_question(self) -> np.ndarray:
        """float32 [width + 1]: what is asked of any item, which mostly is for what many buy."""
        return self.questions.mean(0)

    @property
    def _met(self) -> np.ndarray:
        """float32 [model's items, width + 1]: what questions meet."""
        rank = self.vectors.rank[: len(self.questions)]
        return np.column_stack([rank[:, : self.questions.shape[1] - 1], rank[:, MODEL_POPULAR]])

    @cached_property
    def _covariance(self) -> np.ndarray:
        centred = self._met - self._met.mean(0)
        return centred.T @ centred / max(len(centred), 1)

    @cached_property
    def _popular_spread(self) -> float:
        return float(np.sqrt(self._covariance[-1, -1])) or 1.0

    @cached_property
    def field_weights(self) -> np.ndarray:
        """float64 [fields + parts]: by how many standard deviations two items that share a field's value are nearer to
        each other than two that need not, as far as purchases tell; 0 where sharing it tells nothing or speaks against
        it. Of a part of the content by how many for a cosine of one.

        Where nobody bought two things, purchases tell nothing of any field, and all of them count alike.
        """
        if not self.questions.any():
            return np.ones(len(self.codes) + len(self.parts))
        met = self._met - self._met.mean(0)
        own = np.einsum("nd,nd->n", self.questions, met)
        asked = self.questions.any(1)
        weights = []
        for column in self.codes[:, : len(self.questions)]:
            n = int(column.max(initial=0)) + 1
            counts, asking = np.bincount(column, minlength=n), np.bincount(column, asked, n)
            known = column > 0
            pairs = float((asking * (counts - 1))[1:].sum())
            total = (_sums(self.questions, column, n) * _sums(met, column, n))[1:].sum() - own[known].sum()
            weights.append(max(float(total), 0.0) / (pairs + LEAST_PAIRS))
        rows = parts_of(self.content)[0][: len(self.questions)]
        for part in self.parts:
            alone = unit(rows[:, part].astype(np.float64))
            squares = (alone**2).sum(1)
            total = ((alone.T @ self.questions) * (alone.T @ met)).sum() - squares @ own
            pairs = float(((alone[asked].T @ alone[asked]) * (alone.T @ alone)).sum() - (squares[asked] ** 2).sum())
            weights.append(max(float(total), 0.0) / (pairs + LEAST_PAIRS))
        return np.array(weights)


def _sums(vectors: np.ndarray, codes: np.ndarray, n: int) -> np.ndarray:
    """float64 [n, d]: the sum of the vectors of each code."""
    order = np.argsort(codes, kind="stable")
    first = np.flatnonzero(np.diff(codes[order], prepend=-1))
    total = np.zeros((n, vectors.shape[1]))
    total[codes[order][first]] = np.add.reduceat(vectors[order].astype(np.float64), first, axis=0)
    return total


def feature_codes(
    columns: Mapping[str, Iterable[str]], fields: Sequence[str], n: int
) -> tuple[np.ndarray, list[dict[str, int]]]:
    """Item features as numbers: int32 [fields, n], 0 for what is missing; and the code of each value by field."""
    codes, code_of = [], []
    for name in fields:
        values = [value or "" for value in columns[name]]
        numbers = {value: code for code, value in enumerate(dict.fromkeys(["", *values]))}
        codes.append(np.array([numbers[value] for value in values], dtype=np.int32))
        code_of.append(numbers)
    return (np.stack(codes) if codes else np.zeros((0, n), np.int32)), code_of
