"""Whether the shop still is what the live version learned from: a daily look at buyers, purchases and lists.

Each finding is a row with its numbers, a level and a sentence. Levels: a thing must be large by custom (PSI) or by a
quarter (shares), and more than chance makes of so few; then it is high, or between to be watched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from recommender import extras, serving
from recommender.engine.bundle.inference import Inference
from recommender.engine.data.distribution import Distribution, Spread, spread_of_items, spread_of_profiles, stability
from recommender.engine.errors import BundleError
from recommender.errors import TrainingError
from recommender.models import DriftFinding, Event, ServedList
from recommender.registry import bundle_folder
from recommender.serving import find_customers, learned_from
from recommender.source import as_stored, field_at, get_source, plain_value

log = structlog.get_logger("recommender.monitoring.drift")

LATELY, BEFORE = timedelta(days=7), timedelta(days=28)
AT_MOST = 5_000  # purchases, and people, that are looked at: the latest
LEAST = 50  # of fewer nothing is said
WATCH_PSI, HIGH_PSI = 0.1, 0.25
WATCH_UNKNOWN, HIGH_UNKNOWN = 0.05, 0.15  # more of unknown values than in training
WATCH_SHARE, HIGH_SHARE = 0.1, 0.25  # of a share, by how much of itself it changed
CHANCE = 0.01
SURE = 2.576  # standard errors: one time in a hundred by chance
KEPT_FOR = timedelta(days=365)

Measure, Subject, Level = DriftFinding.Measure, DriftFinding.Subject, DriftFinding.Level


def watch_drift(now: datetime | None = None) -> list[DriftFinding]:
    """Look, and store what was found. TrainingError where no model serves, or it does not say what it learned from.

    A subject of which there was too little lately has no findings.
    """
    extras.require("train")
    live = serving.live_model()
    if live is None:
        raise TrainingError("No model serves, so there is nothing to compare with.")
    try:
        learned = Distribution.read(bundle_folder(live.version))
    except BundleError as error:
        raise TrainingError(str(error)) from None
    now = now or timezone.now()
    found = [*_profiles(live.inference, learned, now), *_purchases(live.inference, learned, now), *_lists(now)]
    found.sort(
        key=lambda finding: -Level.values.index(finding.level)
    )  # what is high comes first, here and in the admin
    rows = [DriftFinding(time=now, version_id=live.pk, **vars(finding)) for finding in found]
    with transaction.atomic():
        DriftFinding.objects.filter(time__lt=now - KEPT_FOR).delete()
        DriftFinding.objects.bulk_create(rows)
    log.info("drift_watched", version=live.version, **{level: _count(rows, level) for level in Level.values})
    return rows


def latest_findings() -> QuerySet[DriftFinding]:
    """What the latest look found."""
    newest = DriftFinding.objects.order_by("-time").values("time")[:1]
    return DriftFinding.objects.filter(time=newest).select_related("version")


@dataclass(frozen=True)
class _Finding:
    subject: str
    field: str
    measure: str
    value: float
    before: float | None
    counted: int
    level: str
    words: str


def _count(rows: list[DriftFinding], level: str) -> int:
    return sum(row.level == level for row in rows)


# --- who buys, and what -----------------------------------------------------------------------------------------------


def _profiles(inference: Inference, learned: Distribution, now: datetime) -> Iterator[_Finding]:
    """People who bought of late, as they stand now, beside those who did when the model was trained."""
    source = get_source()
    key = f"{source.interaction_customer}__{source.customer_key}"
    latest = _lately(now).order_by().values_list(key).annotate(_latest=Max(source.interaction_time))
    keys = [str(key) for key, _ in latest.order_by("-_latest", key)[:AT_MOST]]
    if len(keys) < LEAST:
        return
    known = find_customers(keys, inference.max_history).values()
    profiles = [inference.with_derived(customer.person) for customer in known]
    columns = inference.encoders.profile_columns(profiles)
    spreads = spread_of_profiles(inference.encoders, columns)
    yield from _beside(Subject.PROFILES, learned.profiles, spreads)


def _purchases(inference: Inference, learned: Distribution, now: datetime) -> Iterator[_Finding]:
    """What was bought of late, beside what was when the model was trained. Each person counts once for an item."""
    source = get_source()
    fields = [f"{source.interaction_item}__{name}" for name in (source.item_key, *source.item_categorical)]
    pair = [F(source.interaction_customer), F(source.interaction_item)]
    place = Window(RowNumber(), partition_by=pair, order_by=[F(source.interaction_time).desc(), F("pk").desc()])
    rows = list(_lately(now).annotate(_place=place).filter(_place=1).values_list(*fields)[:AT_MOST])
    if len(rows) < LEAST:
        return
    described = [
        dict(zip(source.item_categorical, (plain_value(v) for v in values), strict=True)) for _, *values in rows
    ]
    spreads = spread_of_items(inference.encoders, inference.encoders.item_columns(described))
    yield from _beside(Subject.PURCHASES, learned.purchases, spreads)
    new = sum(str(key) not in inference.row_of for key, *_ in rows)
    yield _unknown(Subject.PURCHASES, "item", Spread({"known": len(rows) - new}, 0, new, 0), before=0.0)


def _lately(now: datetime) -> QuerySet:
    """Purchases of the last days, the newest first."""
    source = get_source()
    since = now - LATELY
    moment = as_stored(since, field_at(source.interactions.model, source.interaction_time))
    purchases = learned_from(source).filter(**{f"{source.interaction_time}__gt": moment})
    return purchases.order_by(f"-{source.interaction_time}", "-pk")


def _beside(subject: str, learned: Mapping[str, Spread], lately: Mapping[str, Spread]) -> Iterator[_Finding]:
    numbers = get_source().customer_numerical if subject == Subject.PROFILES else ()
    for field, spread in lately.items():
        if field in learned:
            yield _moved(subject, field, learned[field], spread)
            if field not in numbers:  # no number is unknown
                yield _unknown(subject, field, spread, before=learned[field].unknown_share)


def _moved(subject: str, field: str, before: Spread, lately: Spread) -> _Finding:
    psi, chance = stability(before, lately)
    by_chance = chance > CHANCE
    level = Level.FINE if by_chance or psi < WATCH_PSI else Level.WATCH if psi < HIGH_PSI else Level.HIGH
    if level == Level.FINE:
        words = f"{field} is spread as in training."
    else:
        value, was, now = _largest_change(before, lately)
        much = "far from" if level == Level.HIGH else "somewhat off"
        words = f"{field} is {much} what the model learned from: {value} was {was:.0%} then and is {now:.0%} now."
    return _Finding(subject, field, Measure.PSI, psi, None, lately.total, level, words)


def _largest_change(before: Spread, lately: Spread) -> tuple[str, float, float]:
    values = list(before.values)
    names = [*(repr(value) for value in values), "any other value", "an unknown value", "no value"]
    was, now = (spread.counts(values) / max(spread.total, 1) for spread in (before, lately))
    at = int(abs(now - was).argmax())
    return names[at], float(was[at]), float(now[at])


def _unknown(subject: str, field: str, lately: Spread, before: float) -> _Finding:
    share, n = lately.unknown_share, lately.total - lately.missing
    more = share - before
    by_chance = more < SURE * math.sqrt(max(share * (1 - share), 1e-9) / max(n, 1))
    level = Level.FINE if by_chance or more < WATCH_UNKNOWN else Level.WATCH if more < HIGH_UNKNOWN else Level.HIGH
    words = f"{share:.1%} of values of {field} are unknown to the model, {before:.1%} in training."
    if field == "item":
        words = f"{share:.1%} of purchases are of items that came after training."
    if level != Level.FINE:
        words += " Train again, and they are known."
    return _Finding(subject, field, Measure.UNKNOWN, share, before, n, level, words)


# --- what is listed ---------------------------------------------------------------------------------------------------


def _lists(now: datetime) -> Iterator[_Finding]:
    """Lists of the last days beside those of the weeks before."""
    lists = ServedList.objects.filter(created__lte=now)
    clicked = Exists(Event.objects.filter(recommendation=OuterRef("pk"), kind=Event.Kind.CLICK))
    clicks = _shares(lists.annotate(_clicked=clicked), {"_clicked": True}, now)
    if clicks is not None:
        n, share, m, was = clicks
        words = f"{share:.1%} of lists were clicked on{_then(was)}."
        yield _Finding(Subject.LISTS, "", Measure.CLICKS, share, was, n, _level(share, n, was, m, worse=-1), words)
    of_customers = _shares(lists.exclude(customer=""), {"source": "popular"}, now)
    if of_customers is not None:
        n, share, m, was = of_customers
        words = (
            f"{share:.1%} of customers' lists were of what is popular, for want of an answer by the model{_then(was)}."
        )
        yield _Finding(Subject.LISTS, "", Measure.FALLBACK, share, was, n, _level(share, n, was, m, worse=1), words)


def _shares(
    lists: QuerySet[ServedList], counted: dict[str, object], now: datetime
) -> tuple[int, float, int, float | None] | None:
    """Lists of the last days, the share of them that counts, and both of the weeks before. None where there are few."""
    lately = lists.filter(created__gt=now - LATELY)
    before = lists.filter(created__lte=now - LATELY, created__gt=now - LATELY - BEFORE)
    n, m = lately.count(), before.count()
    if n < LEAST:
        return None
    was = before.filter(**counted).count() / m if m >= LEAST else None
    return n, lately.filter(**counted).count() / n, m, was


def _level(share: float, n: int, was: float | None, m: int, *, worse: int) -> str:
    """How bad a change of a share is. worse : 1 where more is worse, -1 where less is."""
    if was is None:
        return Level.FINE
    change = worse * (share - was)
    both = (share * n + was * m) / (n + m)
    error = math.sqrt(max(both * (1 - both), 1e-9) * (1 / n + 1 / m))
    if change < SURE * error or change < WATCH_SHARE * max(was, 0.01):
        return Level.FINE
    return Level.HIGH if change >= HIGH_SHARE * max(was, 0.01) else Level.WATCH


def _then(was: float | None) -> str:
    return "" if was is None else f", {was:.1%} in the four weeks before"
