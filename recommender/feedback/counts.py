"""What lists bring: views, clicks, orders and revenue, counted by day, and kept when the lists themselves are gone.

The rule of attribution, as recommenders for hire have it, too: a purchase is credited to the last list in which its
customer clicked on the item, or put it into the cart from there, no more than RECOMMENDER_ATTRIBUTION_DAYS before. So
no purchase is credited twice, and none because a list merely stood there. A day is that of the list, in the site's
time zone; what is clicked and bought later is added to it until nothing more can come.

People are dealt into buckets, each always into the same. Lists of one person are alike, so that intervals which took
lists for independent would be too narrow; numbers by bucket, which add up over days, give honest ones (the method of
random groups; Wolter, Introduction to Variance Estimation, 2007, ch. 2).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import CharField, Count, DateTimeField, F, Max, Min, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Cast, TruncDate
from django.utils import timezone

from recommender.engine.data.encoders import LARGEST_AMOUNT, stored_number
from recommender.models import Event, ListCount, ServedList
from recommender.source import RecommenderSource, field_at, get_source

log = structlog.get_logger("recommender.feedback.counts")

BUCKETS = 20
KEPT_DAYS, ATTRIBUTION_DAYS = 90, 7
AT_ONCE = 5_000  # rows deleted, or clicks looked up, in one statement

Kind = tuple[date, str, str, str, int]  # day, scenario, source, version, bucket


@dataclass
class _Counts:
    lists: int = 0
    views: int = 0
    clicks: int = 0
    clicked: int = 0
    orders: int = 0
    revenue: float = 0.0


def bucket_of(person: str) -> int:
    """The bucket of a customer's key, or of a list that is nobody's."""
    return int.from_bytes(hashlib.blake2b(person.encode(), digest_size=4).digest(), "big") % BUCKETS


def attribution_window() -> timedelta:
    """How long after a list a click on it counts, and how long after a click a purchase."""
    return timedelta(days=getattr(settings, "RECOMMENDER_ATTRIBUTION_DAYS", ATTRIBUTION_DAYS))


def has_revenue(source: RecommenderSource) -> bool:
    """Whether purchases can be credited at all: they need a moment, to stand after a click."""
    return isinstance(field_at(source.interactions.model, source.interaction_time), DateTimeField)


def count_recent_lists() -> int:
    """Count today and yesterday anew; back comes how many rows there are of them."""
    today = timezone.localdate(timezone=timezone.get_default_timezone())
    return count_lists(today - timedelta(days=1), today)


def settle_lists() -> int:
    """Count every day anew to whose lists something may still have come, then remove the lists that are old enough.

    Back comes how many lists were removed. Days missed while nothing counted are made up for.
    """
    today = timezone.localdate(timezone=timezone.get_default_timezone())
    first = today - 2 * attribution_window() - timedelta(days=1)
    last_counted = ListCount.objects.aggregate(day=Max("day"))["day"]
    oldest = ServedList.objects.aggregate(created=Min("created"))["created"]
    if last_counted is not None:
        first = min(first, last_counted)
    elif oldest is not None:
        first = min(first, timezone.localdate(oldest, timezone.get_default_timezone()))
    count_lists(first, today)
    return prune_lists()


def count_lists(first: date, last: date) -> int:
    """Count the lists of these days, both included, anew; back comes how many rows there are of them."""
    found: dict[Kind, _Counts] = defaultdict(_Counts)
    start, end = _start(first), _start(last + timedelta(days=1))
    by_kind = ("_day", "scenario", "source", "version__name", "bucket")
    lists = ServedList.objects.filter(created__gte=start, created__lt=end).annotate(_day=_day_of("created"))
    for *kind, n, views in lists.order_by().values_list(*by_kind).annotate(Count("pk"), Sum("length")):
        counts = found[_kind(kind)]
        counts.lists, counts.views = n, views
    clicks = Event.objects.filter(
        kind__in=Event.TAKEN_UP,
        recommendation__created__gte=start,
        recommendation__created__lt=end,
        time__lt=F("recommendation__created") + attribution_window(),
    ).annotate(_day=_day_of("recommendation__created"))
    by_list = ("_day", *(f"recommendation__{name}" for name in by_kind[1:]), "recommendation")
    rows_of_lists = clicks.order_by().values_list(*by_list).annotate(Count("item", distinct=True))
    for *kind, _, items in rows_of_lists.iterator(chunk_size=AT_ONCE):
        counts = found[_kind(kind)]
        counts.clicks += items  # an item that was clicked on and then put into the cart is one
        counts.clicked += 1
    for kind, amount in _credited(start, end):
        counts = found[kind]
        counts.orders += 1
        counts.revenue += amount
    now = timezone.now()
    names = ("day", "scenario", "source", "version", "bucket")
    rows = [
        ListCount(**dict(zip(names, kind, strict=True)), **vars(counts), counted=now) for kind, counts in found.items()
    ]
    with transaction.atomic():
        ListCount.objects.filter(day__gte=first, day__lte=last).delete()
        # Two that count at once: the later one has the last word, and nothing is there twice.
        ListCount.objects.bulk_create(
            rows,
            batch_size=500,
            update_conflicts=True,
            unique_fields=names,
            update_fields=[*_Counts.__dataclass_fields__, "counted"],
        )
    return len(rows)


def prune_lists() -> int:
    """Remove the lists that are older than RECOMMENDER_KEEP_LISTS days; back comes how many. Their events stay.

    What may still be counted stays, however little one wants to keep.
    """
    kept = timedelta(days=getattr(settings, "RECOMMENDER_KEEP_LISTS", KEPT_DAYS))
    kept = max(kept, 2 * attribution_window() + timedelta(days=2))
    old = ServedList.objects.filter(created__lt=timezone.now() - kept).order_by("created").values_list("pk", flat=True)
    removed = 0
    while keys := list(old[:AT_ONCE]):
        removed += remove_lists(ServedList.objects.filter(pk__in=keys))
    if removed:
        log.info("lists_pruned", removed=removed)
    return removed


def remove_lists(lists: QuerySet[ServedList]) -> int:
    """Remove these lists, a few thousand at most. Django's own collector would read every event of theirs first."""
    with transaction.atomic():
        Event.objects.filter(recommendation__in=lists).update(recommendation=None)
        return lists._raw_delete(lists.db)


# --- within -----------------------------------------------------------------------------------------------------------


def _credited(start: datetime, end: datetime) -> Iterator[tuple[Kind, float]]:
    """The purchases that are credited to lists served from start to end: the kind of the list, and what was paid."""
    source = get_source()
    if not has_revenue(source):
        return
    window, moment = attribution_window(), source.interaction_time
    touched = Event.objects.filter(
        kind__in=Event.TAKEN_UP,
        recommendation__isnull=False,
        customer=Cast(OuterRef(f"{source.interaction_customer}__{source.customer_key}"), CharField()),
        item=Cast(OuterRef(f"{source.interaction_item}__{source.item_key}"), CharField()),
        time__lte=OuterRef(moment),
    ).order_by("-time", "-pk")
    columns = ["_click", moment, *([source.interaction_amount] if source.interaction_amount else [])]
    purchases = (
        source.interactions.filter(**{f"{moment}__gte": start, f"{moment}__lt": end + 2 * window})
        .order_by()
        .annotate(_click=Subquery(touched.values("pk")[:1]))
        .filter(_click__isnull=False)
        .values_list(*columns)
    )
    rows = purchases.iterator(chunk_size=AT_ONCE)
    while some := list(islice(rows, AT_ONCE)):
        clicks = _clicks(click for click, *_ in some)
        for click, bought, *paid in some:
            if click not in clicks:  # its list was removed meanwhile
                continue
            clicked, served, kind = clicks[click]
            in_time = bought - clicked <= window and clicked - served < window
            if in_time and start <= served < end:
                yield kind, amount_of(paid)


def amount_of(paid: Sequence[Any]) -> float:
    """What was paid for a purchase, from the column of amounts, if there is one; 0 where that holds no amount."""
    return (stored_number(paid[0], LARGEST_AMOUNT) or 0.0) if paid else 0.0


def _clicks(keys: Iterator[int]) -> dict[int, tuple[datetime, datetime, Kind]]:
    """When each click happened, when its list was served, and what kind of list that was."""
    names = ("created", "scenario", "source", "version__name", "bucket")
    rows = Event.objects.filter(pk__in=set(keys), recommendation__isnull=False).order_by()
    found = {}
    for pk, clicked, served, *kind in rows.values_list("pk", "time", *(f"recommendation__{name}" for name in names)):
        day = timezone.localdate(served, timezone.get_default_timezone())
        found[pk] = (clicked, served, _kind([day, *kind]))
    return found


def _kind(values: list[Any]) -> Kind:
    day, scenario, source, version, bucket = values
    return day, scenario, source, version or "", bucket


def _day_of(column: str) -> TruncDate:
    return TruncDate(column, tzinfo=timezone.get_default_timezone())


def _start(day: date) -> datetime:
    """The moment at which a day begins where the site is."""
    return datetime.combine(day, time.min, timezone.get_default_timezone())
