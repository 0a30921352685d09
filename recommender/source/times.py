"""Moments that can be true: from 1970 to a day ahead. What is stored outside is in no list; what is sent is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import DateField, DateTimeField, Field, Q
from django.utils import timezone

from recommender.engine.times import AHEAD_SECONDS, EARLIEST_SECONDS
from recommender.source.declaration import RecommenderSource

EARLIEST = datetime.fromtimestamp(EARLIEST_SECONDS, UTC)
AHEAD = timedelta(seconds=AHEAD_SECONDS)


def validate_time(moment: datetime) -> None:
    """A validator of a time that somebody sends. ValidationError says what was given and what is allowed."""
    aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment, UTC)
    if aware < EARLIEST:
        raise ValidationError(f"{moment.isoformat()} is before 1970. Send the moment at which it happened.")
    if aware > timezone.now() + AHEAD:
        raise ValidationError(
            f"{moment.isoformat()} is more than a day ahead of now. Send the moment at which it happened."
        )


def credible_moments() -> dict[str, datetime]:
    """Conditions on the field `time` of a model of our own."""
    return {"time__gte": EARLIEST, "time__lte": timezone.now() + AHEAD}


def credible(source: RecommenderSource, latest: datetime | None = None) -> Q:
    """The interactions whose time can be true, whatever column holds it.

    latest : the last moment that is accepted; a day from now unless given.
    """
    latest = timezone.now() + AHEAD if latest is None else latest
    field = field_at(source.interactions.model, source.interaction_time)
    first, last = (as_stored(moment, field) for moment in (EARLIEST, latest))
    return Q(**{f"{source.interaction_time}__gte": first, f"{source.interaction_time}__lte": last})


def unreadable(source: RecommenderSource) -> Q | None:
    """The interactions whose time Python has no word for: PostgreSQL knows infinity and years before the first. None
    where the column holds numbers."""
    field = field_at(source.interactions.model, source.interaction_time)
    first: date
    last: date
    if isinstance(field, DateTimeField):
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    elif isinstance(field, DateField):
        first, last = date.min, date.max
    else:
        return None
    return Q(**{f"{source.interaction_time}__lt": first}) | Q(**{f"{source.interaction_time}__gt": last})


def field_at(model: Any, path: str) -> Field[Any, Any]:
    """The field that a lookup ends at, which may follow relations: `order__placed`."""
    *relations, name = path.split("__")
    for relation in relations:
        model = model._meta.get_field(relation).related_model
    return model._meta.pk if name == "pk" else model._meta.get_field(name)


def as_stored(moment: datetime, field: Field[Any, Any]) -> Any:
    """The moment as the field takes it: a datetime, a date or Unix seconds."""
    if isinstance(field, DateTimeField):
        return moment
    return moment.date() if isinstance(field, DateField) else moment.timestamp()
