"""Who bought what, as matrices, for the peers that know nothing else."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.splits import TRAIN


def bought_matrix(data: TwoTowerDataset) -> sparse.csr_matrix:
    """float32 [users, items]: 1 where the TRAIN purchases hold the pair."""
    train = data.role == TRAIN
    ones = np.ones(int(train.sum()), np.float32)
    matrix = sparse.csr_matrix((ones, (data.user[train], data.item[train])), (data.n_users, data.n_items))
    matrix.data[:] = 1
    return matrix


def history_matrix(data: TwoTowerDataset, cases: Cases) -> sparse.csr_matrix:
    """float32 [cases, items]: 1 for each item that the person of a case is known to have bought."""
    bought = [np.unique(items) for items in cases.bought(data)]
    columns = np.concatenate(bought) if bought else np.zeros(0, np.int64)
    rows = np.repeat(np.arange(len(cases)), [len(items) for items in bought])
    return sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (len(cases), data.n_items))


def popular_for_newcomers(scores: np.ndarray, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
    """The scores, with popularity where nothing was bought yet and a model of purchases has nothing to say."""
    scores[cases.lengths(data) == 0] = data.item_counts()
    return scores
