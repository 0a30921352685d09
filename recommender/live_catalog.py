"""The catalog as a list sees it: one row an item, in arrays, with the vectors that the live model gives each."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db.models import Case, Count, Exists, Max, OuterRef, Q, QuerySet, Sum, Value, When

from recommender.engine.encoders import as_text
from recommender.engine.explain import Weighed, weigh
from recommender.engine.inference import Inference, Person
from recommender.engine.inputs import ItemVectors, Vectors
from recommender.engine.retrieval import Index
from recommender.people import plain
from recommender.remembered import Remembered
from recommender.retrieval import index_of
from recommender.source import RecommenderSource
from recommender.times import credible
from recommender.trends import trends

if TYPE_CHECKING:
    from recommender.engine.milvus import MilvusIndex, MilvusVectors

SHRINKAGE = 5.0  # an item's mean rating counts as if so many ratings at the shop's mean stood beside it
NEUTRAL_RATING = 2.5  # the middle of 0 to 5: what is expected where nobody ever rated anything
DIGEST_BYTES = 6


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

    described : the features of the items that it does not know, which place them, in the order of their rows.
    asked : the people who asked last, in vectors.
    """

    live: Live
    vectors: ItemVectors
    index: Index | MilvusIndex
    row_of: dict[str, int]
    described: Sequence[Mapping[str, object]]
    asked: Remembered = field(default_factory=Remembered)

    def taste(self, rows: np.ndarray) -> np.ndarray:
        """float32 [k, width]: the part of these items' vectors that says who wants them, less how many do."""
        return self.vectors.rank[rows][:, : self.vectors.trace.shape[1]]

    def weigh(self, people: Sequence[tuple[Person, Collection[str] | None]]) -> list[Weighed]:
        """People in vectors, with and without each piece of what is known of them."""
        towers = partial(weigh, self.live.inference, catalog=self.vectors, row_of=self.row_of)
        if len(people) != 1:  # a batch asks for everybody once
            return towers(people)
        ((person, settled),) = people
        signature = self.live.inference.signature(person, self.row_of)
        told: Hashable = signature
        if settled is not None:
            # What somebody told of a profile is evidence, what was made of purchases is not, though it be the same.
            told = (signature, *settled, None, *person.profile)
        elif (stored := self.live.inference.stored(signature)) is not None:
            return [Weighed.whole(stored)]
        return [self.asked.weighed(told, lambda: towers(people)[0])]

    def encode(self, people: Sequence[Person]) -> Vectors:
        """Vectors of people, whose histories may hold items newer than the model."""
        return self.live.inference.encode_users(people, self.vectors, self.row_of)


@dataclass(frozen=True)
class Facet:
    """A field to filter by, in numbers, so that a filter costs next to nothing. codes : int32 [n].

    code_of : value -> code; "", what is missing, is 0.
    """

    codes: np.ndarray
    code_of: Mapping[str, int]

    @classmethod
    def of(cls, column: Iterable[str]) -> Facet:
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
    """Purchases by item. counts : item pk -> (purchases, rated, sum of ratings). last : the newest pk counted.

    trends : (item pk, score) of what sells more of late, as of when everything was counted.
    """

    counts: Mapping[Any, tuple[int, int, float]] = field(default_factory=dict)
    last: Any = None
    trends: Sequence[tuple[Any, float]] = ()

    def plus(self, newer: Tally) -> Tally:
        counts = dict(self.counts)
        for pk, (n, rated, total) in newer.counts.items():
            before = counts.get(pk, (0, 0, 0.0))
            counts[pk] = (before[0] + n, before[1] + rated, before[2] + total)
        return Tally(counts, newer.last, self.trends)


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
    purchases, rated, rating_sum : float64 [n].   popular : int64 [n], rows from the most bought down.
    trending : rows int64 [<= n] of what sells more of late, the steepest first, and their scores float64.
    """

    placed: Placed | None
    keys: Sequence[str]
    row_of: dict[str, int]
    shown: np.ndarray
    pks: np.ndarray
    row_of_pk: dict[Any, int]
    values: Mapping[str, Facet]
    digests: np.ndarray
    newest: np.ndarray
    purchases: np.ndarray
    rated: np.ndarray
    rating_sum: np.ndarray
    popular: np.ndarray
    trending: tuple[np.ndarray, np.ndarray]

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
        return bool(self.rated.any())

    def mean_rating(self, row: int | None) -> float:
        """What people gave the item (any item, for None) on average, drawn to the shop's mean where few did."""
        rated, total = self.rated.sum(), self.rating_sum.sum()
        shop = float(total / rated) if rated else NEUTRAL_RATING
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
        return replace(self, purchases=purchases, rated=rated, rating_sum=rating_sum, popular=popular)

    def counting_only(self, tally: Tally) -> LiveCatalog:
        """The same catalog with these purchases instead of those it counts."""
        nothing = np.zeros(len(self))
        here = [(self.row_of_pk[pk], score) for pk, score in tally.trends if pk in self.row_of_pk]
        rows, scores = np.array(here, dtype=np.float64).reshape(-1, 2).T
        trending = (rows.astype(np.int64), scores)
        return replace(self, purchases=nothing, rated=nothing, rating_sum=nothing, trending=trending).counting(tally)


def digest(key: str) -> int:
    """Six bytes that stand for an item: short enough to carry many, long enough that two never meet in a catalog."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=DIGEST_BYTES).digest(), "big")


# --- reading ----------------------------------------------------------------------------------------------------------


def catalog_state(source: RecommenderSource) -> tuple[Any, ...]:
    """What changes whenever an item is created, changed, deleted or withdrawn. One query."""
    measures: dict[str, Any] = {"n": Count("pk"), "available": Count("pk", filter=_available(source))}
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
    fields = list(dict.fromkeys([*source.item_categorical, *source.item_filters]))
    shown = Case(When(_available(source), then=Value(True)), default=Value(False))
    query = source.items.order_by("pk").annotate(_shown=shown)
    trained: Mapping[str, int] = live.inference.row_of if live else {}
    table = _Table(trained, len(fields))
    for pk, key, is_shown, *values in query.values_list("pk", source.item_key, "_shown", *fields).iterator(5_000):
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
    nothing = np.zeros(len(keys))
    catalog = LiveCatalog(
        placed=placed,
        keys=keys,
        row_of=row_of,
        shown=np.array(table.shown, dtype=bool),
        pks=_objects(table.pks),
        row_of_pk={pk: row for row, pk in enumerate(table.pks) if pk is not None},
        values={name: Facet.of(columns[name]) for name in source.item_filters},
        digests=np.array([digest(key) for key in keys], dtype=np.uint64),
        newest=table.newest(),
        purchases=nothing,
        rated=nothing,
        rating_sum=nothing,
        popular=np.arange(len(keys)),
        trending=(np.zeros(0, np.int64), nothing[:0]),
    )
    return catalog.counting_only(tally)


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

    def newest(self) -> np.ndarray:
        """int64 [rows], 0 for the item created last; those that are gone come after all others."""
        last = self._told
        return np.array([last if place is None else last - 1 - place for place in self._place], dtype=np.int64)


def _place(live: Live, described: list[dict[str, object]], row_of: dict[str, int]) -> Placed:
    vectors: ItemVectors = live.inference.items
    if described:
        vectors = live.inference.items.above(live.inference.encode_items(described))
    return Placed(live, vectors, index_of(live.collection, vectors), row_of, described)


def read_tally(source: RecommenderSource) -> Tally:
    """All purchases by item, and what trends, counted by the database."""
    purchases, item = learned_from(source).order_by(), source.interaction_item
    measures: dict[str, Any] = {"_n": Count("pk"), "_last": Max("pk")}
    if source.interaction_rating:
        measures |= {"_rated": Count(source.interaction_rating), "_sum": Sum(source.interaction_rating)}
    counts, last = {}, None
    for pk, n, newest, *rated in purchases.values_list(item).annotate(**measures).iterator():
        ratings, total = rated or (0, 0)
        counts[pk] = (n, ratings, float(total or 0))
        last = newest if last is None else max(last, newest)
    return Tally(counts, last, trends(source, purchases))


def read_newer(source: RecommenderSource, since: Any) -> Tally:
    """Purchases stored after the pk `since` by item, counted here: to group them, a database may walk all there are."""
    purchases, rating = learned_from(source).order_by("pk"), source.interaction_rating
    if since is not None:
        purchases = purchases.filter(pk__gt=since)
    counts: dict[Any, tuple[int, int, float]] = {}
    last = since
    for pk, item, *rated in purchases.values_list(
        "pk", source.interaction_item, *([rating] if rating else [])
    ).iterator():
        n, ratings, total = counts.get(item, (0, 0, 0.0))
        given = rated[0] if rated else None
        counts[item] = (n + 1, ratings + (given is not None), total + float(given or 0))
        last = pk
    return Tally(counts, last)


def learned_from(source: RecommenderSource) -> QuerySet:
    """The purchases of customers who agree to personalisation, at a time that can be true. Asked row by row: new ones
    are few, customers many."""
    agreeing = Exists(source.customers.filter(pk=OuterRef(source.interaction_customer)))
    return source.interactions.filter(credible(source), agreeing)


def _available(source: RecommenderSource) -> Q:
    return source.item_available or Q(pk__isnull=False)


def _text(value: Any) -> str:
    """As training reads it: a number has one text."""
    return value if type(value) is str else as_text("", plain(value))


def _objects(values: Iterable[Any]) -> np.ndarray:
    found = list(values)
    array = np.empty(len(found), dtype=object)
    array[:] = found
    return array
