"""The results of an experiment so far: revenue and clicks per person in each arm, and their difference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Case, Count, F, IntegerField, Max, Min, Q, Sum, Value, When
from django.utils.translation import gettext, gettext_noop

from recommender.experiments.sequential import MIN_EVENTS, MIN_PEOPLE, Difference, Moments, difference, mismatch
from recommender.feedback import day_of, days_between, start_of
from recommender.models import TWO_TOWER, Arm, Experiment, Exposure, ServedList
from recommender.source import get_source
from recommender.words import Words, in_words

ALPHA = 0.05  # the chance that any interval of an experiment is ever wrong, all measures and looks together
MISMATCH_ALPHA = 0.001  # numbers of people less likely than this mean that the assignment is broken
LABELS = {
    "revenue": gettext_noop("Revenue a customer"),
    "orders": gettext_noop("Orders a customer"),
    "click_rate": gettext_noop("Lists clicked on, of each person's"),
}


@dataclass(frozen=True)
class MeasureResult:
    """One measure. name : "revenue", "orders" or "click_rate", of a person in the experiment's days.

    arms : of A and B.   difference : B less A.   daily : the same at the end of each day, the latest last.
    """

    name: str
    arms: tuple[Moments, Moments]
    difference: Difference
    daily: list[tuple[date, Difference]]


@dataclass(frozen=True)
class ExperimentResults:
    """people : of A and B, who saw a list.   settled : those of them whose days are over; only they are measured.

    mismatch : the chance of numbers of people as uneven as these.   other_version_lists : lists of A and B that another
    version than the arm's made, because that could not serve.
    """

    people: tuple[int, int]
    settled: tuple[int, int]
    measures: list[MeasureResult]
    mismatch: float
    other_version_lists: tuple[int, int]

    @property
    def is_mismatched(self) -> bool:
        return self.mismatch < MISMATCH_ALPHA

    @property
    def is_clear(self) -> bool:
        return any(measure.difference.is_clear for measure in self.measures)


def experiment_results(experiment: Experiment) -> ExperimentResults:
    """The results at any time, as often as one likes. A few queries over the experiment's people."""
    a, b = experiment.arms.order_by("name")
    counts = dict(Exposure.objects.filter(arm__in=(a, b)).order_by().values_list("arm").annotate(Count("pk")))
    people = (counts.get(a.pk, 0), counts.get(b.pk, 0))
    names = ["revenue" if get_source().interaction_amount else "orders", "click_rate"]
    # Several intervals at once: each gets its part of the chance of being wrong.
    measures = [_measure(name, experiment, (a.pk, b.pk), ALPHA / len(names)) for name in names]
    clicks_a, clicks_b = measures[-1].arms
    return ExperimentResults(
        people=people,
        settled=(clicks_a.n, clicks_b.n),
        measures=measures,
        mismatch=mismatch(people, 1 - experiment.share_of_b),
        other_version_lists=(_other_version_lists(a), _other_version_lists(b)),
    )


def measure_label(name: str) -> str:
    """The name of a measure, in the reader's language."""
    return in_words(measure_words(name))


def measure_words(name: str) -> Words:
    return Words(LABELS[name])


def interval_conditions() -> str:
    """What an interval takes, in words."""
    sentence = gettext("{people} people in each arm whose days are over, {events} of them with a purchase or a click")
    return sentence.format(people=MIN_PEOPLE, events=MIN_EVENTS)


# --- within -----------------------------------------------------------------------------------------------------------


def _measure(name: str, experiment: Experiment, arms: tuple[int, int], alpha: float) -> MeasureResult:
    a, b = arms
    sums = {arm: Moments() for arm in arms}

    def current() -> Difference:
        return difference(sums[a], sums[b], alpha=alpha, narrowest_at=experiment.people)

    daily = []
    for day, moments in sorted(_moments_by_day(name, arms).items()):
        for arm, added in moments.items():
            sums[arm] += added
        daily.append((day, current()))
    return MeasureResult(name, (sums[a], sums[b]), current(), daily)


def _moments_by_day(name: str, arms: Sequence[int]) -> Mapping[date, dict[int, Moments]]:
    """Moments of the people whose days were over on each day, by arm. Only customers have purchases."""
    settled = Exposure.objects.filter(arm__in=arms, settled__isnull=False)
    if name != "click_rate":
        settled = settled.exclude(customer="")
    moments: dict[date, dict[int, Moments]] = defaultdict(dict)
    bounds = settled.aggregate(first=Min("settled"), last=Max("settled"))
    if bounds["first"] is None:
        return moments
    days = list(days_between(day_of(bounds["first"]), day_of(bounds["last"])))
    # Not TruncDate: MariaDB and MySQL say NULL for a day in a time zone, unless their tables of time zones are loaded.
    number = Case(
        *(When(settled__lt=start_of(day + timedelta(days=1)), then=Value(n)) for n, day in enumerate(days)),
        output_field=IntegerField(),
    )
    rows = settled.annotate(_day=number).order_by().values_list("_day", "arm")
    sums = rows.annotate(
        _n=Count("pk"), _total=Sum(name), _squares=Sum(F(name) * F(name)), _events=Count("pk", filter=~Q(**{name: 0}))
    )
    for day, arm, n, total, squares, events in sums:
        moments[days[day]][arm] = Moments(n, float(total), float(squares), events)
    return moments


def _other_version_lists(arm: Arm) -> int:
    if arm.version_id is None:
        return 0
    return ServedList.objects.filter(arm=arm, source=TWO_TOWER).exclude(version=arm.version_id).count()
