"""Which items sell more this week than in the weeks before."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db.models import Count, Q, QuerySet

from recommender.source import CUSTOMER, ITEM, RecommenderSource

WEEK, WEEKS_BEFORE = timedelta(days=7), 4
LEAST_SOLD = 2


def trends(source: RecommenderSource, purchases: QuerySet) -> list[tuple[Any, float]]:
    """(item pk, score) of the items that sell better than they did, the steepest first. purchases : as `learned_from`
    gives them.

    The score, over 0, is by how many standard deviations (Poisson) the buyers of the last seven days exceed what the
    four weeks before led one to expect. "Last" is counted back from the newest purchase, so that a shop whose data ends
    in the past has trends, too.
    """
    time = source.interaction_time
    newest = purchases.order_by(f"-{time}").values_list(time, flat=True).first()
    if newest is None:
        return []
    counted = purchases.filter(**{f"{time}__gt": _earlier(newest, (1 + WEEKS_BEFORE) * WEEK)}).order_by()
    # A person counts once for an item in each week: who buys it every week is no reason to call it new.
    weeks = {
        f"_week_{n}": Count(CUSTOMER, filter=_week(time, newest, n), distinct=True) for n in range(1 + WEEKS_BEFORE)
    }
    items, sold, *before = zip(*counted.values_list(ITEM).annotate(**weeks), strict=True)
    expected = np.array(before).sum(0) / WEEKS_BEFORE
    scores = (np.array(sold) - expected) / np.sqrt(expected + 1)
    up = np.flatnonzero((scores > 0) & (np.array(sold) >= LEAST_SOLD))
    return [(items[n], float(scores[n])) for n in up[np.argsort(-scores[up], kind="stable")]]


def _week(time: str, newest: Any, back: int) -> Q:
    """The purchases of the week that ended so many weeks before the newest purchase."""
    since = Q(**{f"{time}__gt": _earlier(newest, (back + 1) * WEEK)})
    return since & Q(**{f"{time}__lte": _earlier(newest, back * WEEK)})


def _earlier(moment: Any, by: timedelta) -> Any:
    """A moment earlier, whatever column holds it: a datetime, a date or Unix seconds."""
    return moment - (by if isinstance(moment, date) else by.total_seconds())
