"""What sells more of late than it used to."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
from django.core.cache import cache
from django.db.models import Count, Q

from recommender.live_catalog import LiveCatalog, learned_from
from recommender.source import get_source

LATELY, BEFORE = timedelta(days=7), timedelta(days=28)
LEAST_SOLD = 2
COUNT_EVERY = 300  # seconds


def trending(catalog: LiveCatalog) -> tuple[np.ndarray, np.ndarray]:
    """Items that sell better than they did: (rows int64 [n], the steepest first; scores float64 [n], over 0).

    The score is by how many standard deviations (Poisson) the purchases of the last seven days exceed what the four
    weeks before led one to expect. "Last" is counted back from the newest purchase, so that a shop whose data ends in
    the past has trends, too. Counted every five minutes.
    """
    sold = cache.get_or_set("recommender:trends", _sold, COUNT_EVERY) or []
    here = [(catalog.row_of_pk[pk], lately, before) for pk, lately, before in sold if pk in catalog.row_of_pk]
    rows, lately, before = np.array(here, dtype=np.int64).reshape(-1, 3).T
    expected = before * (LATELY / BEFORE)
    scores = (lately - expected) / np.sqrt(expected + 1)
    up = np.flatnonzero((scores > 0) & (lately >= LEAST_SOLD))
    up = up[np.argsort(-scores[up], kind="stable")]
    return rows[up], scores[up]


def _sold() -> list[tuple[Any, int, int]]:
    """(item pk, purchases lately, purchases before) of everything sold in either."""
    source = get_source()
    purchases, time = learned_from(source), source.interaction_time
    newest = purchases.order_by(f"-{time}").values_list(time, flat=True).first()
    if newest is None:
        return []
    lately = Q(**{f"{time}__gt": _earlier(newest, LATELY)})
    counted = purchases.filter(**{f"{time}__gt": _earlier(newest, LATELY + BEFORE)}).order_by()
    counts = {"_lately": Count("pk", filter=lately), "_before": Count("pk", filter=~lately)}
    return list(counted.values_list(source.interaction_item).annotate(**counts))


def _earlier(moment: Any, by: timedelta) -> Any:
    """A moment earlier, whatever column holds it: a datetime, a date or Unix seconds."""
    return moment - (by if isinstance(moment, date) else by.total_seconds())
