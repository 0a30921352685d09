"""Splits that only benchmarks need: at random, by people, by how few purchases are known, by products, by first
orders."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import LEFT_OUT, TEST, TRAIN, VALID, held_out_last, moments, split_last_out
from recommender.engine.data.tables import Tables
from recommender.engine.errors import EngineError


def at_random(tables: Tables, seed: int, held_out: float = 0.1) -> np.ndarray:
    """int8 [n]: a tenth of the purchases for the test and a tenth for validation, whenever they were."""
    draw = np.random.default_rng(seed).random(len(tables))
    return np.select([draw < held_out, draw < 2 * held_out], [TEST, VALID], TRAIN).astype(np.int8)


def last_baskets(tables: Tables) -> np.ndarray:
    """int8 [n]: the test is all that a person bought last, at one moment; validation what they bought before that.

    Something is known of everybody asked about: one basket is learned from, and of two the last is the test.
    """
    moment = moments(tables)
    last = moment[(tables.first_row[1:] - 1).clip(min=0)][tables.user]
    place = moment - moment[tables.first_row[:-1].clip(max=len(tables) - 1)][tables.user]  # of a basket, from 0
    return np.select([(moment == last) & (place > 0), (moment == last - 1) & (place > 0)], [TEST, VALID], TRAIN).astype(
        np.int8
    )


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


ORDER_ITEMS = 4  # different items that an order must hold for one of them to be held out


def first_orders(tables: Tables, returning: float, seed: int) -> tuple[Tables, np.ndarray]:
    """A shop of one-order customers: tables and roles, int8 [n], as `held_out_last` orders them.

    Of each customer the first order of at least ORDER_ITEMS different items is kept, and one of them, drawn at random,
    is the test. Of a share `returning` of the customers all later orders are kept too, and the last one is the test.
    An order is what a customer bought at one moment. Validation is drawn from the rest as training draws the test.
    Raises EngineError where no order is large enough.
    """
    rng = np.random.default_rng(seed)
    comes_back = rng.random(len(tables.user_keys)) < returning
    kept, tested = [], []
    for user, (start, stop) in enumerate(pairwise(tables.first_row.tolist())):
        first = np.unique(tables.time[start:stop], return_index=True)[1]
        starts = [*(start + first).tolist(), stop]
        sizes = [len(np.unique(tables.item[a:b])) for a, b in pairwise(starts)]
        large = next((k for k, size in enumerate(sizes) if size >= ORDER_ITEMS), None)
        if large is None:
            continue
        last = len(sizes) - 1
        if comes_back[user] and last > large:
            kept.append(np.arange(starts[large], stop))
            tested.append(np.arange(starts[last], stop))
            continue
        rows = np.arange(starts[large], starts[large + 1])
        hidden = rng.choice(np.unique(tables.item[rows]))
        kept.append(rows)
        tested.append(rows[tables.item[rows] == hidden])
    if not kept:
        raise EngineError(f"No customer has an order of {ORDER_ITEMS} different items or more.")
    rows = np.concatenate(kept)
    shop = tables.rows(rows)
    role = for_our_training(shop, np.where(np.isin(rows, np.concatenate(tested)), TEST, TRAIN).astype(np.int8))
    shop, role, _ = held_out_last(shop, role)
    return shop, role


def for_our_training(tables: Tables, role: np.ndarray) -> np.ndarray:
    """The roles of our own training: nothing but TEST is held out of it, and it validates as it does in a shop, on the
    last of what else people bought. What they buy again after that is not learned from."""
    known = np.flatnonzero(role != TEST)
    last = split_last_out(tables.rows(known))
    ours = role.copy()
    ours[known] = np.select([last == TEST, last == LEFT_OUT], [VALID, LEFT_OUT], TRAIN)
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
