"""Credible times: from 1970 to a day ahead. Rows outside are in no list; a request with another time is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import DateField, DateTimeField, Field, Q
from django.utils import timezone
from django.utils.translation import gettext

from recommender.engine.times import AHEAD_SECONDS, EARLIEST_SECONDS
from recommender.source.declaration import RecommenderSource
from recommender.source.names import target_of

EARLIEST = datetime.fromtimestamp(EARLIEST_SECONDS, UTC)
MAX_CLOCK_AHEAD = timedelta(seconds=AHEAD_SECONDS)


def validate_time(moment: datetime) -> None:
    """Validator of a time in a request. ValidationError says what was given and what is allowed."""
    aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment, UTC)
    if aware < EARLIEST:
        raise ValidationError(
            gettext("{time} is before 1970. Send the moment at which it happened.").format(time=moment.isoformat())
        )
    if aware > timezone.now() + MAX_CLOCK_AHEAD:
        raise ValidationError(
            gettext("{time} is more than a day ahead of now. Send the moment at which it happened.").format(
                time=moment.isoformat()
            )
        )


def credible_time_lookups() -> dict[str, datetime]:
    """Lookups of credible times in the field `time` of the recommender's own models."""
    return {"time__gte": EARLIEST, "time__lte": timezone.now() + MAX_CLOCK_AHEAD}


def credible_time(source: RecommenderSource, latest: datetime | None = None) -> Q:
    """The interactions with a credible time. latest : the last one that is accepted; a day from now unless given."""
    latest = timezone.now() + MAX_CLOCK_AHEAD if latest is None else latest
    field = time_field(source)
    first, last = (time_as_stored(moment, field) for moment in (EARLIEST, latest))
    return Q(**{f"{source.interaction_time}__gte": first, f"{source.interaction_time}__lte": last})


def unreadable_time(source: RecommenderSource) -> Q | None:
    """The interactions whose time no Python value can hold: PostgreSQL has infinity and years before the first. None
    where the column holds numbers."""
    field = time_field(source)
    first: date
    last: date
    if isinstance(field, DateTimeField):
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    elif isinstance(field, DateField):
        first, last = date.min, date.max
    else:
        return None
    return Q(**{f"{source.interaction_time}__lt": first}) | Q(**{f"{source.interaction_time}__gt": last})


def time_field(source: RecommenderSource) -> Field[Any, Any]:
    """The field with the times of interactions."""
    return target_of(source.interactions, source.interaction_time).field


def time_as_stored(moment: datetime, field: Field[Any, Any]) -> Any:
    """The moment as the field takes it: a datetime, a date or Unix seconds."""
    if isinstance(field, DateTimeField):
        return moment
    return moment.date() if isinstance(field, DateField) else moment.timestamp()
