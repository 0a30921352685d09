"""Views, clicks, orders and revenue of lists, counted by day, and kept when the lists themselves are gone.

Attribution: a purchase is credited to the last list in which its customer clicked on the item, or put it into the cart
from there, no more than RECOMMENDER_ATTRIBUTION_DAYS before. So no purchase is credited twice, and none to a list that
nobody clicked on. A day is that of the list, in the site's time zone; later clicks and purchases are added to it.

Every person is in one of BUCKETS buckets, always in the same. Lists of one person are alike, so that intervals which
took lists for independent would be too narrow; numbers by bucket, which add up over days, give right ones (the method
of random groups; Wolter, Introduction to Variance Estimation, 2007, ch. 2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any

import structlog
from django.conf import settings
from django.db import connections, router, transaction
from django.db.models import Count, DateTimeField, F, Max, Min, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from recommender.engine.data.encoders import LARGEST_AMOUNT, stored_number
from recommender.models import Event, ListCount, ServedList
from recommender.source import (
    CUSTOMER_KEY,
    ITEM_KEY,
    RecommenderSource,
    get_source,
    interactions_of,
    key_as_text,
    time_field,
    with_keys,
)

log = structlog.get_logger("recommender.feedback.counts")

BUCKETS = 20
KEEP_DAYS, ATTRIBUTION_DAYS = 90, 7
BATCH_SIZE = 5_000  # rows deleted, or clicks looked up, in one statement
KEY_FIELDS = ("day", "scenario", "scope", "source", "version", "bucket")

Key = tuple[Any, ...]  # values of KEY_FIELDS


class _Counts(dict[Key, ListCount]):
    """The rows to store, by their key; a missing one starts at zero."""

    def __missing__(self, key: Key) -> ListCount:
        row = self[key] = ListCount(**dict(zip(KEY_FIELDS, key, strict=True)))
        return row


@dataclass(frozen=True)
class _Click:
    time: datetime
    served: datetime
    key: Key


def day_of(moment: datetime) -> date:
    """In the site's time zone, as all days of results."""
    return timezone.localdate(moment, timezone.get_default_timezone())


def start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, timezone.get_default_timezone())


def days_between(first: date, last: date) -> Iterator[date]:
    """These days and those between."""
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def bucket_of(person: str) -> int:
    """The bucket of a customer's key, or of a list's id where no customer is known."""
    return int.from_bytes(hashlib.blake2b(person.encode(), digest_size=4).digest(), "big") % BUCKETS


def attribution_window() -> timedelta:
    """How long after a list a click on it counts, and how long after a click a purchase."""
    return timedelta(days=getattr(settings, "RECOMMENDER_ATTRIBUTION_DAYS", ATTRIBUTION_DAYS))


def can_credit_purchases(source: RecommenderSource) -> bool:
    """Whether purchases have a moment, so that they can be placed after a click."""
    return isinstance(time_field(source), DateTimeField)


def amount_paid(columns: Sequence[Any]) -> float:
    """What was paid for a purchase; 0 where the source names no amount, or the column holds no number.

    columns : the value of the source's amount, if it names one.
    """
    return (stored_number(columns[0], LARGEST_AMOUNT) or 0.0) if columns else 0.0


def count_recent_lists() -> int:
    """Count today and yesterday anew; back comes the number of their rows."""
    return count_lists(_today() - timedelta(days=1), _today())


def settle_lists() -> int:
    """Count every day anew whose lists may still have got clicks or purchases, also days that were missed, then remove
    the old lists. Back comes the number of lists removed."""
    first = _today() - 2 * attribution_window() - timedelta(days=1)
    last_counted = ListCount.objects.aggregate(day=Max("day"))["day"]
    oldest = ServedList.objects.aggregate(created=Min("created"))["created"]
    if last_counted is not None:
        first = min(first, last_counted)
    elif oldest is not None:
        first = min(first, day_of(oldest))
    count_lists(first, _today())
    return prune_lists()


def count_lists(first: date, last: date) -> int:
    """Count the lists of these days, both included, anew; back comes the number of their rows."""
    counts = _Counts()
    start, end = start_of(first), start_of(last + timedelta(days=1))
    for day in days_between(first, last):
        for key, number, views in _lists_of(day):
            row = counts[key]
            row.lists, row.views = number, views
        for key, items in _clicked_lists(day):
            counts[key].clicks += items
            counts[key].clicked += 1
    for key, amount in _credited_purchases(start, end):
        counts[key].orders += 1
        counts[key].revenue += amount
    # MariaDB and MySQL take no names there: a row with any of its unique values is changed.
    takes_names = connections[router.db_for_write(ListCount)].features.supports_update_conflicts_with_target
    with transaction.atomic():
        ListCount.objects.filter(day__gte=first, day__lte=last).delete()
        # update_conflicts: of two processes that count at once, the later one's numbers stay.
        ListCount.objects.bulk_create(
            counts.values(),
            batch_size=500,
            update_conflicts=True,
            unique_fields=KEY_FIELDS if takes_names else None,
            update_fields=["lists", "views", "clicks", "clicked", "orders", "revenue", "counted"],
        )
    return len(counts)


def prune_lists() -> int:
    """Remove the lists that are older than RECOMMENDER_KEEP_LISTS days and can get no more clicks or purchases; back
    comes their number. Their events stay."""
    keep = timedelta(days=getattr(settings, "RECOMMENDER_KEEP_LISTS", KEEP_DAYS))
    keep = max(keep, 2 * attribution_window() + timedelta(days=2))
    old = ServedList.objects.filter(created__lt=timezone.now() - keep).order_by("created").values_list("pk", flat=True)
    removed = 0
    while keys := list(old[:BATCH_SIZE]):
        removed += remove_lists(ServedList.objects.filter(pk__in=keys))
    if removed:
        log.info("lists_pruned", removed=removed)
    return removed


def remove_lists(lists: QuerySet[ServedList]) -> int:
    """Remove these lists, a few thousand at most. Django's own collector would read all their events first."""
    with transaction.atomic():
        Event.objects.filter(recommendation__in=lists).update(recommendation=None)
        return lists._raw_delete(lists.db)


# --- within -----------------------------------------------------------------------------------------------------------


def _lists_of(day: date) -> Iterator[tuple[Key, int, int]]:
    """The lists served on a day: key, how many, and how many items they showed."""
    lists = ServedList.objects.filter(created__gte=start_of(day), created__lt=start_of(day + timedelta(days=1)))
    rows = lists.order_by().values_list(*_key_columns())
    for *key, number, views in rows.annotate(Count("pk"), Sum("length")):
        yield (day, *key), number, views


def _clicked_lists(day: date) -> Iterator[tuple[Key, int]]:
    """The lists served on a day that were clicked on: key, and how many of their items were. An item that was clicked
    on and then put into the cart is one."""
    clicks = Event.objects.filter(
        kind__in=Event.TAKEN_UP,
        recommendation__created__gte=start_of(day),
        recommendation__created__lt=start_of(day + timedelta(days=1)),
        time__lt=F("recommendation__created") + attribution_window(),
    )
    rows = clicks.order_by().values_list(*_key_columns("recommendation__"), "recommendation")
    for *key, _, items in rows.annotate(Count("item", distinct=True)).iterator(chunk_size=BATCH_SIZE):
        yield (day, *key), items


def _credited_purchases(start: datetime, end: datetime) -> Iterator[tuple[Key, float]]:
    """The purchases that are credited to lists served from start to end: key of the list, and what was paid."""
    source = get_source()
    if not can_credit_purchases(source):
        return
    window, moment = attribution_window(), source.interaction_time
    sales = with_keys(source, interactions_of(source))
    last_click = Event.objects.filter(
        kind__in=Event.TAKEN_UP,
        recommendation__isnull=False,
        customer=key_as_text(sales, CUSTOMER_KEY),
        item=key_as_text(sales, ITEM_KEY),
        time__lte=OuterRef(moment),
    ).order_by("-time", "-pk")
    amount = [source.interaction_amount] if source.interaction_amount else []
    purchases = (
        sales.filter(**{f"{moment}__gte": start, f"{moment}__lt": end + 2 * window})
        .order_by()
        .annotate(_click=Subquery(last_click.values("pk")[:1]))
        .filter(_click__isnull=False)
        .values_list("_click", moment, *amount)
    )
    rows = purchases.iterator(chunk_size=BATCH_SIZE)
    while batch := list(islice(rows, BATCH_SIZE)):
        clicks = _clicks({pk for pk, *_ in batch})
        for pk, bought, *paid in batch:
            click = clicks.get(pk)  # None where its list was removed meanwhile
            if (
                click is not None
                and start <= click.served < end
                and click.time - click.served < window
                and bought - click.time <= window
            ):
                yield click.key, amount_paid(paid)


def _clicks(pks: Collection[int]) -> dict[int, _Click]:
    rows = Event.objects.filter(pk__in=pks, recommendation__isnull=False).order_by()
    columns = rows.values_list("pk", "time", "recommendation__created", *_key_columns("recommendation__"))
    return {pk: _Click(clicked, served, (day_of(served), *key)) for pk, clicked, served, *key in columns}


def _key_columns(prefix: str = "") -> list[Any]:
    """The columns of KEY_FIELDS but for the day, which is known here: MariaDB and MySQL say NULL for the day in a time
    zone, unless somebody loaded their tables of time zones. prefix : the lookup that leads to the list."""
    return [
        f"{prefix}scenario",
        f"{prefix}scope",
        f"{prefix}source",
        Coalesce(f"{prefix}version__name", Value("")),
        f"{prefix}bucket",
    ]


def _today() -> date:
    return day_of(timezone.now())
