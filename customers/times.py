"""When a purchase can have happened: from 1970 to a day ahead of now. Every door asks here."""

from datetime import UTC, datetime, timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)  # the zero of other calendars (year 1, 1900) lies before
AHEAD = timedelta(days=1)  # clocks and time zones differ by hours


def time_problem(moment: datetime) -> str:
    """Why a purchase cannot have happened then; empty where it can."""
    aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment, UTC)
    if aware < EARLIEST:
        return gettext("before 1970")
    return gettext("more than a day ahead of now") if aware > timezone.now() + AHEAD else ""


def validate_time(moment: datetime) -> None:
    """A validator for models, forms and serializers."""
    problem = time_problem(moment)
    if problem:
        raise ValidationError(
            gettext("{time} is {problem}. Give the moment of the purchase.").format(
                time=moment.isoformat(), problem=problem
            )
        )
