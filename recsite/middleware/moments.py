"""Times in a query string that a database cannot compare: refused before a view runs.

Filters of the API and lists of the admin, those of other packages among them, pass times on unchecked. PostgreSQL fails
at an offset of 16 hours, SQLite at a time outside of the years that UTC has, and Django at year 10000.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext

from recsite.api.problems import API, MALFORMED, problem_response, refuse

FARTHEST = timedelta(hours=15, minutes=59)  # from UTC; in use are 14 hours and less
YEARS = range(2, 9999)  # with a day before and a year after


def check_moments(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware. 400 names the parameter."""

    def middleware(request: HttpRequest) -> HttpResponse:
        for name, value in moments(request.GET):
            wrong = year_problem(value) if name.endswith("year") else moment_problem(value)
            if not wrong:
                continue
            if request.path.startswith(API):
                error = {"field": name, "code": "invalid", "detail": wrong}
                return problem_response(status=400, detail=f"{name}: {wrong}", kind=MALFORMED, errors=[error])
            return refuse(request, status=400, title=gettext("That did not work"), detail=f"{name}: {wrong}")
        return get_response(request)

    return middleware


def moments(query: QueryDict) -> Iterator[tuple[str, str]]:
    """Names and values that may be times or years: whole ones, those of a list, and a day with its time of day."""
    for name, values in query.lists():
        for value in values:
            for text in dict.fromkeys([value, *value.split(",")]):
                if text.strip()[:1].isdigit():
                    yield name, text
            if name.endswith("_0"):
                yield name, f"{value} {query.get(f'{name[:-1]}1', '')}"


def moment_problem(text: str) -> str:
    """Why a database cannot compare this time; empty where it can, or where the text is no time."""
    try:
        moment = forms.DateTimeField().to_python(text)
    except ValidationError:
        return ""
    offset = moment.utcoffset() if moment else None
    if moment is None or offset is None:
        return ""
    if abs(offset) > FARTHEST:
        return gettext("{time} is more than 15:59 hours from UTC.").format(time=text)
    if has_utc(moment):
        return ""
    return gettext("{time} lies outside of the years 1 to 9999 in UTC.").format(time=text)


def year_problem(text: str) -> str:
    try:
        year = int(text)
    except ValueError:
        return ""
    if year in YEARS:
        return ""
    sentence = gettext("Years go from {first} to {last}; this is {year}.")
    return sentence.format(first=YEARS[0], last=YEARS[-1], year=text[:20])


def has_utc(moment: datetime) -> bool:
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return False
    return True
