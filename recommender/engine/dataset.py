"""What the trainer and the evaluation read: encoded purchases, splits in time, windows, cases and negative samplers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from recommender.engine.encoders import Encoders, Standardizer, Vocabulary
from recommender.engine.errors import SnapshotError
from recommender.engine.inputs import gap_bucket
from recommender.engine.schema import Derived
from recommender.engine.tables import Tables

TRAIN, VALID, TEST, LEFT_OUT = 0, 1, 2, 3
# Where most purchases share their moment with the one before, their order is noise: a whole basket is predicted from
# what came before it. Below this share, purchases are a sequence.
BASKET_SHARE = 0.7


# --- splits ----------------------------------------------------------------------------------------------------------


def comes_in_baskets(tables: Tables) -> bool:
    """Whether most purchases share their moment with the same user's purchase before."""
    same_user = np.diff(tables.user) == 0
    return bool(same_user.any() and (np.diff(tables.time)[same_user] == 0).mean() > BASKET_SHARE)


def split_last_out(tables: Tables, seed: int = 0) -> np.ndarray:
    """Leave-last-out: int8 [n] of TRAIN, VALID, TEST for each interaction.

    Each user's last purchase (last basket, where purchases come in baskets) is the test, the one before it validation.
    Of users with a single one, one in ten is held out for the test and one in ten for validation: the newcomers.
    """
    moment = _moments(tables) if comes_in_baskets(tables) else np.arange(len(tables))
    last = _last_of_user(tables, moment)  # the moment numbers count up within a user
    first = moment[tables.first_row[:-1].clip(max=len(tables) - 1)][tables.user]
    back = last[tables.user] - moment
    moments = last[tables.user] - first + 1
    role = np.full(len(tables), TRAIN, dtype=np.int8)
    role[(back == 0) & (moments >= 2)] = TEST
    role[(back == 1) & (moments >= 3)] = VALID
    draw = np.random.default_rng(seed).random(len(tables.user_keys))[tables.user]
    role[(moments == 1) & (draw < 0.1)] = TEST
    role[(moments == 1) & (draw >= 0.1) & (draw < 0.2)] = VALID
    return role


def split_by_date(tables: Tables, test_share: float = 0.1, valid_share: float = 0.1) -> np.ndarray:
    """Everything before a date is learned from, what follows is held out: int8 [n] of TRAIN, VALID, TEST."""
    moments = np.unique(tables.time)
    if len(moments) < 2:
        raise SnapshotError("All purchases share one moment: a split by date needs at least two. Use last-out.")
    cuts = np.quantile(tables.time, [1 - test_share - valid_share, 1 - test_share])
    cuts = np.minimum(cuts, moments[[max(len(moments) - 3, 0), -2]])  # coarse dates: the last ones are held out
    role = np.full(len(tables), TRAIN, dtype=np.int8)
    role[tables.time > cuts[0]] = VALID
    role[tables.time > cuts[1]] = TEST
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
            encoders = fit_encoders(tables, before, role == TRAIN)
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

    def with_role(self, role: np.ndarray) -> TwoTowerDataset:
        return replace(self, role=role)

    def item_counts(self) -> np.ndarray:
        """float64 [items]: purchases of each item among the TRAIN rows."""
        return np.bincount(self.item[self.role == TRAIN], minlength=self.n_items).astype(np.float64)

    def cases(self, role: int, at_most: int | None = None, seed: int = 0) -> Cases:
        """The held-out purchases of a role as questions: who, knowing what, bought which items next?

        A purchase of something bought before is no question: lists leave bought items out. With `at_most`, a fixed
        random sample of the users.
        """
        rows = np.flatnonzero((self.role == role) & ~self.repeat)
        # One question a user: the first held-out moment says what was known, the targets are all that followed.
        users, start = np.unique(self.user[rows], return_index=True)
        if at_most is not None and len(users) > at_most:
            kept = np.sort(np.random.default_rng(seed).choice(len(users), at_most, replace=False))
        else:
            kept = np.arange(len(users))
        stop = np.append(start[1:], len(rows))
        targets = [np.unique(self.item[rows[start[k] : stop[k]]]) for k in kept]
        first = rows[start[kept]]
        return Cases(users=users[kept], rows=first, context=self.context[first], targets=targets)


@dataclass(frozen=True)
class Cases:
    """Questions with known answers. users int [c]; rows int64 [c], the purchase whose "before" is the context;
    context int64 [c], last known row of the user (first_row - 1: none); targets: item rows bought next, one array each.
    """

    users: np.ndarray
    rows: np.ndarray
    context: np.ndarray
    targets: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, which: np.ndarray | slice) -> Cases:
        rows = np.arange(len(self))[which]
        targets = [self.targets[r] for r in rows]
        return Cases(self.users[rows], self.rows[rows], self.context[rows], targets)

    def lengths(self, data: TwoTowerDataset) -> np.ndarray:
        """int64 [c]: purchases known of each user."""
        return self.context - data.first_row[self.users] + 1

    def bought(self, data: TwoTowerDataset) -> list[np.ndarray]:
        """The items each user is known to have bought, one array each."""
        first = data.first_row[self.users]
        return [data.item[a : b + 1] for a, b in zip(first, self.context, strict=True)]


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
    return first_of_moment - 1


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
        values = np.array(["" if np.isnan(v) else f"{v:g}" for v in values], dtype=object)
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
    """Windows that predict every TRAIN purchase once, with at least half of `max_history` before it where there is."""
    train_rows = np.flatnonzero(data.role == TRAIN)
    if len(train_rows) == 0:
        return []
    users, begin = np.unique(data.user[train_rows], return_index=True)
    end = np.append(begin[1:], len(train_rows))
    made = []
    step = max(max_history // 2, 1)
    for u, b, e in zip(users, begin, end, strict=True):
        first, stop = int(data.first_row[u]), int(train_rows[e - 1]) + 1
        made.append(Window(first, int(train_rows[b]), min(first + max_history, stop)))
        at = first + max_history
        while at < stop:
            made.append(Window(at - step, at, min(at + step, stop)))
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
