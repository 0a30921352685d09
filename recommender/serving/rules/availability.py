"""Whether items may be listed, asked of the database. The catalog in memory is a second old, or more."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from django.db.models import F
from django.db.models.lookups import In

from recommender.serving.catalog import LiveCatalog
from recommender.source import (
    CompiledQuery,
    RecommenderSource,
    available,
    get_source,
    plain_field,
    stored_value,
    target_of,
)

AT_ONCE = 500  # primary keys in one query


def withdrawn(rows: np.ndarray, catalog: LiveCatalog) -> np.ndarray:
    """Those of the rows, int64 [k], whose items are not available now, are deleted, have another key than before or are
    of another scope than the catalog.

    One query; one for each 500 where there are more.
    """
    source, scope = get_source(), catalog.scope
    query, last = _available_items(source, scoped=scope is not None), []
    if scope is not None:
        last = [stored_value(scope_field(source), scope)]
        if last == [None]:  # the text of no scope
            return rows
    pks = [catalog.pks[row] for row in rows.tolist()]
    keys: dict[Any, str] = {}
    for start in range(0, len(pks), AT_ONCE):
        keys.update((pk, str(key)) for pk, key in query.rows([*pks[start : start + AT_ONCE], *last]))
    gone = [keys.get(pk) != catalog.keys[row] for pk, row in zip(pks, rows.tolist(), strict=True)]
    return rows[np.array(gone, dtype=bool)]


@lru_cache(maxsize=8)
def _available_items(source: RecommenderSource, *, scoped: bool = False) -> CompiledQuery:
    """By primary key. scoped : whether the last value is the scope of which they are: however many scopes there are,
    the query is compiled once."""
    items = source.listed_items().filter(available(source)).order_by().values_list("pk", source.item_key)
    key_field = plain_field(source.items.model._meta.pk)
    if not scoped:
        return CompiledQuery(lambda pks: items.filter(In(F("pk"), pks)), key_field)
    path = str(source.item_scope)
    return CompiledQuery(
        lambda values: items.filter(In(F("pk"), values[:-1]), **{path: values[-1]}), key_field, scope_field(source)
    )


def scope_field(source: RecommenderSource) -> Any:
    """The field that holds the scope of an item."""
    return target_of(source.items, str(source.item_scope)).field
