"""What an experiment says so far: revenue and clicks a person in each arm, and whether the difference is no chance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from recommender.experiments.sequential import LEAST, LEAST_EVENTS, Difference, Moments, difference, mismatch
from recommender.models import TWO_TOWER, Arm, Experiment, Exposure, ServedList
from recommender.source import get_source

ALPHA = 0.05  # the chance that any of the intervals is ever wrong: false alarms of one experiment, all looks together
MISMATCHED = 0.001  # shares of the arms less likely than this by chance mean that something is broken


@dataclass(frozen=True)
class Measured:
    """One thing compared. name : "revenue", "orders" or "click_rate", of a person in the experiment's days.

    arms : of A and B.   beside : B less A.   growth : the same at the end of each day (the latest last).
    """

    name: str
    arms: tuple[Moments, Moments]
    beside: Difference
    growth: list[tuple[date, Difference]]


@dataclass(frozen=True)
class ExperimentResults:
    """people : of A and B, who saw a list.   settled : of these, whose days are over, and who count.

    mismatch : the chance of so uneven numbers of people, were all as it should be.   strayed : lists of A and B that
    another version than the arm's made, because that could not serve.
    """

    people: tuple[int, int]
    settled: tuple[int, int]
    measured: list[Measured]
    mismatch: float
    strayed: tuple[int, int]

    @property
    def is_mismatched(self) -> bool:
        return self.mismatch < MISMATCHED

    @property
    def is_clear(self) -> bool:
        return any(one.beside.is_clear for one in self.measured)


def results_of(experiment: Experiment) -> ExperimentResults:
    """Everything known of an experiment, however often one asks. A few queries over its people."""
    arms = list(experiment.arms.order_by("name"))
    a, b = (arm.pk for arm in arms)
    counts = dict(Exposure.objects.filter(arm__in=arms).order_by().values_list("arm").annotate(Count("pk")))
    people = (counts.get(a, 0), counts.get(b, 0))
    # Intervals of several measures at once: each is given its part of the chance of being wrong.
    names = ["revenue" if get_source().interaction_amount else "orders", "click_rate"]
    measured = [_measured(name, experiment, (a, b), ALPHA / len(names)) for name in names]
    settled = measured[-1].arms
    return ExperimentResults(
        people=people,
        settled=(settled[0].n, settled[1].n),
        measured=measured,
        mismatch=mismatch(people, 1 - experiment.share_of_b),
        strayed=(_strayed(arms[0]), _strayed(arms[1])),
    )


def measure_name(name: str) -> str:
    """What is measured, in words."""
    return {
        "revenue": "Revenue a customer",
        "orders": "Orders a customer",
        "click_rate": "Lists clicked on, of each person's",
    }[name]


def people_needed() -> str:
    """What has to be there before an interval is shown, in words."""
    return f"{LEAST} people in each arm whose days are over, {LEAST_EVENTS} of them with a purchase or a click"


# --- within -----------------------------------------------------------------------------------------------------------


def _measured(name: str, experiment: Experiment, arms: tuple[int, int], alpha: float) -> Measured:
    days = _by_day(name, arms)
    growth: list[tuple[date, Difference]] = []
    sums = {arm: Moments() for arm in arms}
    for day in sorted(days):
        for arm, more in days[day].items():
            sums[arm] += more
        growth.append((day, _difference(sums, arms, experiment, alpha)))
    both = (sums[arms[0]], sums[arms[1]])
    return Measured(name, both, _difference(sums, arms, experiment, alpha), growth)


def _difference(sums: Mapping[int, Moments], arms: Sequence[int], experiment: Experiment, alpha: float) -> Difference:
    return difference(sums[arms[0]], sums[arms[1]], alpha=alpha, narrowest_at=experiment.people)


def _by_day(name: str, arms: Sequence[int]) -> dict[date, dict[int, Moments]]:
    """Moments of those whose days were over on each day, by arm. What is bought is known of customers alone."""
    settled = Exposure.objects.filter(arm__in=arms, settled__isnull=False)
    if name != "click_rate":
        settled = settled.exclude(customer="")
    day = TruncDate("settled", tzinfo=timezone.get_default_timezone())
    found: dict[date, dict[int, Moments]] = defaultdict(dict)
    rows = settled.annotate(_day=day).order_by().values_list("_day", "arm")
    sums = rows.annotate(
        _n=Count("pk"), _total=Sum(name), _squares=Sum(F(name) * F(name)), _events=Count("pk", filter=~Q(**{name: 0}))
    )
    for when, arm, n, total, squares, events in sums:
        found[when][arm] = Moments(n, float(total), float(squares), events)
    return found


def _strayed(arm: Arm) -> int:
    if arm.version_id is None:
        return 0
    lists = ServedList.objects.filter(arm=arm, source=TWO_TOWER)
    return lists.exclude(version=arm.version_id).count()
