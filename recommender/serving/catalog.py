"""The catalog as a list sees it: one row an item, in arrays, with the vectors that the live model gives each."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recommender.engine.bundle.explain import EncodedCustomer, encode_with_ablations
from recommender.engine.bundle.inference import Inference, Interaction, Person, in_numbers
from recommender.engine.bundle.neighbours import Neighbours
from recommender.engine.bundle.repeats import History
from recommender.engine.bundle.retrieval import Index
from recommender.engine.data.inputs import ItemVectors, Vectors
from recommender.serving.tally import Tally
from recommender.source import get_source, read_several

if TYPE_CHECKING:
    from recommender.engine.bundle.milvus import MilvusIndex, MilvusVectors

SHRINKAGE = 5.0  # an item's mean rating counts as if so many ratings at the shop's mean stood beside it
DIGEST_BYTES = 6


@dataclass(frozen=True)
class LiveModel:
    """A model that serves, open in this process. pk and version : of its ModelVersion row.

    collection : its item vectors on a server that searches them, where there is one.
    """

    pk: int
    version: str
    inference: Inference
    collection: MilvusVectors | None = None


@dataclass(frozen=True)
class PlacedModel:
    """A model with a vector for every row of the catalog.

    neighbours : which of these items go with which.
    described : the features of the items that it does not know, which place them, in the order of their rows.
    code_of : of each of the neighbours' features, value -> code.
    """

    model: LiveModel
    vectors: ItemVectors
    index: Index | MilvusIndex
    neighbours: Neighbours
    row_of: dict[str, int]
    described: Sequence[Mapping[str, object]]
    code_of: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def like_described(self, features: Mapping[str, object], k: int, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What `Neighbours.nearest` finds, for an item of which only the features are known."""
        codes = np.array([of_field.get(str(features.get(f) or ""), 0) for f, of_field in self.code_of.items()])
        content = self.model.inference.encode_described([features])[1][0]
        return self.neighbours.nearest_to_described(codes, content, self.index, k, mask)

    def taste(self, rows: np.ndarray) -> np.ndarray:
        """float32 [k, width]: the part of these items' vectors that says who wants them, less how many do."""
        return self.vectors.rank[rows][:, : self.vectors.trace.shape[1]]

    def encode_with_ablations(self, people: Sequence[tuple[Person, Collection[str] | None]]) -> list[EncodedCustomer]:
        """People in vectors, with and without each piece of what is known of them."""
        return encode_with_ablations(self.model.inference, people, self.vectors, self.row_of)

    def history(self, purchases: Sequence[Interaction]) -> History:
        """Purchases, oldest first, as `Repeats` reads them."""
        rows, times, _ = in_numbers(purchases, self.row_of)
        return rows, times

    def encode(self, people: Sequence[Person]) -> Vectors:
        """Vectors of people, whose histories may hold items newer than the model."""
        return self.model.inference.encode_users(people, self.vectors, self.row_of)


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

    keys : item keys [n].   row_of : key -> row; a variant's key -> the row of its parent.
    shown : bool [n], in the database and available.
    pks : object [n], None for an item that is gone.   row_of_pk : pk -> row.
    values : filterable field -> its value of each item.
    digests : uint64 [n], what a page token holds of an item.
    newest : int64 [n], 0 for the item created last.
    purchases, rated : float64 [n], people who bought and who rated each item.   rating_sum : float64 [n], of what each
    of them said last.   raters : people who rated anything, and the sum of their mean ratings.
    popular : int64 [n], rows from the most bought down.
    trending : rows int64 [<= n] of what sells more of late, the steepest first, and their scores float64.
    slices : digests of the items as they were read, by which a change is noticed.
    scopes : where items have scopes, the rows int64 of each.   scope : of the items that this catalog shows, None where
    it shows those of all.   in_scope : bool [n], the rows that are of it.
    """

    placed: PlacedModel | None
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
    scopes: Mapping[str, np.ndarray] = field(default_factory=dict)
    scope: str | None = None
    in_scope: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def live(self) -> LiveModel | None:
        return self.placed.model if self.placed else None

    def of_scope(self, scope: str | None) -> LiveCatalog:
        """The catalog as a request of a scope sees it: what is of no other is not there. Itself, where there are none.

        What other scopes bought or rated counts in none of its numbers; of an item of several, all that did. Who rated
        in which scope is not counted, so its mean rating is that of its ratings, each of which stands for a person.

        It holds for whatever a list is made from: candidates are taken from `shown`, and what a list is about is looked
        up with `knows`.
        """
        if scope is None:
            return self
        mask = np.zeros(len(self), dtype=bool)
        mask[self.scopes.get(scope, [])] = True
        purchases, rated, rating_sum = self.purchases * mask, self.rated * mask, self.rating_sum * mask
        return replace(
            self,
            shown=self.shown & mask,
            purchases=purchases,
            rated=rated,
            rating_sum=rating_sum,
            raters=(int(rated.sum()), float(rating_sum.sum())),
            scope=scope,
            in_scope=mask,
        )

    def admits(self, key: str) -> bool:
        """Whether the item may be named here: it is of the scope, or none is asked for."""
        return self.in_scope is None or (key in self.row_of and bool(self.in_scope[self.row_of[key]]))

    def knows(self, key: str) -> bool:
        """Whether there is such an item now, for sale or not."""
        row = self.row_of.get(key)
        return row is not None and self.pks[row] is not None and (self.in_scope is None or bool(self.in_scope[row]))

    def listed_keys(self, keys: Iterable[str]) -> Iterator[str]:
        """Those of the keys that are known here, as the catalog has them: a variant's is that of its parent. Only
        those of the scope."""
        return (self.keys[self.row_of[key]] for key in keys if key in self.row_of and self.admits(key))

    def rows(self, keys: Iterable[str]) -> np.ndarray:
        """int64 rows of those of the keys that are known here."""
        return np.array([self.row_of[k] for k in keys if k in self.row_of], dtype=np.int64)

    def values_in_words(self, rows: Iterable[int]) -> dict[int, set[tuple[str, str]]]:
        """Of each row the categories and the several values that can be said of its item, as (field, value).

        One query for each field that leads to many or holds lists; none where there is no such field.
        """
        source, rows = get_source(), list(dict.fromkeys(rows))
        values: dict[int, set[tuple[str, str]]] = {row: set() for row in rows}
        for name in source.item_categorical:
            facet = self.values.get(name)
            if facet is not None:
                words = list(facet.code_of)
                for row in rows:
                    if facet.codes[row]:
                        values[row].add((name, words[facet.codes[row]]))
        row_of = {self.pks[row]: row for row in rows if self.pks[row] is not None}
        for pk, several in read_several(source, row_of):
            values[row_of[pk]] |= several
        return values

    @property
    def has_ratings(self) -> bool:
        """Whether anybody rated any of the items."""
        return bool(self.rated.any()) and self.raters[0] > 0

    def mean_rating(self, row: int | None) -> float:
        """What people gave the item (any item, for None) on average, drawn to the shop's mean where few did. Only where
        there are ratings (`has_ratings`).

        The shop's mean is that of its people's means; that of a scope, of its ratings.
        """
        people, means = self.raters
        shop = means / people
        if row is None:
            return shop
        return float((self.rating_sum[row] + SHRINKAGE * shop) / (self.rated[row] + SHRINKAGE))

    def with_more(self, tally: Tally) -> LiveCatalog:
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

    def with_tally(self, tally: Tally) -> LiveCatalog:
        """The same catalog with these purchases instead of those it counts."""
        nothing = np.zeros(len(self))
        here = [(self.row_of_pk[pk], score) for pk, score in tally.trends if pk in self.row_of_pk]
        rows, scores = np.array(here, dtype=np.float64).reshape(-1, 2).T
        trending = (rows.astype(np.int64), scores)
        empty = replace(self, purchases=nothing, rated=nothing, rating_sum=nothing, raters=(0, 0.0))
        return replace(empty, trending=trending).with_more(tally)


def digest(key: str) -> int:
    """Six bytes that stand for an item: short enough to carry many, long enough that two never meet in a catalog."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=DIGEST_BYTES).digest(), "big")
