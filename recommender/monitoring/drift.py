"""Drift: a daily comparison of buyers, purchases and lists with what the live version learned from.

Each finding is a row with its numbers, a level and a sentence. A change is high, or to be watched, when it is large, by
custom (PSI) or by a share of itself, and larger than chance explains for so few people.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone
from django.utils.translation import gettext_noop

from recommender import extras, serving
from recommender.engine.bundle.inference import Inference
from recommender.engine.data.distribution import Distribution, Spread, spread_of_items, spread_of_profiles, stability
from recommender.engine.errors import BundleError
from recommender.engine_words import error_words
from recommender.errors import TrainingError
from recommender.models import DriftFinding, Event, ServedList
from recommender.registry import bundle_folder
from recommender.serving import find_customers, learned_from
from recommender.source import (
    CUSTOMER,
    CUSTOMER_KEY,
    ITEM,
    get_source,
    plain_value,
    read_described,
    time_as_stored,
    time_field,
    with_keys,
)
from recommender.words import Words, columns, joined

log = structlog.get_logger("recommender.monitoring.drift")

RECENT = timedelta(days=7)
BEFORE = timedelta(days=28)  # the weeks before these, for lists
MAX_ROWS = 5_000  # purchases, and people, that are compared: the latest
MIN_ROWS = 50  # of fewer there is no finding
# The limits of the levels WATCH and HIGH.
PSI_LIMITS = 0.1, 0.25
UNKNOWN_LIMITS = 0.05, 0.15  # more of unknown values than in training
SHARE_LIMITS = 0.1, 0.25  # a change of a share, as a part of itself
CHANCE = 0.01  # of a change by chance, above which it is none
CHANCE_ERRORS = 2.576  # the same in standard errors
KEEP_FINDINGS = timedelta(days=365)

Measure, Subject, Level = DriftFinding.Measure, DriftFinding.Subject, DriftFinding.Level
DISTANCES: dict[str, str] = {
    Level.WATCH: gettext_noop(
        "{field} is somewhat off what the model learned from: {value} was {was:percent} then and is {now:percent} now."
    ),
    Level.HIGH: gettext_noop(
        "{field} is far from what the model learned from: {value} was {was:percent} then and is {now:percent} now."
    ),
}


def watch_drift(now: datetime | None = None) -> list[DriftFinding]:
    """Compare, and store the findings, the worst first. A subject with too few rows has none.

    TrainingError where no model serves, or its bundle does not say what it learned from.
    """
    extras.require("train")
    live = serving.live_model()
    if live is None:
        raise TrainingError(Words("No model serves, so there is nothing to compare with."))
    try:
        learned = Distribution.read(bundle_folder(live.version))
    except BundleError as error:
        raise TrainingError(error_words(error)) from None
    now = now or timezone.now()
    comparison = _Comparison(live.inference, learned, now)
    findings = [*comparison.of_profiles(), *comparison.of_purchases(), *_of_lists(now)]
    findings.sort(key=lambda finding: Level.values.index(finding.level), reverse=True)
    for finding in findings:
        finding.time, finding.version_id = now, live.pk
    with transaction.atomic():
        DriftFinding.objects.filter(time__lt=now - KEEP_FINDINGS).delete()
        DriftFinding.objects.bulk_create(findings)
    levels = [finding.level for finding in findings]
    log.info("drift_watched", version=live.version, **{level: levels.count(level) for level in Level.values})
    return findings


def latest_findings() -> QuerySet[DriftFinding]:
    """The findings of the latest comparison."""
    newest = DriftFinding.objects.order_by("-time").values("time")[:1]
    return DriftFinding.objects.filter(time=newest).select_related("version")


# --- buyers and purchases beside the training data --------------------------------------------------------------------


@dataclass(frozen=True)
class _Comparison:
    inference: Inference
    learned: Distribution
    now: datetime

    def of_profiles(self) -> Iterator[DriftFinding]:
        """The profiles of recent buyers."""
        source = get_source()
        purchases = with_keys(source, self._recent_purchases(), CUSTOMER_KEY).order_by()
        latest = purchases.values_list(CUSTOMER_KEY).annotate(_latest=Max(source.interaction_time))
        keys = [str(key) for key, _ in latest.order_by("-_latest", CUSTOMER_KEY)[:MAX_ROWS]]
        if len(keys) < MIN_ROWS:
            return
        customers = find_customers(keys, self.inference.max_history).values()
        profiles = [self.inference.with_derived(customer.person) for customer in customers]
        spreads = spread_of_profiles(self.inference.encoders, self.inference.encoders.profile_columns(profiles))
        yield from _compare_fields(Subject.PROFILES, self.learned.profiles, spreads, source.customer_numerical)

    def of_purchases(self) -> Iterator[DriftFinding]:
        """The items of recent purchases. Each person counts once for an item."""
        source = get_source()
        pair = [F(CUSTOMER), F(ITEM)]
        place = Window(RowNumber(), partition_by=pair, order_by=[F(source.interaction_time).desc(), F("pk").desc()])
        purchases = self._recent_purchases().annotate(_place=place).filter(_place=1)
        pks = list(purchases.exclude(**{ITEM: None}).values_list(ITEM, flat=True)[:MAX_ROWS])
        described = read_described(source, pks)
        rows = [described[pk] for pk in pks if pk in described]
        if len(rows) < MIN_ROWS:
            return
        items = [dict(zip(source.item_categorical, map(plain_value, values), strict=True)) for _, *values in rows]
        spreads = spread_of_items(self.inference.encoders, self.inference.encoders.item_columns(items))
        yield from _compare_fields(Subject.PURCHASES, self.learned.purchases, spreads, ())
        new = sum(str(key) not in self.inference.row_of for key, *_ in rows)
        yield _unknown_values(Subject.PURCHASES, "item", Spread({"known": len(rows) - new}, 0, new, 0), before=0.0)

    def _recent_purchases(self) -> QuerySet:
        """The newest first."""
        source = get_source()
        since = time_as_stored(self.now - RECENT, time_field(source))
        purchases = learned_from(source).filter(**{f"{source.interaction_time}__gt": since})
        return purchases.order_by(f"-{source.interaction_time}", "-pk")


def _compare_fields(
    subject: str, learned: Mapping[str, Spread], recent: Mapping[str, Spread], numerical: Collection[str]
) -> Iterator[DriftFinding]:
    for field, spread in recent.items():
        if field in learned:
            yield _spread_change(subject, field, learned[field], spread)
            if field not in numerical:  # no number is unknown
                yield _unknown_values(subject, field, spread, before=learned[field].unknown_share)


def _spread_change(subject: str, field: str, before: Spread, recent: Spread) -> DriftFinding:
    psi, chance = stability(before, recent)
    level = Level.FINE if chance > CHANCE else _level(psi, PSI_LIMITS)
    if level == Level.FINE:
        words = Words("{field} is spread as in training.", field=field)
    else:
        value, was, now = _largest_change(before, recent)
        words = Words(DISTANCES[level], field=field, value=value, was=was, now=now)
    return _finding(subject, field, Measure.PSI, psi, None, recent.total, level, words)


def _largest_change(before: Spread, recent: Spread) -> tuple[str, float, float]:
    """The value whose share changed most, and both shares."""
    values = list(before.values)
    names = [*(repr(value) for value in values), Words("any other value"), Words("an unknown value"), Words("no value")]
    was, now = (spread.counts(values) / max(spread.total, 1) for spread in (before, recent))
    at = int(abs(now - was).argmax())
    return names[at], float(was[at]), float(now[at])


def _unknown_values(subject: str, field: str, recent: Spread, before: float) -> DriftFinding:
    share, n = recent.unknown_share, recent.total - recent.missing
    error = math.sqrt(max(share * (1 - share), 1e-9) / max(n, 1))
    level = _level(share - before, UNKNOWN_LIMITS, error)
    words = Words(
        "{share:percent1} of values of {field} are unknown to the model, {before:percent1} in training.",
        share=share,
        field=field,
        before=before,
    )
    if field == "item":
        words = Words("{share:percent1} of purchases are of items that came after training.", share=share)
    if level != Level.FINE:
        words = joined([words, Words("Train again, and they are known.")])
    return _finding(subject, field, Measure.UNKNOWN, share, before, n, level, words)


# --- lists beside those of the weeks before ---------------------------------------------------------------------------


def _of_lists(now: datetime) -> Iterator[DriftFinding]:
    lists = ServedList.objects.filter(created__lte=now)
    clicked = Exists(Event.objects.filter(recommendation=OuterRef("pk"), kind=Event.Kind.CLICK))
    yield from _share_change(
        Measure.CLICKS,
        lists.annotate(_clicked=clicked),
        {"_clicked": True},
        now,
        -1,
        gettext_noop("{share:percent1} of lists were clicked on{beside}."),
    )
    yield from _share_change(
        Measure.FALLBACK,
        lists.exclude(customer=""),
        {"source": "popular"},
        now,
        1,
        gettext_noop(
            "{share:percent1} of customers' lists were of what is popular, for want of an answer by the model{beside}."
        ),
    )


def _share_change(
    measure: str, lists: QuerySet[ServedList], condition: dict[str, object], now: datetime, worse: int, words: str
) -> Iterator[DriftFinding]:
    """The share of recent lists that match the condition. worse : 1 where more is worse, -1 where less is."""
    recent = lists.filter(created__gt=now - RECENT)
    earlier = lists.filter(created__lte=now - RECENT, created__gt=now - RECENT - BEFORE)
    n, m = recent.count(), earlier.count()
    if n < MIN_ROWS:
        return
    share, before = recent.filter(**condition).count() / n, None
    level: str = Level.FINE
    if m >= MIN_ROWS:
        before = earlier.filter(**condition).count() / m
        pooled = (share * n + before * m) / (n + m)
        error = math.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / n + 1 / m))
        watch, high = (limit * max(before, 0.01) for limit in SHARE_LIMITS)
        level = _level(worse * (share - before), (watch, high), error)
    beside = "" if before is None else Words(", {before:percent1} in the four weeks before", before=before)
    yield _finding(Subject.LISTS, "", measure, share, before, n, level, Words(words, share=share, beside=beside))


def _level(change: float, limits: tuple[float, float], error: float = 0.0) -> str:
    """error : the standard error of the change."""
    watch, high = limits
    if change < CHANCE_ERRORS * error or change < watch:
        return Level.FINE
    return Level.HIGH if change >= high else Level.WATCH


def _finding(
    subject: str, field: str, measure: str, value: float, before: float | None, counted: int, level: str, words: Words
) -> DriftFinding:
    return DriftFinding(
        subject=subject,
        field=field,
        measure=measure,
        value=value,
        before=before,
        counted=counted,
        level=level,
        **columns(words=words),
    )
