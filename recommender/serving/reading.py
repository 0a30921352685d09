"""The catalog read from the database, and how a change of it is noticed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from django.db.models import Case, Count, Max, Q, QuerySet, Value, When

from recommender.engine.bundle.neighbours import Neighbours, feature_codes
from recommender.engine.data.encoders import as_text
from recommender.engine.data.inputs import ItemVectors, Rows, Stacked
from recommender.registry import open_index
from recommender.serving.catalog import FilterField, LiveCatalog, LiveModel, PlacedModel, Slice, digest
from recommender.serving.tally import Tally
from recommender.source import (
    RecommenderSource,
    available,
    is_item_key,
    leads_to_many,
    plain_value,
    read_content,
    read_item,
    read_variants,
    scope_text,
)

SLICE_ITEMS = 2_000  # whose digest is compared at once


@dataclass(frozen=True)
class NewItem:
    """An item of the database that no catalog holds yet. values : filterable or categorical field -> its text."""

    key: str
    pk: Any
    values: Mapping[str, str]

    def features(self, source: RecommenderSource) -> dict[str, object]:
        """What a model reads of it."""
        content = dict(read_content(source, [self.pk]))
        return {name: self.values[name] for name in source.item_categorical} | content.get(self.pk, {})


def read_catalog(
    source: RecommenderSource, model: LiveModel | None, tally: Tally, before: PlacedModel | None = None
) -> LiveCatalog:
    """The items now in the database, and their vectors if there is a model.

    before : the same model with the items as they were when they were last read.
    """
    fields = _fields(source)
    trained: Mapping[str, int] = model.inference.row_of if model else {}
    table = _Table(trained, len(fields))
    for pk, key, is_shown, *values in table.sliced(_rows(source).iterator(SLICE_ITEMS)):
        if is_item_key(key):
            table.put(str(key), pk, is_shown, values)
    keys = [*(model.inference.item_keys if model else []), *table.new]
    row_of = dict(trained) | table.new if table.new or model is None else model.inference.row_of
    columns = dict(zip(fields, table.columns, strict=True))
    placed = None
    if model is not None:
        content = _content_of(source, table.pks[len(trained) :])
        placed = _place_items(model, row_of, columns, content, source, before)
        row_of = placed.row_of
    row_of_pk = {pk: row for row, pk in enumerate(table.pks) if pk is not None}
    if source.item_group:
        row_of = row_of | {key: row_of_pk[parent] for key, parent in read_variants(source) if parent in row_of_pk}
    nothing = np.zeros(len(keys))
    catalog = LiveCatalog(
        placed=placed,
        keys=keys,
        row_of=row_of,
        shown=np.array(table.shown, dtype=bool),
        pks=_objects(table.pks),
        row_of_pk=row_of_pk,
        values={name: FilterField.of(columns[name]) for name in source.item_filters},
        digests=np.array([digest(key) for key in keys], dtype=np.uint64),
        newest=table.newest(),
        purchases=nothing,
        rated=nothing,
        rating_sum=nothing,
        popular=np.arange(len(keys)),
        trending=(np.zeros(0, np.int64), nothing[:0]),
        slices=table.slices,
        scopes=_scopes(source, table.pks),
    )
    return catalog.with_tally(tally)


def read_new_item(source: RecommenderSource, key: str, scope: str | None = None) -> NewItem | None:
    """The item of this key as the database has it now; None where it has none, in this scope if one is named. One
    query."""
    fields = _fields(source)
    row = read_item(key, fields, scope)
    return None if row is None else NewItem(key, row[0], dict(zip(fields, map(_text, row[1:]), strict=True)))


def catalog_state(source: RecommenderSource) -> tuple[Any, ...]:
    """What changes as a rule when an item is created, changed, deleted or withdrawn. One query; two with variants.

    It is a hint that a catalog should be read again at once. What it misses (two items that change places, a clock
    that is wrong, a long transaction) is noticed by `changed_slice`.
    """
    measures: dict[str, Any] = {"n": Count("pk"), "available": Count("pk", filter=Q(_shown=True))}
    if source.item_updated:
        measures["updated"] = Max(source.item_updated)
    variants = [source.variants().count()] if source.item_group else []
    state = [*_shown(source, source.items.order_by()).aggregate(**measures).values(), *variants]
    if source.item_scope and leads_to_many(source.items, source.item_scope):
        state.append(source.items.order_by().aggregate(_scopes=Count(source.item_scope))["_scopes"])
    return tuple(state)


def changed_slice(source: RecommenderSource, slices: Sequence[Slice], start: int, seconds: float) -> tuple[bool, int]:
    """Whether an item changed since the catalog was read, in any column that the catalog reads; and where to go on.

    Slices are compared with the database one after the other from number `start` on, for about so many seconds, at
    least one: a refresh costs the same for a small catalog and a large one, and after a few all are compared.
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
        if reduce(_with_row, rows.iterator(SLICE_ITEMS), 0) != part.digest:
            return True, number
        if time.perf_counter() - began > seconds:
            break
    return False, number


# --- within -----------------------------------------------------------------------------------------------------------


class _Table:
    """Items in the order of a catalog's rows, filled while they are read: never are all rows of the query in memory.

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
        self._read = 0
        self._texts: dict[str, str] = {}
        self.slices: list[Slice] = []

    def put(self, key: str, pk: Any, shown: bool, values: Sequence[Any]) -> None:
        row = self.trained.get(key, self.new.get(key))
        if row is None:
            row = self.new[key] = len(self.pks)
            for column in (self.pks, self.shown, self._place, *self.columns):
                column.append(None)
        self.pks[row], self.shown[row], self._place[row] = pk, shown, self._read
        for column, value in zip(self.columns, values, strict=False):  # a scope may stand behind them
            text = _text(value)
            column[row] = self._texts.setdefault(text, text)
        self._read += 1

    def sliced(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The same rows, which come in the order of primary keys; their digests are kept as `slices`."""
        after = last = None
        digest = number = 0
        for row in rows:
            if number == SLICE_ITEMS:
                self.slices.append(Slice(after, last, digest))
                after, digest, number = last, 0, 0
            digest, last, number = _with_row(digest, row), row[0], number + 1
            yield row
        self.slices.append(Slice(after, None, digest))

    def newest(self) -> np.ndarray:
        """int64 [rows], 0 for the item created last; those that are gone come after all others."""
        last = self._read
        return np.array([last if place is None else last - 1 - place for place in self._place], dtype=np.int64)


def _place_items(
    model: LiveModel,
    row_of: dict[str, int],
    columns: Mapping[str, list[str]],
    content: Sequence[Mapping[str, object]],
    source: RecommenderSource,
    before: PlacedModel | None,
) -> PlacedModel:
    """The model with a vector for each row. columns : feature -> its values, by row.   content : of each row that the
    model does not know.

    What was placed before stays where the features that place items do: prices and stock change all the time, and no
    item need be encoded anew for that.
    """
    inference = model.inference
    described = [
        {name: columns[name][row] for name in source.item_categorical} | dict(of_one)
        for row, of_one in enumerate(content, len(inference.item_keys))
    ]
    if before and (before.model, before.row_of, before.described) == (model, row_of, described):
        placed = before
    else:
        vectors: ItemVectors = inference.items
        says: Rows = inference.content
        if described:
            ids, of_new = inference.encode_described(described)
            vectors = inference.items.above(inference.run_items(np.full(len(ids), -1, np.int64), ids, of_new))
            says = Stacked(inference.content, of_new)
        no_codes, parts = np.zeros((0, len(vectors)), np.int32), inference.encoders.content.shared_parts
        without_features = Neighbours(inference, vectors, no_codes, says, parts)
        index = open_index(model.collection, vectors)
        placed = PlacedModel(model, vectors, index, without_features, row_of, described)
    names = [name for name in inference.schema.item_categorical if name in columns]
    codes, tables = feature_codes(columns, names, len(row_of))
    code_of = dict(zip(names, tables, strict=True))
    if code_of == placed.code_of and np.array_equal(codes, placed.neighbours.codes):
        return placed
    return replace(placed, neighbours=replace(placed.neighbours, codes=codes), code_of=code_of)


def _content_of(source: RecommenderSource, pks: Sequence[Any]) -> list[dict[str, object]]:
    """What these items say beside categories."""
    if not source.schema().content_fields:
        return [{} for _ in pks]
    found = dict(read_content(source, pks))
    return [found.get(pk, {}) for pk in pks]


def _fields(source: RecommenderSource) -> list[str]:
    return list(dict.fromkeys([*source.item_categorical, *source.item_filters]))


def _rows(source: RecommenderSource) -> QuerySet:
    """Of each item what a catalog holds of it: primary key, key, whether it may be listed, fields; and its scope, where
    it has one, so that a change is noticed: `_scopes` reads it."""
    rows = _shown(source, source.listed_items().order_by("pk"))
    scope = [source.item_scope] if source.item_scope and not leads_to_many(rows, source.item_scope) else []
    return rows.values_list("pk", source.item_key, "_shown", *_fields(source), *scope)


def _scopes(source: RecommenderSource, pks: Sequence[Any]) -> dict[str, np.ndarray]:
    """The rows of the items of each scope. One query where items have scopes. pks : of the rows."""
    if not source.item_scope:
        return {}
    row_of_pk = {pk: row for row, pk in enumerate(pks) if pk is not None}
    rows: dict[str, list[int]] = {}
    for pk, scope in source.items.order_by().values_list("pk", source.item_scope).iterator(SLICE_ITEMS):
        text, row = scope_text(scope), row_of_pk.get(pk)
        if text is not None and row is not None:
            rows.setdefault(text, []).append(row)
    return {scope: np.array(found, dtype=np.int64) for scope, found in rows.items()}


def _shown(source: RecommenderSource, items: QuerySet) -> QuerySet:
    """Items with `_shown`: whether they may be listed."""
    return items.annotate(_shown=Case(When(available(source), then=Value(True)), default=Value(False)))


def _with_row(digest: int, row: tuple[Any, ...]) -> int:
    """The digest of some rows and one more."""
    return hash((digest, repr(row)))  # not of the row itself: a JSON field has no hash, nan does not equal itself


def _text(value: Any) -> str:
    """As training reads it: a number has one text."""
    return value if type(value) is str else as_text("", plain_value(value))


def _objects(values: Iterable[Any]) -> np.ndarray:
    found = list(values)
    array = np.empty(len(found), dtype=object)
    array[:] = found
    return array
