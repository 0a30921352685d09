"""What training and evaluation read: encoded purchases, and questions with known answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from recommender.engine.data.content import ContentEncoder
from recommender.engine.data.derived import Columns, columns_before, columns_now, columns_of_newcomers
from recommender.engine.data.encoders import Encoders, Vocabulary
from recommender.engine.data.inputs import gap_bucket
from recommender.engine.data.numbers import Standardizer
from recommender.engine.data.splits import (
    LEFT_OUT,
    TRAIN,
    comes_in_baskets,
    drawn,
    moments,
    orders_stand_alone,
    repeats,
)
from recommender.engine.data.tables import Tables

# What one user adds is capped at a multiple of what a user at this quantile of activity adds. Few real users reach it;
# an account that buys or rates by the thousand, as a script does, counts as much as a very active person.
ACTIVE_QUANTILE, MOST_OF_ACTIVE, LEAST_CAP = 0.95, 4, 50
CONTENT_WIDTH = 256  # of the texts of an item, and of each field of several values, at most


@dataclass(frozen=True)
class TwoTowerDataset:
    """A snapshot in numbers. n purchases sorted by user and time; features are as of the moment before each purchase.

    user, item : int32 [n].   time : float64 [n].   rating : float32 [n], nan where none.
    role : int8 [n], TRAIN, VALID, TEST or LEFT_OUT.
    context : int64 [n], row of the last purchase known when this one is predicted; first_row - 1 when there is none.
        Purchases of a basket are predicted from the baskets before, those of a first one from the purchases before them
        in it where orders stand alone.
    profile_ids : int64 [n, fields] and profile_numbers : float32 [n, 2 x numerical], before each purchase.
    bare_ids, bare_numbers : the same for each user with no purchase at all.
    item_features : int64 [items, features], categories.   item_content : float32 [items, width], all else (content.py).
    """

    tables: Tables
    encoders: Encoders
    baskets: bool
    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    rating: np.ndarray
    role: np.ndarray
    first_row: np.ndarray
    context: np.ndarray
    repeat: np.ndarray
    profile_ids: np.ndarray
    profile_numbers: np.ndarray
    bare_ids: np.ndarray
    bare_numbers: np.ndarray
    item_features: np.ndarray
    item_content: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_items(self) -> int:
        return len(self.tables.item_keys)

    @property
    def n_users(self) -> int:
        return len(self.tables.user_keys)

    @classmethod
    def build(
        cls,
        tables: Tables,
        role: np.ndarray | None = None,
        encoders: Encoders | None = None,
        number: Mapping[str, Standardizer] | None = None,
    ) -> TwoTowerDataset:
        """Encode a snapshot. No role: every purchase is TRAIN. Encoders not given are fitted on the TRAIN purchases;
        `number` replaces those of numerical features, so that weights that read them keep their meaning.
        """
        role = np.full(len(tables), TRAIN, dtype=np.int8) if role is None else role
        baskets = comes_in_baskets(tables)
        context = _context(tables, baskets)
        before = columns_before(tables, context)
        none_yet = columns_of_newcomers(tables)
        if encoders is None:
            encoders = fit_encoders(tables, before, _shared_out(tables, role == TRAIN))
        if number is not None:
            encoders = replace(encoders, number=number)
        profile_ids, profile_numbers = encoders.encode_users(before, len(tables))
        bare_ids, bare_numbers = encoders.encode_users(none_yet, len(tables.user_keys))
        return cls(
            tables=tables,
            encoders=encoders,
            baskets=baskets,
            user=tables.user,
            item=tables.item,
            time=tables.time,
            rating=tables.rating,
            role=role,
            first_row=tables.first_row,
            context=context,
            repeat=repeats(tables),
            profile_ids=profile_ids,
            profile_numbers=profile_numbers,
            bare_ids=bare_ids,
            bare_numbers=bare_numbers,
            item_features=encoders.encode_items(tables.items, len(tables.item_keys)),
            item_content=encoders.content.encode(tables.items, len(tables.item_keys)),
        )

    @cached_property
    def first_order_end(self) -> np.ndarray:
        """int64 [users]: the row after the user's first basket, if it is predicted from itself, else first_row."""
        if not orders_stand_alone(self.tables):
            return self.first_row[:-1]
        first = self.first_row[:-1]
        end = np.searchsorted(self.moment, self.moment[first.clip(max=len(self) - 1)], side="right")
        return np.where(np.diff(self.first_row) > 0, end, first)

    @cached_property
    def moment(self) -> np.ndarray:
        """int64 [n]: a number for each user and time, counting up in row order."""
        return moments(self.tables)

    @cached_property
    def gap(self) -> np.ndarray:
        """int64 [n]: bucket of the time since the user's purchase before, 0 for the first."""
        gap = gap_bucket(np.append(np.nan, self.time))
        gap[self.first_row[:-1][np.diff(self.first_row) > 0]] = 0
        return gap

    def user_columns_now(self) -> Columns:
        """Every feature of every user after all purchases: what is known when a list is made today."""
        return columns_now(self.tables)

    def first_held_out(self, role: int) -> np.ndarray:
        """int64 [n]: of each row of a role the first row of that role in its basket, in a sequence the row itself."""
        rows = np.arange(len(self))
        if not self.baskets:
            return rows
        first = np.full(int(self.moment[-1]) + 1, len(self))
        held_out = self.role == role
        np.minimum.at(first, self.moment[held_out], rows[held_out])
        return np.where(held_out, first[self.moment], rows)

    def with_role(self, role: np.ndarray) -> TwoTowerDataset:
        return replace(self, role=role)

    @cached_property
    def counted(self) -> np.ndarray:
        """bool [n]: the TRAIN rows that popularity counts: of each user and item the latest, so that people count."""
        return _last_of_pair(self, self.role == TRAIN)

    @cached_property
    def user_weight(self) -> np.ndarray:
        """float64 [users], 1 or less: what an item bought by the user counts where many users are summed.

        All items that one user bought count together as much as `activity_cap` allows.
        """
        return capped_weight(np.bincount(self.user[self.counted], minlength=self.n_users))

    def latest_ratings(self) -> np.ndarray:
        """bool [n]: of each user and item the latest rated TRAIN row."""
        return _last_of_pair(self, (self.role == TRAIN) & np.isfinite(self.rating))

    def item_counts(self) -> np.ndarray:
        """float64 [items]: the users who bought each item, among the TRAIN rows. Repeats by one user count once."""
        return np.bincount(self.item[self.counted], minlength=self.n_items).astype(np.float64)

    def cases(self, role: int, at_most: int | None = None, seed: int = 0) -> Cases:
        """The held-out purchases of a role as questions: who, knowing what, bought which items next?

        A purchase of something bought before is no question, for lists leave bought items out. Where nothing else is
        held out of those who bought before, these reorders are the questions, and bought items are ranked with all
        others. With `at_most`, a fixed random sample of the users.
        """
        held_out = self.role == role
        known = held_out & (self.context >= self.first_row[self.user])
        reorders = not ((known if known.any() else held_out) & ~self.repeat).any()
        rows = np.flatnonzero(held_out if reorders else held_out & ~self.repeat)
        # One question a user: the first held-out moment says what was known, the targets are all that followed.
        users, start = np.unique(self.user[rows], return_index=True)
        kept = self._sample(users, at_most, seed)
        stop = np.append(start[1:], len(rows))
        targets = [np.unique(self.item[rows[start[k] : stop[k]]]) for k in kept]
        first = rows[start[kept]]
        return Cases(users[kept], first, self.context[first], targets, reorders and len(rows) > 0)

    def next_baskets(self, role: int, at_most: int | None = None, seed: int = 0) -> Cases:
        """The last held-out moment of each user as a question: what did they buy then, bought before or not?

        Something is known of the user, and nothing of that moment. A moment in which nothing new was bought is left out
        by splits that look for new items, and belongs to the held-out one before it: without those hardly anybody would
        seem to buy again. Where purchases are held out one by one, their moment is asked for with what was bought again
        in it: without that, everybody would seem to. With `at_most`, a fixed random sample of the users.
        """
        first = np.flatnonzero(np.diff(self.moment, prepend=-1))
        held_out = np.maximum.reduceat(np.where(self.role == LEFT_OUT, TRAIN, self.role), first)  # TEST before VALID
        left_out = (held_out == TRAIN) & np.logical_or.reduceat(self.role == LEFT_OUT, first)
        before = np.maximum.accumulate(np.where(left_out, 0, np.arange(len(first))))
        user = self.user[first]
        asked = np.flatnonzero(
            (held_out[before] == role) & (user[before] == user) & (first > self.first_row[:-1][user])
        )
        asked = asked[np.diff(user[asked], append=-1) != 0]
        asked = asked[self._sample(user[asked], at_most, seed)]
        counted, stop = (self.role != TRAIN) | self.repeat, np.append(first, len(self))[asked + 1]
        first = first[asked]
        targets = [np.unique(self.item[a:b][counted[a:b]]) for a, b in zip(first, stop, strict=True)]
        return Cases(user[asked], first, first - 1, targets, reorders=True)

    def _sample(self, users: np.ndarray, at_most: int | None, seed: int) -> np.ndarray:
        """Places among `users` of so many at most, ascending, drawn by a hash of their keys: one more customer hardly
        changes who is measured."""
        if at_most is None or len(users) <= at_most:
            return np.arange(len(users))
        return np.sort(np.argsort(drawn(self.tables.user_keys[users], f"cases {seed}"))[:at_most])


@dataclass(frozen=True)
class Cases:
    """Questions with known answers. users int [c]; rows int64 [c], the purchase whose "before" is the context;
    context int64 [c], last known row of the user (first_row - 1: none); targets: item rows bought next, one array each.
    reorders: whether the targets were bought before, so that bought items are ranked too.
    """

    users: np.ndarray
    rows: np.ndarray
    context: np.ndarray
    targets: list[np.ndarray]
    reorders: bool = False

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, which: np.ndarray | slice) -> Cases:
        rows = np.arange(len(self))[which]
        targets = [self.targets[r] for r in rows]
        return Cases(self.users[rows], self.rows[rows], self.context[rows], targets, self.reorders)

    def lengths(self, data: TwoTowerDataset) -> np.ndarray:
        """int64 [c]: purchases known of each user."""
        return self.context - data.first_row[self.users] + 1

    def bought(self, data: TwoTowerDataset) -> list[np.ndarray]:
        """The items each user is known to have bought, one array each."""
        first = data.first_row[self.users]
        return [data.item[a : b + 1] for a, b in zip(first, self.context, strict=True)]


def activity_cap(activity: np.ndarray) -> float:
    """How much of one user may count, from how active each user is; users with nothing are passed over."""
    active = activity[activity > 0]
    if len(active) == 0:
        return float(LEAST_CAP)
    # "lower" never lands on the most active user where there are two: one account does not lift its own cap.
    usual = np.quantile(active, ACTIVE_QUANTILE, method="lower")
    return max(float(MOST_OF_ACTIVE * usual), float(LEAST_CAP))


def capped_weight(activity: np.ndarray) -> np.ndarray:
    """float64 [users]: the weight of one row of each user, such that a user's rows weigh the cap at most."""
    return np.minimum(1.0, activity_cap(activity) / np.maximum(activity, 1))


def _last_of_pair(data: TwoTowerDataset, among: np.ndarray) -> np.ndarray:
    """bool [n]: of the rows `among`, bool [n], the last of each user and item."""
    rows = np.flatnonzero(among)[::-1]
    pair = data.user[rows].astype(np.int64) * data.n_items + data.item[rows]
    last = np.zeros(len(data), dtype=bool)
    last[rows[np.unique(pair, return_index=True)[1]]] = True
    return last


def _shared_out(tables: Tables, train: np.ndarray) -> np.ndarray:
    """bool [n]: first purchases of an item by a user among the rows `train`, bool [n]; of a very active user an even
    sample, so that the values of one account are not taken for those of the shop."""
    rows = np.flatnonzero(train & ~repeats(tables))
    activity = np.bincount(tables.user[rows], minlength=len(tables.user_keys))
    weight = capped_weight(activity)[tables.user[rows]]
    place = np.arange(len(rows)) - (np.cumsum(activity) - activity)[tables.user[rows]]
    kept = np.zeros(len(train), dtype=bool)
    kept[rows[np.floor((place + 1) * weight) > np.floor(place * weight)]] = True
    return kept


def fit_encoders(tables: Tables, columns: dict[str, np.ndarray], train: np.ndarray) -> Encoders:
    """Encoders from the profiles as they stood at the TRAIN purchases; each static value counts once a user."""
    schema = tables.schema

    def seen(name: str) -> np.ndarray:
        return columns[name][train] if name in schema.derived else tables.users[name]

    return Encoders(
        schema=schema,
        user={f: Vocabulary.fit(seen(f).tolist()) for f in schema.user_categorical},
        number={f: Standardizer.fit(seen(f)) for f in schema.user_numerical},
        item={f: Vocabulary.fit(tables.items[f].tolist()) for f in schema.item_categorical},
        content=ContentEncoder.fit(schema, tables.items, CONTENT_WIDTH),
    )


def _context(tables: Tables, baskets: bool) -> np.ndarray:
    rows = np.arange(len(tables))
    if not baskets:
        return rows - 1
    moment = moments(tables)
    first_of_moment = np.searchsorted(moment, moment)
    if not orders_stand_alone(tables):
        return first_of_moment - 1
    # Items of one order speak for each other where there is no order before; else they are predicted from what was
    # bought before, which serves the next order better.
    within = first_of_moment == tables.first_row[tables.user]
    return np.where(within, rows, first_of_moment) - 1
