"""Whether items exist and may be listed, asked of the database. The catalog in memory is a second old, or more."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from recommender.serving.catalog import LiveCatalog, NewItem, available, read_new_item
from recommender.serving.prepared import Prepared
from recommender.source.declaration import RecommenderSource, get_source

# Primary keys in one query. A query is compiled and kept for each length, so lists of other lengths are filled up.
LENGTHS = (5, 10, 20, 50, 100, 500)


def withdrawn(rows: np.ndarray, catalog: LiveCatalog) -> np.ndarray:
    """Those of the rows, int64 [k], whose items are not available now, are deleted, or have another key than before.

    One query; one for each 500 where there are more.
    """
    found: dict[Any, str] = {}
    pks = [catalog.pks[row] for row in rows.tolist()]
    query = _available_items(get_source())
    for start in range(0, len(pks), LENGTHS[-1]):
        part = pks[start : start + LENGTHS[-1]]
        length = next(length for length in LENGTHS if length >= len(part))
        found.update((pk, str(key)) for pk, key in query.rows([*part, *part[-1:] * (length - len(part))]))
    gone = [found.get(pk) != catalog.keys[row] for pk, row in zip(pks, rows.tolist(), strict=True)]
    return rows[np.array(gone, dtype=bool)]


def new_item(key: object, catalog: LiveCatalog) -> NewItem | None:
    """The item of this key, where it is in the database and not yet in the catalog; else None. One query."""
    if not isinstance(key, str) or catalog.knows(key):
        return None
    return read_new_item(get_source(), key)


@lru_cache(maxsize=8)
def _available_items(source: RecommenderSource) -> Prepared:
    def build(pks: Sequence[Any]) -> Any:
        return source.items.filter(available(source), pk__in=pks).order_by().values_list("pk", source.item_key)

    return Prepared(build, source.items.model._meta.pk)
