"""Which interactions are new since the last look.

Where primary keys are whole numbers, rows with a higher one are. UUIDs and texts have no order: there, rows are found
by the moment at which they were stored, or else happened, and those of the last minutes that were seen are remembered.
What is stored later than that with an older time is found when everything is counted again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import IntegerField, QuerySet
from django.utils import timezone

from recommender.source.declaration import RecommenderSource
from recommender.source.names import plain_field

LATE = timedelta(minutes=10)  # a row may appear so long after its moment, when its transaction ends
MOST_NEW = 2_000  # rows that are told apart from the others by their primary keys


@dataclass(frozen=True)
class Mark:
    """What was seen.

    last : the highest primary key.   Where these have no order, since : the moment from which rows are looked at, None
    for all; seen : the primary keys of those.
    """

    last: Any = None
    since: Any = None
    seen: frozenset[Any] = frozenset()


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
    name = _moment(source)
    newest = rows.order_by(f"-{name}").values_list(name, flat=True).first()
    return _read_since(source, rows, None if newest is None else _a_while_before(newest))


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
    there = _read_since(source, rows, mark.since)
    new = there.seen - mark.seen
    if len(new) > MOST_NEW:
        return None
    if not new:
        return Newer(rows.none(), rows, mark)
    return Newer(rows.filter(pk__in=new), rows.exclude(pk__in=new), there)


# --- within -----------------------------------------------------------------------------------------------------------


def _moment(source: RecommenderSource) -> str:
    return source.interaction_stored or source.interaction_time


def _read_since(source: RecommenderSource, rows: QuerySet[Any], since: Any) -> Mark:
    """The mark of the rows from a moment on; it looks back no farther than it must."""
    name = _moment(source)
    recent = rows if since is None else rows.filter(**{f"{name}__gte": since})
    moments = {pk: moment for pk, moment in recent.order_by().values_list("pk", name).iterator() if moment is not None}
    if moments:
        since = _a_while_before(max(moments.values()))
    return Mark(since=since, seen=frozenset(pk for pk, moment in moments.items() if moment >= since))


def _a_while_before(newest: Any) -> Any:
    """The moment from which rows are looked at next: what is dated ahead of the clock moves it no farther than now."""
    now = timezone.now()
    if isinstance(newest, datetime):
        return min(newest, now) - LATE
    if isinstance(newest, date):
        return min(newest, timezone.localdate()) - timedelta(days=1)
    return min(newest, type(newest)(now.timestamp())) - type(newest)(LATE.total_seconds())
