"""Which interactions are new since the last look.

Where primary keys are whole numbers, rows with a higher one are. UUIDs and texts have no order: there, rows are found
by the moment at which they were stored, or else happened, and those of the last minutes that were seen are remembered.
What is stored later than that with an older time is found when everything is counted again: at once where a remembered
row changed or went, or an older row was given a new moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import IntegerField, QuerySet
from django.utils import timezone

from recommender.source.declaration import RecommenderSource
from recommender.source.interactions import CUSTOMER, ITEM
from recommender.source.names import plain_field

LATE = timedelta(minutes=10)  # a row may appear so long after its moment, when its transaction ends
MOST_NEW = 2_000  # rows that are told apart from the others by their primary keys
MOST_SEEN = 50_000  # rows of the last minutes that are remembered


@dataclass(frozen=True)
class Mark:
    """What was seen.

    last : the highest primary key.   Where these have no order, since : the moment from which rows are looked at, None
    for all; after : only those later than it; seen : primary key -> (item, customer) of those; total : of all rows.
    """

    last: Any = None
    since: Any = None
    after: bool = False
    seen: Mapping[Any, tuple[Any, Any]] = field(default_factory=dict)
    total: int = 0


@dataclass(frozen=True)
class Newer:
    """rows : those that are new since a mark.   before : the others.   mark : of both."""

    rows: QuerySet[Any]
    before: QuerySet[Any]
    mark: Mark


def have_order(source: RecommenderSource) -> bool:
    """Whether a later interaction has a higher primary key."""
    return isinstance(plain_field(source.interactions.model._meta.pk), IntegerField)


def mark_of(source: RecommenderSource, rows: QuerySet[Any]) -> Mark:
    """The mark of all of these interactions."""
    if have_order(source):
        return Mark(last=rows.order_by("-pk").values_list("pk", flat=True).first())
    total = rows.count()
    name = _moment(source)
    dated = rows.filter(**{f"{name}__isnull": False})
    newest = dated.order_by(f"-{name}").values_list(name, flat=True).first()
    since = None if newest is None else _a_while_before(newest)
    mark = Mark(since=since, total=total)
    found = _read(source, rows, mark)
    if found is None:  # so many at once: only what is later is told apart
        return Mark(since=newest, after=True, total=total)
    return _moved(mark, found, total)


def newer_than(source: RecommenderSource, rows: QuerySet[Any], mark: Mark) -> Newer | None:
    """What is new among these interactions since the mark; None where that is too much to be told apart."""
    if have_order(source):
        if mark.last is None:
            return Newer(rows, rows.none(), mark_of(source, rows))
        newer = rows.filter(pk__gt=mark.last)
        last = newer.order_by("-pk").values_list("pk", flat=True).first()
        if last is None:
            return Newer(rows.none(), rows, mark)
        return Newer(newer.filter(pk__lte=last), rows.filter(pk__lte=mark.last), Mark(last))
    found = _read(source, rows, mark)
    if found is None or any(pk not in found or found[pk][1] != pair for pk, pair in mark.seen.items()):
        return None
    new = found.keys() - mark.seen.keys()
    if not new:
        return Newer(rows.none(), rows, mark)
    total = mark.total + len(new)
    if len(new) > MOST_NEW or rows.count() < total:  # one that was counted before has a new moment, or went
        return None
    return Newer(rows.filter(pk__in=new), rows.exclude(pk__in=new), _moved(mark, found, total))


# --- within -----------------------------------------------------------------------------------------------------------


def _moment(source: RecommenderSource) -> str:
    return source.interaction_stored or source.interaction_time


def _read(source: RecommenderSource, rows: QuerySet[Any], mark: Mark) -> dict[Any, tuple[Any, tuple[Any, Any]]] | None:
    """Primary key -> moment and (item, customer) of the rows from the moment of the mark on; None: too many."""
    name = _moment(source)
    recent = rows.filter(**{f"{name}__isnull": False})
    if mark.since is not None:
        recent = recent.filter(**{f"{name}__{'gt' if mark.after else 'gte'}": mark.since})
    read = list(recent.order_by().values_list("pk", name, ITEM, CUSTOMER)[: MOST_SEEN + 1])
    if len(read) > MOST_SEEN:
        return None
    return {pk: (moment, (item, customer)) for pk, moment, item, customer in read}


def _moved(mark: Mark, found: Mapping[Any, tuple[Any, tuple[Any, Any]]], total: int) -> Mark:
    """The mark after these rows; it looks back no farther than it must."""
    since, after = mark.since, mark.after
    if found:
        since = _a_while_before(max(moment for moment, _ in found.values()))
        if mark.since is None or since > mark.since:
            after = False
        else:
            since = mark.since
    seen = {pk: pair for pk, (moment, pair) in found.items() if moment > since or (moment == since and not after)}
    return Mark(since=since, after=after, seen=seen, total=total)


def _a_while_before(newest: Any) -> Any:
    """The moment from which rows are looked at next: what is dated ahead of the clock moves it no farther than now."""
    now = timezone.now()
    if isinstance(newest, datetime):
        return min(newest, now) - LATE
    if isinstance(newest, date):
        return min(newest, timezone.localdate()) - timedelta(days=1)
    return min(newest, type(newest)(now.timestamp())) - type(newest)(LATE.total_seconds())
