"""What goes with an item: what its buyers want beside it, as far as purchases tell, and what is described alike.

Two items are near each other when the same people bought both, in the measure of item-kNN: the cosine between the
items' buyers, shrunk by counts, in which a person with many purchases says less of each pair. That matrix K of items by
items is never written down. It is met in the model's own item vectors X, by least squares:

    K ~ questions @ X.T     questions = K X (X'X)^-1

K is a product of purchase matrices, so that K X takes two passes over the purchases. An item's row of `questions` is
then one more vector that asks the index which items come next, and items that were created since training have vectors
to be found by. What K does not know of an item with few buyers, its features tell: such an item asks with the mean
question of the items that are described most like it, and items that share its features are lifted by as much as
sharing that field lifts a pair among the items whose buyers are known.

numpy only: web processes and the standalone ask the same function, `Neighbours.nearest`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np

from recommender.engine.data.inputs import ItemVectors

QUESTIONS = "item_question.npy"  # their file, beside the item vectors
SHRINKAGE = 10.0  # typical buyers that are added to an item's own in the cosine
FEW = 2.0  # buyers at which an item's purchases and its features say equally much
MODEL_POPULAR = -2  # the column of an item's ranking vector that holds its log share of purchases
RIDGE = 1e-3  # of the mean square of the item vectors, so that the least squares have one answer
# What sharing every feature is worth beside a question that says nothing, in standard deviations of a question's
# scores; shared features count as much less as the question says more.
ON_TOPIC = 6.0
LEAST_PAIRS = 100.0  # pairs of items that share a field's value, at which what they tell of the field counts by half
ALIKE = 50  # items described most like one, whose questions stand in for its own
# No item stands in the lists of more than a tenth of all items, or four times the mean share where that is more.
HUB_LIST, HUB_SHARE, HUB_TIMES = 10, 0.1, 4.0
HUB_PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the mean question, tried in turn
HUB_QUESTIONS, HUB_SCORES = 1000, 20_000_000  # on which it is tried, at most
TIE = 1e-4  # of a standard deviation of popularity: among items of which nothing else is known, the popular come first
PURCHASES_AT_ONCE = 1 << 16


class Learned(Protocol):
    """A model that knows what its items' buyers want: `Inference`."""

    @property
    def questions(self) -> np.ndarray: ...


class Search(Protocol):
    """What is asked of an index: `Index` and `MilvusIndex`."""

    def nearest(
        self, query: np.ndarray, lift: np.ndarray, k: int, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]: ...


def learn_questions(rank: np.ndarray, width: int, first_row: np.ndarray, item: np.ndarray) -> np.ndarray:
    """float32 [n, width + 1]: what each item's buyers want beside it, in standard deviations over all items.

    It is met with the first `width` columns of `rank` and with that of popularity. An item with few buyers asks
    quietly, one whose buyers bought nothing else not at all.

    rank : float32 [n, d], the items' ranking vectors.   first_row : int64 [users + 1], item : int [purchases], the
    histories, as in a bundle's assets.
    """
    n = len(rank)
    basis = _basis(rank, width)  # [n, width + 2]
    user, item = _pairs(first_row, item, n)
    bought = np.bincount(user, minlength=len(first_row) - 1)  # items of each user
    told = bought[user] > 1  # whoever bought one thing tells of no pair
    user, item = user[told], item[told]
    if not len(user):
        return np.zeros((n, width + 1), np.float32)
    says = 1 / np.sqrt(bought.clip(min=1))  # [users]
    evidence = np.bincount(item, says[user], n)
    scale = 1 / np.sqrt(evidence + SHRINKAGE * np.median(says[np.unique(user)]))  # [n]
    voted = _votes(basis * scale[:, None], user, item, says)
    voted -= (evidence * scale)[:, None] * basis  # nothing goes with itself
    gram = basis.T @ basis
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    questions = np.linalg.solve(gram, (scale[:, None] * voted).T).T[:, :-1]  # the last column lifts all items alike
    centred = basis[:, :-1] - basis[:, :-1].mean(0)
    buyers = np.bincount(item, minlength=n)
    questions = _without_hubs(questions, centred, buyers / (buyers + FEW))
    questions[:, -1] /= _popular_spread(rank)  # met with the column as it is
    return questions.astype(np.float32)


def _without_hubs(questions: np.ndarray, met: np.ndarray, loudness: np.ndarray) -> np.ndarray:
    """The questions at their loudness, less as much of the mean one as it takes for no item to stand in too many lists.

    Nothing is taken away where none does: that many people buy an item is part of what comes next.
    questions, met : float64 [n, d].   loudness : float64 [n], the standard deviation of a question's scores.
    """
    covariance = met.T @ met / len(met)

    def at_loudness(some: np.ndarray) -> np.ndarray:
        spread = np.sqrt(np.einsum("nd,dk,nk->n", some, covariance, some))
        return some * (loudness / np.maximum(spread, 1e-12))[:, None]

    asking = np.flatnonzero(loudness)
    step = -(-len(asking) // int(np.clip(HUB_SCORES // len(met), 1, HUB_QUESTIONS)))
    some, most = asking[::step], max(HUB_SHARE, HUB_TIMES * HUB_LIST / len(met))
    plain = at_loudness(questions)
    mean = plain.mean(0)
    for part in HUB_PARTS:
        made = at_loudness(plain - part * loudness[:, None] * mean)
        scores = made[some] @ met.T
        scores[np.arange(len(some)), some] = -np.inf
        top = np.argpartition(-scores, min(HUB_LIST, len(met)) - 1, axis=1)[:, :HUB_LIST]
        if np.bincount(top.ravel()).max(initial=0) <= most * len(some):
            break
    return made


def _basis(rank: np.ndarray, width: int) -> np.ndarray:
    """float64 [n, width + 2]: who wants an item, how many do, and 1."""
    popular = np.asarray(rank[:, MODEL_POPULAR], np.float64)
    popular = (popular - popular.mean()) / _popular_spread(rank)
    return np.column_stack([rank[:, :width].astype(np.float64), popular, np.ones(len(rank))])


def _popular_spread(rank: np.ndarray) -> float:
    return float(np.asarray(rank[:, MODEL_POPULAR], np.float64).std()) or 1.0


def _pairs(first_row: np.ndarray, item: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """User and item of each purchase, int64, in the order of users; what was bought again counts once."""
    user = np.repeat(np.arange(len(first_row) - 1), np.diff(first_row))
    pair = np.unique(user * n + np.asarray(item, np.int64))
    return pair // n, pair % n


def _votes(basis: np.ndarray, user: np.ndarray, item: np.ndarray, says: np.ndarray) -> np.ndarray:
    """float64 [n, d]: for each item the sum, over its buyers, of what each says times the sum of what they bought."""
    total = np.zeros_like(basis)
    # Parts of whole users, so that memory stays what it is however many purchases there are.
    first_of_user = np.flatnonzero(np.diff(user, prepend=-1))
    edges = np.unique(first_of_user[np.searchsorted(first_of_user, np.arange(0, len(user), PURCHASES_AT_ONCE)) - 1])
    edges = np.unique(np.append(edges.clip(min=0), [0, len(user)]))
    for start, end in pairwise(edges):
        some, bought = user[start:end], item[start:end]
        first = np.flatnonzero(np.diff(some, prepend=-1))
        sums = np.add.reduceat(basis[bought], first, axis=0) * says[some[first]][:, None]  # [users here, d]
        of_user = np.repeat(np.arange(len(first)), np.diff(first, append=len(some)))
        by_item = np.argsort(bought, kind="stable")
        first_of = np.flatnonzero(np.diff(bought[by_item], prepend=-1))
        total[bought[by_item][first_of]] += np.add.reduceat(sums[of_user[by_item]], first_of, axis=0)
    return total


@dataclass(frozen=True)
class Neighbours:
    """Which items go with which.

    model : its `questions` are float32 [items, width + 1].
    vectors : ItemVectors of a catalog, the model's own items first.
    codes : int32 [fields, n], the value of each item feature, 0 where it is missing; equal values have equal codes.
    """

    model: Learned
    vectors: ItemVectors
    codes: np.ndarray

    @property
    def questions(self) -> np.ndarray:
        return self.model.questions

    def knows(self, row: int) -> bool:
        """Whether purchases or features say anything of what goes with the item in `row`."""
        if row < len(self.questions) and self.questions[row].any():
            return True
        alike = self._alike(self.codes[:, row])
        alike[row] = 0
        return bool(alike.any())

    def nearest(self, row: int, index: Search, k: int, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The k items that go best with the one in `row`: (rows int64 [<= k], scores float32 [<= k]).

        mask : bool [n], True for rows that may be listed.
        """
        allowed = mask.copy()
        allowed[row] = False
        own = self.questions[row] if row < len(self.questions) else np.zeros(self.questions.shape[1], np.float32)
        return self._nearest(own, self.codes[:, row], index, k, allowed)

    def nearest_to_described(
        self, codes: np.ndarray, index: Search, k: int, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same for an item of which only the codes of its features, int [fields], are known."""
        return self._nearest(np.zeros(self.questions.shape[1], np.float32), codes, index, k, mask)

    def _nearest(
        self, own: np.ndarray, codes: np.ndarray, index: Search, k: int, allowed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        room = max(1 - self._loudness(own), 0.0)
        alike = self._alike(codes)
        question = own + room * self._question_of_the_like(alike)
        lift = (1 + room * ON_TOPIC / max(float(self.field_weights.sum()), 1e-12)) * alike
        query = np.zeros(self.vectors.rank.shape[1], np.float32)
        query[: len(question) - 1] = question[:-1]
        query[MODEL_POPULAR] = question[-1] + TIE / self._popular_spread
        return index.nearest(query, lift.astype(np.float32), k, allowed)

    def _alike(self, codes: np.ndarray) -> np.ndarray:
        """float32 [n]: the weights of the features that each item shares, summed."""
        alike = np.zeros(len(self.vectors), np.float32)
        for weight, column, code in zip(self.field_weights, self.codes, codes, strict=True):
            if code > 0 and weight > 0:
                alike += np.float32(weight) * (column == code)
        return alike

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
        """float64 [fields]: by how many standard deviations two items that share a field's value are nearer to each
        other than two that need not, as far as purchases tell; 0 where sharing it tells nothing or speaks against it.

        Where nobody bought two things, purchases tell nothing of any field, and all of them count alike.
        """
        if not self.questions.any():
            return np.ones(len(self.codes))
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
