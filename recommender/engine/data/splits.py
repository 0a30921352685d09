"""Splits in time: which purchases are learned from, and which are held out for validation and for the test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from recommender.engine.data.tables import Tables
from recommender.engine.errors import SnapshotError

TRAIN, VALID, TEST, LEFT_OUT = 0, 1, 2, 3
# Where most purchases share their moment with the one before, their order is noise: a whole basket is predicted from
# what came before it. Below this share, purchases are a sequence.
BASKET_SHARE = 0.7
# Where at least this share of the users came back, what people buy next is measured by their next baskets, and baskets
# are not predicted from themselves. Where fewer did, the rest of an order stands for what comes next. On Online Retail
# with all orders (45 % come back) settings chosen by the rest of orders cost a fifth of the NDCG@10 of next baskets.
RETURNING_SHARE = 1 / 3


def drawn(keys: Iterable[str], draw: str) -> np.ndarray:
    """float64 [n], from 0 to 1, evenly spread over keys: the same for a key whatever other keys there are.

    By row number, one more customer would shift everybody, and put today's test people into yesterday's training.
    draw : what is drawn, as text; two draws are independent of each other.
    """
    salt = draw.encode()
    digests = [hashlib.blake2b(k.encode(errors="surrogatepass"), key=salt, digest_size=8).digest() for k in keys]
    return (np.frombuffer(b"".join(digests), np.uint64) >> np.uint64(11)) / 2.0**53


def moments(tables: Tables) -> np.ndarray:
    """int64 [n]: a number for each (user, time), counting up in row order."""
    new = np.ones(len(tables), dtype=np.int64)
    new[1:] = (np.diff(tables.user) != 0) | (np.diff(tables.time) != 0)
    return np.cumsum(new) - 1


def repeats(tables: Tables) -> np.ndarray:
    """bool [n]: the user had bought this item before (an earlier row)."""
    pair = tables.user.astype(np.int64) * len(tables.item_keys) + tables.item
    _, first = np.unique(pair, return_index=True)
    repeat = np.ones(len(tables), dtype=bool)
    repeat[first] = False
    return repeat


def comes_in_baskets(tables: Tables) -> bool:
    """Whether most purchases share their moment with the same user's purchase before."""
    same_user = np.diff(tables.user) == 0
    return bool(same_user.any() and (np.diff(tables.time)[same_user] == 0).mean() > BASKET_SHARE)


def orders_stand_alone(tables: Tables) -> bool:
    """Whether purchases come in baskets and most users have a single one."""
    if not comes_in_baskets(tables):
        return False
    moment = moments(tables)
    rows = tables.first_row
    bought = np.diff(rows) > 0
    came_back = moment[rows[1:][bought] - 1] > moment[rows[:-1][bought]]
    return bool(came_back.mean() < RETURNING_SHARE)


def split_last_out(tables: Tables, seed: int = 0) -> np.ndarray:
    """Leave-last-out: int8 [n] of TRAIN, VALID, TEST, LEFT_OUT for each interaction.

    A moment is a purchase, or a basket where purchases come in baskets. Of each user the last moment that can be
    measured is the test and the one before it validation; what follows the test, or lies between the two, is left out.
    A moment can be measured when something new is bought in it: what was bought before is not listed. Where that is so
    of no moment of anybody, reorders are measured (`TwoTowerDataset.cases`).

    Of users with a single moment, one in ten is held out whole for the test and one in ten for validation: the
    newcomers. Where hardly anybody came back (`orders_stand_alone`), one item at random is held out of the order of the
    others where it has three or more, for the test of every second user and for validation of the rest. An order of two
    items says nothing more without one of them, so of these one in ten is taken for each.
    """
    moment = moments(tables) if comes_in_baskets(tables) else np.arange(len(tables))
    first = moment[tables.first_row[:-1].clip(max=len(tables) - 1)]  # [users]
    last = _last_of_user(tables, moment)
    test, valid = _last_two(tables, moment, first, last)
    role = np.full(len(tables), TRAIN, dtype=np.int8)
    role[(test >= 0)[tables.user] & (moment > test[tables.user])] = LEFT_OUT
    role[(valid >= 0)[tables.user] & (moment > valid[tables.user]) & (moment < test[tables.user])] = LEFT_OUT
    role[moment == test[tables.user]] = TEST
    role[moment == valid[tables.user]] = VALID
    single = last == first  # [users]
    draw = drawn(tables.user_keys, f"users {seed}")
    role[(single & (draw < 0.1))[tables.user]] = TEST
    role[(single & (draw >= 0.1) & (draw < 0.2))[tables.user]] = VALID
    if not orders_stand_alone(tables):
        return role
    users, rows, items = _hidden_part(tables, single & (draw >= 0.2), seed)
    tested = np.where(items > 2, draw[users] < 0.6, draw[users] < 0.3)
    validated = ~tested & ((items > 2) | (draw[users] < 0.4))
    role[rows[tested]] = TEST
    role[rows[validated]] = VALID
    return role


def split_by_date(tables: Tables, test_share: float = 0.1, valid_share: float = 0.1, seed: int = 0) -> np.ndarray:
    """Everything before a date is learned from, what follows is held out: int8 [n] of TRAIN, VALID, TEST, LEFT_OUT.

    Where hardly anybody came back (`orders_stand_alone`), of every second user whose only basket is held out it is one
    item: the rest of the basket is known when that is predicted, and is not learned from.
    """
    times = np.unique(tables.time)
    if len(times) < 2:
        raise SnapshotError("All purchases share one moment: a split by date needs at least two. Use last-out.")
    cuts = np.quantile(tables.time, [1 - test_share - valid_share, 1 - test_share])
    cuts = np.minimum(cuts, times[[max(len(times) - 3, 0), -2]])  # coarse dates: the last ones are held out
    role = np.full(len(tables), TRAIN, dtype=np.int8)
    role[tables.time > cuts[0]] = VALID
    role[tables.time > cuts[1]] = TEST
    if orders_stand_alone(tables):
        moment = moments(tables)
        single = _last_of_user(tables, moment) == moment[tables.first_row[:-1].clip(max=len(tables) - 1)]
        part = single & (drawn(tables.user_keys, f"users {seed}") < 0.5)
        users, rows, _ = _hidden_part(tables, part, seed)
        held_out = role[rows] != TRAIN
        users, rows = users[held_out], rows[held_out]
        kept = role[rows]
        role[np.isin(tables.user, users)] = LEFT_OUT
        role[rows] = kept
    return role


def split(tables: Tables, how: str, seed: int = 0) -> np.ndarray:
    """The roles of a split by name: "last-out" or "date"."""
    if how == "last-out":
        return split_last_out(tables, seed)
    if how == "date":
        return split_by_date(tables)
    raise SnapshotError(f"The split is {how!r}; it must be last-out or date.")


def _last_two(tables: Tables, moment: np.ndarray, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 [users] each: the moments of the test and of validation, -1 where there is none.

    Both come after the user's first moment. Where nobody bought anything new after it, the last two moments are taken.
    """
    later = moment > first[tables.user]
    measurable = later & ~repeats(tables)
    rows = np.flatnonzero(measurable if measurable.any() else later)
    test, valid = np.full(len(first), -1, dtype=np.int64), np.full(len(first), -1, dtype=np.int64)
    np.maximum.at(test, tables.user[rows], moment[rows])
    before = rows[moment[rows] < test[tables.user[rows]]]
    np.maximum.at(valid, tables.user[before], moment[before])
    return test, valid


def _hidden_part(tables: Tables, of: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users among `of`, bool [users], who bought two items or more, a row at random and the number of items of each."""
    rows = np.flatnonzero(of[tables.user] & ~repeats(tables))
    pairs = zip(tables.user_keys[tables.user[rows]], tables.item_keys[tables.item[rows]], strict=True)
    rows = rows[np.argsort(drawn((f"{user} {item}" for user, item in pairs), f"items {seed}"))]
    users, start, count = np.unique(tables.user[rows], return_index=True, return_counts=True)
    several = count > 1
    return users[several], rows[start[several]], count[several]


def held_out_last(tables: Tables, role: np.ndarray) -> tuple[Tables, np.ndarray, np.ndarray]:
    """The same purchases with what is held out at the end of its moment: tables, role and order, int64 [n], such that
    row k was row order[k].

    The order within a moment says nothing, and `context` is the last row of what is known: so a part of a basket can be
    held out: for validation before the test, which is predicted once validation is known. The rest keeps its order.
    """
    place = np.select([role == VALID, role == TEST], [1, 2], 0)
    order = np.lexsort((place, moments(tables)))
    if (np.diff(order) == 1).all():
        return tables, role, order
    return tables.rows(order), role[order], order


def _last_of_user(tables: Tables, moment: np.ndarray) -> np.ndarray:
    last = np.zeros(len(tables.user_keys), dtype=np.int64)
    np.maximum.at(last, tables.user, moment)
    return last
