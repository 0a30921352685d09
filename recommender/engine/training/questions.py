"""What each item's buyers want beside it, as a vector that asks the index like a user's.

Two items are near each other when the same users bought both, in the measure of item-kNN: the cosine between the items'
buyers, shrunk by counts, in which a user with many purchases says less of each pair. That matrix K of items by items is
never formed. It is projected on the model's own item vectors X, by least squares:

    K ~ questions @ X.T     questions = K X (X'X)^-1

K is a product of purchase matrices, so that K X takes two passes over the purchases.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recommender.engine.bundle.neighbours import MODEL_POPULAR

SHRINKAGE = 10.0  # typical buyers that are added to an item's own in the cosine
FEW = 2.0  # buyers at which an item's purchases and its features say equally much
RIDGE = 1e-3  # of the mean square of the item vectors, so that the least squares have one answer
# No item stands in the lists of more than a tenth of all items, or four times the mean share where that is more.
HUB_LIST, HUB_SHARE, HUB_TIMES = 10, 0.1, 4.0
HUB_PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the mean question, tried in turn
HUB_QUESTIONS, HUB_SCORES = 1000, 20_000_000  # on which it is tried, at most


def learn_questions(rank: np.ndarray, width: int, first_row: np.ndarray, item: np.ndarray) -> np.ndarray:
    """float32 [n, width + 1]: what each item's buyers want beside it, in standard deviations over all items.

    It is met with the first `width` columns of `rank` and with that of popularity. An item with few buyers asks
    quietly, one whose buyers bought nothing else not at all.

    rank : float32 [n, d], the items' ranking vectors.   first_row : int64 [users + 1], item : int [purchases], the
    histories, as in a bundle's assets.
    """
    n, spread = len(rank), float(np.asarray(rank[:, MODEL_POPULAR], np.float64).std()) or 1.0
    popular = np.asarray(rank[:, MODEL_POPULAR], np.float64)
    basis = np.column_stack([rank[:, :width].astype(np.float64), (popular - popular.mean()) / spread, np.ones(n)])
    user = np.repeat(np.arange(len(first_row) - 1), np.diff(first_row))
    bought = sparse.csr_matrix((np.ones(len(item)), (user, item)), (len(first_row) - 1, n))
    bought.data[:] = 1  # what was bought again counts once
    activity = np.diff(bought.indptr)
    bought = bought[activity > 1]  # users who bought one thing tell of no pair
    if not bought.nnz:
        return np.zeros((n, width + 1), np.float32)
    says = 1 / np.sqrt(activity[activity > 1])  # [users]
    evidence = bought.T @ says  # [n]
    scale = 1 / np.sqrt(evidence + SHRINKAGE * np.median(says))  # [n]
    voted = bought.T @ (says[:, None] * (bought @ (basis * scale[:, None])))
    voted -= (evidence * scale)[:, None] * basis  # nothing goes with itself
    gram = basis.T @ basis
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    questions = np.linalg.solve(gram, (scale[:, None] * voted).T).T[:, :-1]  # the last column lifts all items alike
    centred = basis[:, :-1] - basis[:, :-1].mean(0)
    buyers = np.bincount(bought.indices, minlength=n)
    questions = _without_hubs(questions, centred, buyers / (buyers + FEW))
    questions[:, -1] /= spread  # met with the column as it is
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
