"""What the trainer and the evaluation read: encoded purchases, splits in time, windows, cases and negative samplers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from recommender.engine.data.encoders import Encoders, Standardizer, Vocabulary, as_text
from recommender.engine.data.inputs import gap_bucket
from recommender.engine.data.schema import Derived
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
# What one user adds is capped at a multiple of what a user at this quantile of activity adds. Few real users reach it;
# an account that buys or rates by the thousand, as a script does, counts as much as a very active person.
ACTIVE_QUANTILE, MOST_OF_ACTIVE, LEAST_CAP = 0.95, 4, 50


# --- splits ----------------------------------------------------------------------------------------------------------


def comes_in_baskets(tables: Tables) -> bool:
    """Whether most purchases share their moment with the same user's purchase before."""
    same_user = np.diff(tables.user) == 0
    return bool(same_user.any() and (np.diff(tables.time)[same_user] == 0).mean() > BASKET_SHARE)


def orders_stand_alone(tables: Tables) -> bool:
    """Whether purchases come in baskets and most users have a single one."""
    if not comes_in_baskets(tables):
        return False
    moment = _moments(tables)
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
    moment = _moments(tables) if comes_in_baskets(tables) else np.arange(len(tables))
    n_users = len(tables.user_keys)
    first = moment[tables.first_row[:-1].clip(max=len(tables) - 1)]  # [users]
    last = _last_of_user(tables, moment)
    test, valid = _last_two(tables, moment, first, last)
    role = np.full(len(tables), TRAIN, dtype=np.int8)
    role[(test >= 0)[tables.user] & (moment > test[tables.user])] = LEFT_OUT
    role[(valid >= 0)[tables.user] & (moment > valid[tables.user]) & (moment < test[tables.user])] = LEFT_OUT
    role[moment == test[tables.user]] = TEST
    role[moment == valid[tables.user]] = VALID
    single = last == first  # [users]
    draw = np.random.default_rng(seed).random(n_users)
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
    moments = np.unique(tables.time)
    if len(moments) < 2:
        raise SnapshotError("All purchases share one moment: a split by date needs at least two. Use last-out.")
    cuts = np.quantile(tables.time, [1 - test_share - valid_share, 1 - test_share])
    cuts = np.minimum(cuts, moments[[max(len(moments) - 3, 0), -2]])  # coarse dates: the last ones are held out
    role = np.full(len(tables), TRAIN, dtype=np.int8)
    role[tables.time > cuts[0]] = VALID
    role[tables.time > cuts[1]] = TEST
    if orders_stand_alone(tables):
        moment = _moments(tables)
        single = _last_of_user(tables, moment) == moment[tables.first_row[:-1].clip(max=len(tables) - 1)]
        part = single & (np.random.default_rng(seed).random(len(single)) < 0.5)
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


def _moments(tables: Tables) -> np.ndarray:
    """int64 [n]: a number for each (user, time), counting up in row order."""
    new = np.ones(len(tables), dtype=np.int64)
    new[1:] = (np.diff(tables.user) != 0) | (np.diff(tables.time) != 0)
    return np.cumsum(new) - 1


def _last_two(tables: Tables, moment: np.ndarray, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 [users] each: the moments of the test and of validation, -1 where there is none.

    Both come after the user's first moment. Where nobody bought anything new after it, the last two moments are taken.
    """
    later = moment > first[tables.user]
    measurable = later & ~_repeats(tables)
    rows = np.flatnonzero(measurable if measurable.any() else later)
    test, valid = np.full(len(first), -1, dtype=np.int64), np.full(len(first), -1, dtype=np.int64)
    np.maximum.at(test, tables.user[rows], moment[rows])
    before = rows[moment[rows] < test[tables.user[rows]]]
    np.maximum.at(valid, tables.user[before], moment[before])
    return test, valid


def _hidden_part(tables: Tables, of: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users among `of`, bool [users], who bought two items or more, a row at random and the number of items of each."""
    rows = np.flatnonzero(of[tables.user] & ~_repeats(tables))
    rows = rows[np.argsort(np.random.default_rng((seed, 1)).random(len(rows)))]
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
    order = np.lexsort((place, _moments(tables)))
    if (np.diff(order) == 1).all():
        return tables, role, order
    return tables.rows(order), role[order], order


def _last_of_user(tables: Tables, moment: np.ndarray) -> np.ndarray:
    last = np.zeros(len(tables.user_keys), dtype=np.int64)
    np.maximum.at(last, tables.user, moment)
    return last


# --- encoded purchases -----------------------------------------------------------------------------------------------


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
    item_features : int64 [items, features].
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
        before = _user_columns(tables, context)
        none_yet = _user_columns_with_no_purchase(tables)
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
            repeat=_repeats(tables),
            profile_ids=profile_ids,
            profile_numbers=profile_numbers,
            bare_ids=bare_ids,
            bare_numbers=bare_numbers,
            item_features=encoders.encode_items(tables.items, len(tables.item_keys)),
        )

    @cached_property
    def first_order_end(self) -> np.ndarray:
        """int64 [users]: the row after the user's first basket, if it is predicted from itself, else first_row."""
        if not orders_stand_alone(self.tables):
            return self.first_row[:-1]
        first, moment = self.first_row[:-1], _moments(self.tables)
        end = np.searchsorted(moment, moment[first.clip(max=len(self) - 1)], side="right")
        return np.where(np.diff(self.first_row) > 0, end, first)

    @cached_property
    def gap(self) -> np.ndarray:
        """int64 [n]: bucket of the time since the user's purchase before, 0 for the first."""
        gap = gap_bucket(np.append(np.nan, self.time))
        gap[self.first_row[:-1][np.diff(self.first_row) > 0]] = 0
        return gap

    def user_columns_now(self) -> dict[str, np.ndarray]:
        """Every feature of every user after all purchases: what is known when a list is asked for today."""
        first, last = self.first_row[:-1], self.first_row[1:] - 1
        columns = {}
        for name in self.tables.schema.user_fields:
            derived = self.tables.schema.derived.get(name)
            if derived is None:
                columns[name] = self.tables.users[name]
            else:
                columns[name] = _derive(self.tables, derived, name, first, last.clip(min=0), last >= first)
        return columns

    def first_held_out(self, role: int) -> np.ndarray:
        """int64 [n]: of each row of a role the first row of that role in its basket, in a sequence the row itself."""
        rows = np.arange(len(self))
        if not self.baskets:
            return rows
        moment = _moments(self.tables)
        first = np.full(int(moment[-1]) + 1, len(self))
        held_out = self.role == role
        np.minimum.at(first, moment[held_out], rows[held_out])
        return np.where(held_out, first[moment], rows)

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
        if at_most is not None and len(users) > at_most:
            kept = np.sort(np.random.default_rng(seed).choice(len(users), at_most, replace=False))
        else:
            kept = np.arange(len(users))
        stop = np.append(start[1:], len(rows))
        targets = [np.unique(self.item[rows[start[k] : stop[k]]]) for k in kept]
        first = rows[start[kept]]
        return Cases(users[kept], first, self.context[first], targets, reorders and len(rows) > 0)


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
    rows = np.flatnonzero(train & ~_repeats(tables))
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
    )


def _context(tables: Tables, baskets: bool) -> np.ndarray:
    rows = np.arange(len(tables))
    if not baskets:
        return rows - 1
    moment = _moments(tables)
    first_of_moment = np.searchsorted(moment, moment)
    if not orders_stand_alone(tables):
        return first_of_moment - 1
    # Items of one order speak for each other where there is no order before; else they are predicted from what was
    # bought before, which serves the next order better.
    within = first_of_moment == tables.first_row[tables.user]
    return np.where(within, rows, first_of_moment) - 1


def _user_columns(tables: Tables, context: np.ndarray) -> dict[str, np.ndarray]:
    """Every user feature before each purchase: static ones repeated, derived ones from the rows up to the context."""
    first = tables.first_row[tables.user]
    known = context >= first
    columns = {}
    for name in tables.schema.user_fields:
        derived = tables.schema.derived.get(name)
        if derived is None:
            columns[name] = tables.users[name][tables.user]
        else:
            columns[name] = _derive(tables, derived, name, first, context.clip(min=0), known)
    return columns


def _derive(
    tables: Tables, derived: Derived, name: str, first: np.ndarray, last: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """One derived feature over the rows first..last of each case. Counts and sums of nobody are 0, not missing."""
    if derived.take == "count":
        values = np.where(known, last - first + 1, 0).astype(np.float64)
    elif derived.take == "sum":
        total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(tables.values[str(derived.column)]))])
        values = np.where(known, total[last + 1] - total[first], 0.0)
    else:
        column = tables.values[str(derived.column)]
        values = column[last].copy()
        values[~known] = np.nan if column.dtype == np.float64 else ""
    if name in tables.schema.user_categorical and values.dtype == np.float64:
        values = np.array([as_text(name, value) for value in values], dtype=object)
    return values


def _user_columns_with_no_purchase(tables: Tables) -> dict[str, np.ndarray]:
    n = len(tables.user_keys)
    none = np.zeros(n, dtype=np.int64)
    columns = {}
    for name in tables.schema.user_fields:
        derived = tables.schema.derived.get(name)
        if derived is None:
            columns[name] = tables.users[name]
        else:
            columns[name] = _derive(tables, derived, name, none, none, np.zeros(n, dtype=bool))
    return columns


def _repeats(tables: Tables) -> np.ndarray:
    """bool [n]: the user had bought this item before (an earlier row)."""
    pair = tables.user.astype(np.int64) * len(tables.item_keys) + tables.item
    _, first = np.unique(pair, return_index=True)
    repeat = np.ones(len(tables), dtype=bool)
    repeat[first] = False
    return repeat


# --- windows and batches ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """A stretch of one user's purchases: rows start..stop are read, those from `target_from` on are predicted."""

    start: int
    target_from: int
    stop: int


def windows(data: TwoTowerDataset, max_history: int) -> list[Window]:
    """Windows that predict every TRAIN purchase once, with at least half of `max_history` before it where there is.

    Of a user with more than `activity_cap` allows only the latest are predicted.
    """
    train_rows = np.flatnonzero(data.role == TRAIN)
    if len(train_rows) == 0:
        return []
    users, begin = np.unique(data.user[train_rows], return_index=True)
    end = np.append(begin[1:], len(train_rows))
    cap = max(int(activity_cap(end - begin)), max_history)
    begin = np.maximum(begin, end - cap)
    made = []
    step = max(max_history // 2, 1)
    for u, b, e in zip(users, begin, end, strict=True):
        first, predicted, stop = int(data.first_row[u]), int(train_rows[b]), int(train_rows[e - 1]) + 1
        made.append(Window(first, predicted, min(first + max_history, stop)))
        at = first + max_history
        while at < stop:
            if at + step > predicted:
                made.append(Window(at - step, max(at, predicted), min(at + step, stop)))
            at += step
    return made


def batches(made: list[Window], batch_rows: int, rng: np.random.Generator) -> Iterator[list[Window]]:
    """Windows in batches of like length (padding costs time), at most `batch_rows` padded rows each, shuffled."""
    lengths = np.array([w.stop - w.start for w in made])
    order = np.lexsort((rng.random(len(made)), lengths))
    groups: list[list[Window]] = []
    group: list[Window] = []
    for k in order:
        longest = int(lengths[k])  # lengths only grow
        if group and longest * (len(group) + 1) > batch_rows:
            groups.append(group)
            group = []
        group.append(made[k])
    if group:
        groups.append(group)
    for g in rng.permutation(len(groups)):
        yield groups[g]


# --- negatives -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NegativeSampler:
    """Draws items in proportion to popularity to a power, and says how likely each draw was (for the logQ correction).

    Half of the draws follow popularity, half are uniform, so that rare items are pushed down too.
    """

    probability: np.ndarray
    cumulative: np.ndarray

    @classmethod
    def fit(cls, counts: np.ndarray, power: float = 0.75) -> NegativeSampler:
        weight = counts**power
        popular = weight / weight.sum() if weight.sum() else np.full(len(counts), 1 / len(counts))
        probability = 0.5 * popular + 0.5 / len(counts)
        return cls(probability, np.cumsum(probability))

    def inclusion(self, n: int) -> np.ndarray:
        """float64 [items]: how likely each is to be among n draws."""
        return -np.expm1(n * np.log1p(-self.probability.clip(max=1 - 1e-12)))

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """int64 [n] item rows, with repetition."""
        rows = np.searchsorted(self.cumulative, rng.random(n) * self.cumulative[-1], side="right")
        return rows.clip(max=len(self.cumulative) - 1).astype(np.int64)
