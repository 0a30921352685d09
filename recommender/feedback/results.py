"""What lists brought in a period, by scenario and model version, beside the popular list: sums of daily counts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from django.db.models import Max, Sum

from recommender.feedback.counts import BUCKETS
from recommender.models import POPULAR, ListCount

T_QUANTILE = 2.093  # 97.5 % of Student's t with BUCKETS - 1 degrees of freedom
MIN_CLICKED = 5  # lists clicked on, or orders, before there is an interval
MEASURES = ("lists", "views", "clicks", "clicked", "orders", "revenue")

Counts = dict[str, np.ndarray]  # of one scenario and maker: each of MEASURES by bucket [BUCKETS]


@dataclass(frozen=True)
class Estimate:
    """A ratio and its 95 % interval; None where there are too few lists or clicks."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ListResult:
    """What the lists of one scenario and maker brought. version : "" where no model made them.

    views : items shown.   clicked : lists clicked on.   click_rate : share of lists clicked on.
    click_rate_beside_popular, revenue_beside_popular : the same less that of the popular lists of this scenario; None
    for the popular lists themselves, and where there are none.
    """

    scenario: str
    source: str
    version: str
    lists: int
    views: int
    clicks: int
    clicked: int
    orders: int
    revenue: float
    click_rate: Estimate
    revenue_per_list: Estimate
    click_rate_beside_popular: Estimate | None
    revenue_beside_popular: Estimate | None

    @property
    def is_popular(self) -> bool:
        return self.source == POPULAR


def list_results(first: date, last: date, scope: str | None = None) -> list[ListResult]:
    """The results of these days, both included, by scenario, and within it by number of lists. One query. scope : of
    which the lists are; all of them unless one is named."""
    rows = (
        ListCount.objects.filter(day__gte=first, day__lte=last, **({} if scope is None else {"scope": scope}))
        .order_by()
        .values_list("scenario", "source", "version", "bucket")
        .annotate(**{f"_{name}": Sum(name) for name in MEASURES})
    )
    sums: dict[tuple[str, str, str], Counts] = defaultdict(lambda: {name: np.zeros(BUCKETS) for name in MEASURES})
    for scenario, source, version, bucket, *values in rows:
        for name, value in zip(MEASURES, values, strict=True):
            sums[scenario, source, version][name][bucket % BUCKETS] += value
    popular = {scenario: counts for (scenario, source, _), counts in sums.items() if source == POPULAR}
    results = [_result(*key, counts, popular.get(key[0])) for key, counts in sums.items()]
    return sorted(results, key=lambda row: (row.scenario, row.is_popular, -row.lists, row.version))


def last_counted() -> datetime | None:
    """When lists were counted last."""
    return ListCount.objects.aggregate(at=Max("counted"))["at"]


def results_to_dicts(results: Sequence[ListResult]) -> list[dict[str, Any]]:
    """The results as the API sends them."""
    return [asdict(result) for result in results]


def _result(scenario: str, source: str, version: str, counts: Counts, popular: Counts | None) -> ListResult:
    if source == POPULAR:
        popular = None
    return ListResult(
        scenario=scenario,
        source=source,
        version=version,
        lists=round(counts["lists"].sum()),
        views=round(counts["views"].sum()),
        clicks=round(counts["clicks"].sum()),
        clicked=round(counts["clicked"].sum()),
        orders=round(counts["orders"].sum()),
        revenue=round(float(counts["revenue"].sum()), 2),
        click_rate=_estimate("clicked", counts),
        revenue_per_list=_estimate("revenue", counts),
        click_rate_beside_popular=None if popular is None else _estimate("clicked", counts, popular),
        revenue_beside_popular=None if popular is None else _estimate("revenue", counts, popular),
    )


def _estimate(measure: str, counts: Counts, popular: Counts | None = None) -> Estimate:
    """A measure per list, or how much more that is than with the popular lists.

    Linearised ratios of random groups: sum_b (y_b - r x_b)^2 / x^2, times B / (B - 1); the difference is taken
    bucket by bucket, for the same people may have seen both.
    """
    compared = [counts] if popular is None else [counts, popular]
    if any(part["lists"].sum() == 0 for part in compared):
        return Estimate(None)
    values, residuals = zip(*(_ratio(measure, part) for part in compared), strict=True)
    value = float(values[0] - sum(values[1:]))
    # Without orders the variance of revenue is unknown, however many clicks there are.
    needed = ("clicked", "orders" if measure == "revenue" else measure)
    if min(part[name].sum() for part in compared for name in needed) < MIN_CLICKED:
        return Estimate(value)
    residual = residuals[0] - sum(residuals[1:])
    margin = T_QUANTILE * math.sqrt(BUCKETS / (BUCKETS - 1) * float(residual @ residual))
    low = value - margin if popular is not None else max(value - margin, 0.0)
    return Estimate(value, low, value + margin)


def _ratio(measure: str, counts: Counts) -> tuple[float, np.ndarray]:
    """The measure per list, and the residual of each bucket [BUCKETS] as a share of all lists."""
    lists = counts["lists"].sum()
    ratio = counts[measure].sum() / lists
    return ratio, (counts[measure] - ratio * counts["lists"]) / lists
