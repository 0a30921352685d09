"""What lists brought in a period, by scenario and model version, beside the popular list: sums of daily counts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from django.db.models import Max, Sum

from recommender.feedback.counts import BUCKETS
from recommender.models import POPULAR, ListCount

# 97.5 % of Student's t with BUCKETS - 1 degrees of freedom: so many random groups tell of the variance.
T_QUANTILE = 2.093
LEAST_CLICKED = 5  # lists clicked on: below, an interval would pretend to know
MEASURES = ("lists", "views", "clicks", "clicked", "orders", "revenue")


@dataclass(frozen=True)
class Estimate:
    """A ratio and its 95 % interval; None for what too few lists say nothing of."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class ListResult:
    """What the lists of one scenario and maker brought. version : "" where no model made them.

    views : items shown.   clicked : lists clicked on.   click_rate : share of lists clicked on.
    click_rate_beside_popular, revenue_beside_popular : the same less that of the popular lists of this scenario, taken
    over the same people wherever they are the same; None for the popular lists themselves.
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


def list_results(first: date, last: date) -> list[ListResult]:
    """The lists of these days, both included, by scenario, and within it by what made most of them. One query."""
    sums = {f"_{name}": Sum(name) for name in MEASURES}
    rows = (
        ListCount.objects.filter(day__gte=first, day__lte=last)
        .order_by()
        .values_list("scenario", "source", "version", "bucket")
        .annotate(**sums)
    )
    found: dict[tuple[str, str, str], np.ndarray] = defaultdict(lambda: np.zeros((len(MEASURES), BUCKETS)))
    for scenario, source, version, bucket, *counts in rows:
        found[scenario, source, version][:, bucket % BUCKETS] += counts
    popular = _popular_by_scenario(found)
    results = [_result(key, counts, popular.get(key[0])) for key, counts in found.items()]
    return sorted(results, key=lambda row: (row.scenario, row.is_popular, -row.lists, row.version))


def counted_at() -> datetime | None:
    """When lists were counted last."""
    return ListCount.objects.aggregate(at=Max("counted"))["at"]


# --- within -----------------------------------------------------------------------------------------------------------


def _popular_by_scenario(found: Mapping[tuple[str, str, str], np.ndarray]) -> dict[str, np.ndarray]:
    return {scenario: counts for (scenario, source, _), counts in found.items() if source == POPULAR}


def _result(key: tuple[str, str, str], counts: np.ndarray, popular: np.ndarray | None) -> ListResult:
    scenario, source, version = key
    lists, views, clicks, clicked, orders, revenue = counts.sum(axis=1).tolist()
    beside = popular if source != POPULAR else None
    return ListResult(
        scenario=scenario,
        source=source,
        version=version,
        lists=round(lists),
        views=round(views),
        clicks=round(clicks),
        clicked=round(clicked),
        orders=round(orders),
        revenue=round(revenue, 2),
        click_rate=_estimate("clicked", counts),
        revenue_per_list=_estimate("revenue", counts),
        click_rate_beside_popular=None if beside is None else _estimate("clicked", counts, beside),
        revenue_beside_popular=None if beside is None else _estimate("revenue", counts, beside),
    )


def _estimate(measure: str, counts: np.ndarray, beside: np.ndarray | None = None) -> Estimate:
    """A measure for each list, or how much more that is than with the lists `beside`.

    Linearised ratios of random groups: sum_b (y_b - r x_b)^2 / x^2, times B / (B - 1); the difference is taken
    bucket by bucket, for the same people may have seen both.
    """
    both = [counts] if beside is None else [counts, beside]
    ratios = [_ratio(measure, each) for each in both]
    if any(each is None for each in ratios):
        return Estimate(None)
    values, parts = zip(*(each for each in ratios if each is not None), strict=True)
    value = float(values[0] - sum(values[1:]))
    # Where nothing was bought, nothing is known of how purchases vary, whatever the clicks say.
    known = [each[MEASURES.index(name)].sum() for each in both for name in ("clicked", _events_of(measure))]
    if min(known) < LEAST_CLICKED:
        return Estimate(value)
    spread = parts[0] - sum(parts[1:])
    margin = T_QUANTILE * math.sqrt(BUCKETS / (BUCKETS - 1) * float(spread @ spread))
    low = value - margin if beside is not None else max(value - margin, 0.0)
    return Estimate(value, low, value + margin)


def _ratio(measure: str, counts: np.ndarray) -> tuple[float, np.ndarray] | None:
    """The measure for each list, and how far each bucket [BUCKETS] pulls it."""
    lists, values = counts[MEASURES.index("lists")], counts[MEASURES.index(measure)]
    total = lists.sum()
    if total == 0:
        return None
    ratio = values.sum() / total
    return ratio, (values - ratio * lists) / total


def _events_of(measure: str) -> str:
    return "orders" if measure == "revenue" else measure


def results_to_dicts(results: Sequence[ListResult]) -> list[dict[str, Any]]:
    """The results as the API sends them."""
    return [
        {name: value.to_dict() if isinstance(value, Estimate) else value for name, value in vars(result).items()}
        for result in results
    ]
