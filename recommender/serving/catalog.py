"""The catalog as a list sees it: one row an item, in arrays, with the vectors that the live model gives each."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db.models import Case, Count, Exists, F, Max, OuterRef, Q, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber

from recommender.engine.bundle.explain import Weighed, weigh
from recommender.engine.bundle.inference import Inference, Person
from recommender.engine.bundle.neighbours import Neighbours, feature_codes
from recommender.engine.bundle.retrieval import Index
from recommender.engine.data.encoders import HIGHEST_RATING, LOWEST_RATING, as_text, stored_rating
from recommender.engine.data.inputs import ItemVectors, Vectors
from recommender.registry import open_index
from recommender.serving.trends import trends
from recommender.source import RecommenderSource, credible, is_item_key, plain_value, read_item

if TYPE_CHECKING:
    from recommender.engine.bundle.milvus import MilvusIndex, MilvusVectors

SHRINKAGE = 5.0  # an item's mean rating counts as if so many ratings at the shop's mean stood beside it
DIGEST_BYTES = 6
AT_ONCE = 500  # purchases whose earlier ones are looked up with one query
SLICE = 2_000  # items whose digest is compared at once


@dataclass(frozen=True)
class Live:
    """The promoted model, open in this process. pk and version : of its ModelVersion row.

    collection : its item vectors on a server that searches them, where there is one.
    """

    pk: int
    version: str
    inference: Inference
    collection: MilvusVectors | None = None


@dataclass(frozen=True)
class Placed:
    """The live model with a vector for every row of the catalog.

    neighbours : which of these items go with which.
    described : the features of the items that it does not know, which place them, in the order of their rows.
    """

    live: Live
    vectors: ItemVectors
    index: Index | MilvusIndex
    neighbours: Neighbours
    row_of: dict[str, int]
    described: Sequence[Mapping[str, object]]

    def taste(self, rows: np.ndarray) -> np.ndarray:
        """float32 [k, width]: the part of these items' vectors that says who wants them, less how many do."""
        return self.vectors.rank[rows][:, : self.vectors.trace.shape[1]]

    def weigh(self, people: Sequence[tuple[Person, Collection[str] | None]]) -> list[Weighed]:
        """People in vectors, with and without each piece of what is known of them."""
        return weigh(self.live.inference, people, self.vectors, self.row_of)

    def encode(self, people: Sequence[Person]) -> Vectors:
        """Vectors of people, whose histories may hold items newer than the model."""
        return self.live.inference.encode_users(people, self.vectors, self.row_of)


@dataclass(frozen=True)
class FilterField:
    """A field to filter by, in numbers, so that a filter costs next to nothing. codes : int32 [n].

    code_of : value -> code; "", what is missing, is 0.
    """

    codes: np.ndarray
    code_of: Mapping[str, int]

    @classmethod
    def of(cls, column: Iterable[str]) -> FilterField:
        values = list(column)
        code_of = {value: code for code, value in enumerate(dict.fromkeys(["", *values]))}
        return cls(np.array([code_of[value] for value in values], dtype=np.int32), code_of)

    def is_any_of(self, values: Iterable[str]) -> np.ndarray:
        """bool [n]: where the field has one of the values."""
        wanted = np.zeros(len(self.code_of), dtype=bool)
        wanted[[self.code_of[value] for value in values if value in self.code_of]] = True
        return wanted[self.codes]

    def same_as(self, row: int) -> np.ndarray:
        """bool [n]: where the field has the value that it has in this row; nowhere, where that is missing."""
        return (self.codes == self.codes[row]) & (self.codes[row] != 0)


@dataclass(frozen=True)
class Tally:
    """What people bought, by item. Each person counts once for an item, and with the rating they gave it last.

    counts : item pk -> (people who bought it, people who rated it, sum of their ratings).   last : the newest pk
    counted.   trends : (item pk, score) of what sells more of late, as of when everything was counted.
    raters : people who rated anything, and the sum of their mean ratings.
    """

    counts: Mapping[Any, tuple[int, int, float]] = field(default_factory=dict)
    last: Any = None
    trends: Sequence[tuple[Any, float]] = ()
    raters: tuple[int, float] = (0, 0.0)

    def plus(self, newer: Tally) -> Tally:
        counts = dict(self.counts)
        for pk, (n, rated, total) in newer.counts.items():
            before = counts.get(pk, (0, 0, 0.0))
            counts[pk] = (before[0] + n, before[1] + rated, before[2] + total)
        raters = (self.raters[0] + newer.raters[0], self.raters[1] + newer.raters[1])
        return Tally(counts, newer.last, self.trends, raters)


@dataclass(frozen=True)
class NewItem:
    """An item of the database that no catalog holds yet. values : filterable or categorical field -> its text."""

    key: str
    pk: Any
    values: Mapping[str, str]

    def features(self, source: RecommenderSource) -> dict[str, object]:
        """What a model is told of it."""
        return {name: self.values[name] for name in source.item_categorical}


@dataclass(frozen=True)
class Slice:
    """Items between two primary keys, with a digest of all that the catalog read of them.

    after : the last primary key before the slice, None for the first.   last : its own last, None where it goes on to
    the end.
    """

    after: Any
    last: Any
    digest: int


@dataclass(frozen=True)
class LiveCatalog:
    """Everything a list needs to know of the items. Immutable: a request keeps the one it took.

    With a model, the rows are its own items in its own order, so that its vectors are used where they lie (memory
    mapped), followed by the items created since, placed by their features. Without one, the rows are the items.

    keys : item keys [n].   row_of : key -> row.   shown : bool [n], in the database and available.
    pks : object [n], None for an item that is gone.   row_of_pk : pk -> row.
    values : filterable field -> its value of each item.
    digests : uint64 [n], what a page token holds of an item.
    newest : int64 [n], 0 for the item created last.
    purchases, rated : float64 [n], people who bought and who rated each item.   rating_sum : float64 [n], of what each
    of them said last.   raters : people who rated anything, and the sum of their mean ratings.
    popular : int64 [n], rows from the most bought down.
    trending : rows int64 [<= n] of what sells more of late, the steepest first, and their scores float64.
    slices : digests of the items as they were read, by which a change is noticed.
    """

    placed: Placed | None
    keys: Sequence[str]
    row_of: dict[str, int]
    shown: np.ndarray
    pks: np.ndarray
    row_of_pk: dict[Any, int]
    values: Mapping[str, FilterField]
    digests: np.ndarray
    newest: np.ndarray
    purchases: np.ndarray
    rated: np.ndarray
    rating_sum: np.ndarray
    popular: np.ndarray
    trending: tuple[np.ndarray, np.ndarray]
    slices: Sequence[Slice] = ()
    raters: tuple[int, float] = (0, 0.0)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def live(self) -> Live | None:
        return self.placed.live if self.placed else None

    def knows(self, key: str) -> bool:
        """Whether there is such an item now, for sale or not."""
        row = self.row_of.get(key)
        return row is not None and self.pks[row] is not None

    def rows(self, keys: Iterable[str]) -> np.ndarray:
        """int64 rows of those of the keys that are known here."""
        return np.array([self.row_of[k] for k in keys if k in self.row_of], dtype=np.int64)

    @property
    def has_ratings(self) -> bool:
        """Whether anybody rated any of the items."""
        return bool(self.rated.any()) and self.raters[0] > 0

    def mean_rating(self, row: int | None) -> float:
        """What people gave the item (any item, for None) on average, drawn to the shop's mean where few did. Only where
        there are ratings (`has_ratings`).

        The shop's mean is that of its people's means.
        """
        people, means = self.raters
        shop = means / people
        if row is None:
            return shop
        return float((self.rating_sum[row] + SHRINKAGE * shop) / (self.rated[row] + SHRINKAGE))

    def counting(self, tally: Tally) -> LiveCatalog:
        """The same catalog with these purchases on top of those it counts."""
        known = [(self.row_of_pk[pk], *counts) for pk, counts in tally.counts.items() if pk in self.row_of_pk]
        more = np.array(known, dtype=np.float64).reshape(-1, 4)
        rows = more[:, 0].astype(np.int64)
        purchases, rated, rating_sum = self.purchases.copy(), self.rated.copy(), self.rating_sum.copy()
        purchases[rows] += more[:, 1]
        rated[rows] += more[:, 2]
        rating_sum[rows] += more[:, 3]
        popular = np.lexsort((self.newest, -purchases))
        raters = (self.raters[0] + tally.raters[0], self.raters[1] + tally.raters[1])
        return replace(self, purchases=purchases, rated=rated, rating_sum=rating_sum, popular=popular, raters=raters)

    def counting_only(self, tally: Tally) -> LiveCatalog:
        """The same catalog with these purchases instead of those it counts."""
        nothing = np.zeros(len(self))
        here = [(self.row_of_pk[pk], score) for pk, score in tally.trends if pk in self.row_of_pk]
        rows, scores = np.array(here, dtype=np.float64).reshape(-1, 2).T
        trending = (rows.astype(np.int64), scores)
        empty = replace(self, purchases=nothing, rated=nothing, rating_sum=nothing, raters=(0, 0.0))
        return replace(empty, trending=trending).counting(tally)


def digest(key: str) -> int:
    """Six bytes that stand for an item: short enough to carry many, long enough that two never meet in a catalog."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=DIGEST_BYTES).digest(), "big")


# --- reading ----------------------------------------------------------------------------------------------------------


def catalog_state(source: RecommenderSource) -> tuple[Any, ...]:
    """What changes as a rule when an item is created, changed, deleted or withdrawn. One query.

    It is a hint that a catalog should be read again at once. What it misses (two items that change places, a clock
    that is wrong, a long transaction) is noticed by `changed_slice`.
    """
    measures: dict[str, Any] = {"n": Count("pk"), "available": Count("pk", filter=available(source))}
    if source.item_updated:
        measures["updated"] = Max(source.item_updated)
    return tuple(source.items.aggregate(**measures).values())


def read_catalog(
    source: RecommenderSource, live: Live | None, tally: Tally, before: Placed | None = None
) -> LiveCatalog:
    """The items now in the database, and their vectors if there is a model.

    before : where that model placed the items when they were last read. It stays where nothing did that places items:
    prices and stock change all the time, and nobody need be encoded anew for that.
    """
    fields = _fields(source)
    trained: Mapping[str, int] = live.inference.row_of if live else {}
    table = _Table(trained, len(fields))
    for pk, key, is_shown, *values in table.sliced(_rows(source).iterator(SLICE)):
        if is_item_key(key):
            table.put(str(key), pk, is_shown, values)
    keys = [*(live.inference.item_keys if live else []), *table.new]
    row_of = dict(trained) | table.new if table.new or live is None else live.inference.row_of
    columns = dict(zip(fields, table.columns, strict=True))
    placed = None
    if live is not None:
        first = len(trained)
        described: list[dict[str, object]] = [
            {name: columns[name][row] for name in source.item_categorical} for row in range(first, len(keys))
        ]
        if before and (before.live, before.row_of, before.described) == (live, row_of, described):
            placed, row_of = before, before.row_of
        else:
            placed = _place(live, described, row_of)
        names = [name for name in live.inference.schema.item_categorical if name in columns]
        codes, _ = feature_codes(columns, names, len(keys))
        if not np.array_equal(codes, placed.neighbours.codes):
            placed = replace(placed, neighbours=replace(placed.neighbours, codes=codes))
    nothing = np.zeros(len(keys))
    catalog = LiveCatalog(
        placed=placed,
        keys=keys,
        row_of=row_of,
        shown=np.array(table.shown, dtype=bool),
        pks=_objects(table.pks),
        row_of_pk={pk: row for row, pk in enumerate(table.pks) if pk is not None},
        values={name: FilterField.of(columns[name]) for name in source.item_filters},
        digests=np.array([digest(key) for key in keys], dtype=np.uint64),
        newest=table.newest(),
        purchases=nothing,
        rated=nothing,
        rating_sum=nothing,
        popular=np.arange(len(keys)),
        trending=(np.zeros(0, np.int64), nothing[:0]),
        slices=table.slices,
    )
    return catalog.counting_only(tally)


def changed_slice(source: RecommenderSource, slices: Sequence[Slice], start: int, seconds: float) -> tuple[bool, int]:
    """Whether an item changed since the catalog was read, in any column that the catalog reads; and where to go on.

    Slices are compared with the database one after the other from number `start` on, for about so many seconds, at
    least one: a look costs the same for a small catalog and a large one, and after a few looks all are compared.
    """
    began, number = time.perf_counter(), start
    for _ in slices:
        number = (number if number < len(slices) else 0) + 1
        part = slices[number - 1]
        rows = _rows(source)
        if part.after is not None:
            rows = rows.filter(pk__gt=part.after)
        if part.last is not None:
            rows = rows.filter(pk__lte=part.last)
        if _digest_of(rows.iterator(SLICE)) != part.digest:
            return True, number
        if time.perf_counter() - began > seconds:
            break
    return False, number


def _fields(source: RecommenderSource) -> list[str]:
    return list(dict.fromkeys([*source.item_categorical, *source.item_filters]))


def _rows(source: RecommenderSource) -> QuerySet:
    """Of each item what a catalog holds of it: primary key, key, whether it may be listed, fields."""
    shown = Case(When(available(source), then=Value(True)), default=Value(False))
    rows = source.items.order_by("pk").annotate(_shown=shown)
    return rows.values_list("pk", source.item_key, "_shown", *_fields(source))


def _digest_of(rows: Iterable[tuple[Any, ...]]) -> int:
    digest = 0
    for row in rows:
        digest = _with_row(digest, row)
    return digest


def _with_row(digest: int, row: tuple[Any, ...]) -> int:
    try:
        if all(value == value for value in row):
            return hash((digest, row))
    except TypeError:  # a JSON field has no hash
        pass
    return hash((digest, repr(row)))  # nor is nan equal to itself


def read_new_item(source: RecommenderSource, key: str) -> NewItem | None:
    """The item of this key as the database has it now; None where it has none. One query."""
    fields = _fields(source)
    row = read_item(key, fields)
    return None if row is None else NewItem(key, row[0], dict(zip(fields, map(_text, row[1:]), strict=True)))


class _Table:
    """Items in the order of a catalog's rows, filled as the database tells them: never all of its answer in memory.

    new : key -> row of those that the model does not know.   columns : of each field, its values; equal ones are one
    object.   pks, shown : None and False where the database has no such item any more.
    """

    def __init__(self, trained: Mapping[str, int], fields: int):
        n = len(trained)
        self.trained = trained
        self.new: dict[str, int] = {}
        self.pks: list[Any] = [None] * n
        self.shown = [False] * n
        self.columns: list[list[str]] = [[""] * n for _ in range(fields)]
        self._place: list[int | None] = [None] * n  # in the order of creation
        self._told = 0
        self._texts: dict[str, str] = {}
        self.slices: list[Slice] = []

    def put(self, key: str, pk: Any, shown: bool, values: Sequence[Any]) -> None:
        row = self.trained.get(key, self.new.get(key))
        if row is None:
            row = self.new[key] = len(self.pks)
            for column in (self.pks, self.shown, self._place, *self.columns):
                column.append(None)
        self.pks[row], self.shown[row], self._place[row] = pk, shown, self._told
        for column, value in zip(self.columns, values, strict=True):
            text = _text(value)
            column[row] = self._texts.setdefault(text, text)
        self._told += 1

    def sliced(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The same rows, which come in the order of primary keys; their digests are kept as `slices`."""
        after = last = None
        digest = number = 0
        for row in rows:
            if number == SLICE:
                self.slices.append(Slice(after, last, digest))
                after, digest, number = last, 0, 0
            digest, last, number = _with_row(digest, row), row[0], number + 1
            yield row
        self.slices.append(Slice(after, None, digest))

    def newest(self) -> np.ndarray:
        """int64 [rows], 0 for the item created last; those that are gone come after all others."""
        last = self._told
        return np.array([last if place is None else last - 1 - place for place in self._place], dtype=np.int64)


def _place(live: Live, described: list[dict[str, object]], row_of: dict[str, int]) -> Placed:
    vectors: ItemVectors = live.inference.items
    if described:
        vectors = live.inference.items.above(live.inference.encode_items(described))
    unseen = Neighbours(live.inference, vectors, np.zeros((0, len(vectors)), np.int32))  # features come with the rows
    return Placed(live, vectors, open_index(live.collection, vectors), unseen, row_of, described)


def read_tally(source: RecommenderSource) -> Tally:
    """All purchases by item, and what trends, counted by the database: each person once for an item."""
    purchases, item, customer = learned_from(source).order_by(), source.interaction_item, source.interaction_customer
    ratings, raters = _latest_ratings(source, purchases)
    counts, last = {}, None
    measures = {"_n": Count(customer, distinct=True), "_last": Max("pk")}
    for pk, n, newest in purchases.values_list(item).annotate(**measures).iterator():
        counts[pk] = (n, *ratings.get(pk, (0, 0.0)))
        last = newest if last is None else max(last, newest)
    return Tally(counts, last, trends(source, purchases), raters)


def _latest_ratings(
    source: RecommenderSource, purchases: QuerySet
) -> tuple[dict[Any, tuple[int, float]], tuple[int, float]]:
    """By item, how many people rated it and the sum of what each said last; then the number of people who rated
    anything and the sum of their means, so that one who rated very much is one of them."""
    by_item: dict[Any, tuple[int, float]] = {}
    people, means = 0, 0.0
    if not source.interaction_rating:
        return by_item, (0, 0.0)
    who, what, rating = source.interaction_customer, source.interaction_item, source.interaction_rating
    newest_first = [F(source.interaction_time).desc(), F("pk").desc()]
    place = Window(RowNumber(), partition_by=[F(who), F(what)], order_by=newest_first)
    latest = purchases.filter(_rated(source)).annotate(_place=place).filter(_place=1)
    rows = latest.order_by(who).values_list(who, what, rating).iterator()
    for _, theirs in groupby(rows, key=itemgetter(0)):
        given = 0.0
        for number, (_, item, value) in enumerate(theirs, 1):  # noqa: B007
            n, total = by_item.get(item, (0, 0.0))
            by_item[item] = (n + 1, total + float(value))
            given += float(value)
        people, means = people + 1, means + given / number
    return by_item, (people, means)


def read_newer(source: RecommenderSource, since: Any) -> Tally:
    """Purchases stored after the pk `since` by item, counted here: to group them, a database may walk all there are.

    A person who bought or rated an item before is not counted again.
    """
    purchases, rating = learned_from(source).order_by("pk"), source.interaction_rating
    columns = ["pk", source.interaction_customer, source.interaction_item, *([rating] if rating else [])]
    newer = purchases if since is None else purchases.filter(pk__gt=since)
    rows = newer.values_list(*columns).iterator()
    counts: dict[Any, tuple[int, int, float]] = {}
    raters: dict[Any, float] = {}
    seen: set[tuple[Any, Any]] = set()
    rated_before: set[tuple[Any, Any]] = set()
    last = since
    while part := list(islice(rows, AT_ONCE)):
        if since is not None:
            before = _pairs_before(source, purchases, part, since)
            seen |= before.keys()
            rated_before |= {pair for pair, rated in before.items() if rated}
        for pk, customer, item, *given in part:
            pair = customer, item
            n, rated, total = counts.get(item, (0, 0, 0.0))
            n += pair not in seen
            stars = stored_rating(given[0]) if given else None
            if stars is not None and pair not in rated_before:
                rated, total = rated + 1, total + stars
                rated_before.add(pair)
                raters[customer] = stars
            counts[item] = (n, rated, total)
            seen.add(pair)
            last = pk
    return Tally(counts, last, raters=(len(raters), sum(raters.values())))


def _pairs_before(
    source: RecommenderSource, purchases: QuerySet, rows: Sequence[tuple[Any, ...]], since: Any
) -> dict[tuple[Any, Any], int]:
    """Of the customers and items of these rows, which had met up to the pk `since`, and how often with a rating."""
    who, what = source.interaction_customer, source.interaction_item
    among = {f"{who}__in": {row[1] for row in rows}, f"{what}__in": {row[2] for row in rows}}
    before = purchases.filter(pk__lte=since, **among).order_by().values_list(who, what)
    counted = before.annotate(_rated=Count("pk", filter=_rated(source)))
    return {(customer, item): rated for customer, item, rated in counted}


def _rated(source: RecommenderSource) -> Q:
    """The purchases with a rating that is one: training leaves out any other, too."""
    if not source.interaction_rating:
        return Q(pk__isnull=False)
    bounds = {"gte": LOWEST_RATING, "lte": HIGHEST_RATING}
    return Q(**{f"{source.interaction_rating}__{name}": bound for name, bound in bounds.items()})


def learned_from(source: RecommenderSource) -> QuerySet:
    """The purchases of customers who agree to personalisation, at a time that can be true. Asked row by row: new ones
    are few, customers many."""
    agreeing = Exists(source.customers.filter(pk=OuterRef(source.interaction_customer)))
    return source.interactions.filter(credible(source), agreeing)


def available(source: RecommenderSource) -> Q:
    """Which of the items may be listed."""
    return source.item_available or Q(pk__isnull=False)


def _text(value: Any) -> str:
    """As training reads it: a number has one text."""
    return value if type(value) is str else as_text("", plain_value(value))


def _objects(values: Iterable[Any]) -> np.ndarray:
    found = list(values)
    array = np.empty(len(found), dtype=object)
    array[:] = found
    return array
