"""Splits that only benchmarks need: at random, by people, by how few purchases are known, by products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recommender.engine.dataset import TEST, TRAIN, VALID, TwoTowerDataset, split_last_out
from recommender.engine.tables import Tables


def at_random(tables: Tables, seed: int, held_out: float = 0.1) -> np.ndarray:
    """int8 [n]: a tenth of the purchases for the test and a tenth for validation, whenever they were."""
    draw = np.random.default_rng(seed).random(len(tables))
    return np.select([draw < held_out, draw < 2 * held_out], [TEST, VALID], TRAIN).astype(np.int8)


def known_first(tables: Tables, role: np.ndarray) -> TwoTowerDataset:
    """The purchases, each person's TRAIN ones first, and these alone known when any other is predicted."""
    order = np.lexsort((role != TRAIN, tables.user))  # stable: in time otherwise
    sorted_ = tables.rows(order)
    role = role[order].astype(np.int8)
    data = TwoTowerDataset.build(sorted_, role)
    learned = np.bincount(sorted_.user[role == TRAIN], minlength=data.n_users)
    last = data.first_row[:-1] + learned - 1
    return replace(data, context=np.where(role == TRAIN, data.context, last[data.user]))


def newcomers(tables: Tables, seed: int) -> np.ndarray:
    """int8 [n]: everything that a fifth of the people with a profile bought is the test, of a tenth validation."""
    return _by_people(tables, seed, np.zeros(len(tables.user_keys), dtype=np.int64))


def few_events(tables: Tables, seed: int) -> np.ndarray:
    """The same of everybody, but for the first one to five purchases of each, which are learned from."""
    known = np.random.default_rng((seed, 1)).integers(1, 6, len(tables.user_keys))
    return _by_people(tables, seed, known)


def new_products(tables: Tables, seed: int) -> np.ndarray:
    """int8 [n]: every purchase of a tenth of the products ever sold is the test, of another tenth validation."""
    draw = np.random.default_rng(seed).random(len(tables.item_keys))[tables.item]
    return np.select([draw < 0.1, draw < 0.2], [TEST, VALID], TRAIN).astype(np.int8)


def for_our_training(tables: Tables, role: np.ndarray) -> np.ndarray:
    """The roles of our own training: nothing but TEST is held out of it, and it validates as it does in a shop, on the
    last of what else people bought."""
    known = np.flatnonzero(role != TEST)
    last = split_last_out(tables.rows(known))
    ours = role.copy()
    ours[known] = np.where(last == TEST, VALID, TRAIN)
    return ours


def _by_people(tables: Tables, seed: int, known: np.ndarray) -> np.ndarray:
    has_profile = np.zeros(len(tables.user_keys), dtype=bool)
    for name in tables.users:
        column = tables.users[name]
        has_profile |= np.isfinite(column) if column.dtype == np.float64 else column != ""
    who = has_profile if not known.any() else np.ones(len(known), dtype=bool)
    draw = np.where(who, np.random.default_rng(seed).random(len(who)), 1.0)[tables.user]
    role = np.select([draw < 0.2, draw < 0.3], [TEST, VALID], TRAIN)
    place = np.arange(len(tables)) - tables.first_row[tables.user]
    return np.where(place < known[tables.user], TRAIN, role).astype(np.int8)
