"""Whether items may be listed, asked of the database. The catalog in memory is a second old, or more."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from django.db.models import F
from django.db.models.lookups import In

from recommender.serving.catalog import LiveCatalog
from recommender.source import CompiledQuery, RecommenderSource, available, get_source, plain_field, within

AT_ONCE = 500  # primary keys in one query


def withdrawn(rows: np.ndarray, catalog: LiveCatalog) -> np.ndarray:
    """Those of the rows, int64 [k], whose items are not available now, are deleted, have another key than before or are
    of another scope than the catalog.

    One query; one for each 500 where there are more.
    """
    query = _available_items(get_source(), catalog.scope)
    pks = [catalog.pks[row] for row in rows.tolist()]
    keys: dict[Any, str] = {}
    for start in range(0, len(pks), AT_ONCE):
        keys.update((pk, str(key)) for pk, key in query.rows(pks[start : start + AT_ONCE]))
    gone = [keys.get(pk) != catalog.keys[row] for pk, row in zip(pks, rows.tolist(), strict=True)]
    return rows[np.array(gone, dtype=bool)]


@lru_cache(maxsize=64)
def _available_items(source: RecommenderSource, scope: str | None = None) -> CompiledQuery:
    """By primary key. scope : of which they are."""
    items = within(source.listed_items(), source.item_scope, scope).filter(available(source))
    listed = items.order_by().values_list("pk", source.item_key)
    return CompiledQuery(lambda pks: listed.filter(In(F("pk"), pks)), plain_field(source.items.model._meta.pk))
