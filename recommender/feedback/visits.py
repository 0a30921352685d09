"""What people looked at lately: visitors as their own session remembers, customers as their events say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from recommender.models import Event
from recommender.source import AHEAD, CompiledQuery

KEPT = 20
VIEW_WINDOW = timedelta(days=1)
_NAME, _SESSION, _BEFORE = "recommender_viewed", "recommender_session", "recommender_visitor_before"


def remember_view(request: HttpRequest, item: str) -> None:
    """Note that the visitor looked at an item. The latest is last, and an item is there once."""
    if getattr(request, "session", None) is None or request.user.is_authenticated:
        return
    before = [key for key in viewed_here(request) if key != item]
    request.session[_NAME] = [*before, item][-KEPT:]
    _keep_session_key(request)


def forget_view(request: HttpRequest, item: str) -> None:
    """Let the visitor's session hold an item no more."""
    if _NAME in request.session:
        request.session[_NAME] = [key for key in request.session[_NAME] if key != item]


def viewed_here(request: HttpRequest | None) -> list[str]:
    """Keys of what this visitor looked at, the latest last; nothing for who is signed in: theirs are on record."""
    if request is None or getattr(request, "session", None) is None or request.user.is_authenticated:
        return []
    return list(request.session.get(_NAME, []))


def leave_visit(request: HttpRequest | None) -> str:
    """Forget what the visitor looked at, for they are known now; the key that their session had, "" if it had none."""
    if request is None or getattr(request, "session", None) is None:
        return ""
    request.session.pop(_NAME, None)
    key = str(request.session.pop(_SESSION, ""))
    if key:
        request.session[_BEFORE] = _visitor(key)
    return key


def session_of(request: Any) -> str:
    """The key of the visitor's session, begun now if need be; "" for those who come with a token."""
    session = getattr(request, "session", None)
    if session is None or getattr(request, "auth", None) is not None:
        return ""
    if session.session_key is None:
        session.create()
    return session.session_key or ""


def visitor_of(request: Any) -> str:
    """What tells this visit from others, and nobody can come back with as if it were the session's key; "" for who is
    signed in, comes with a token, or has no session yet."""
    session = getattr(request, "session", None)
    if session is None or session.session_key is None or request.user.is_authenticated:
        return ""
    return _visitor(session.session_key)


def begin_visit(request: Any) -> str:
    """The same, and the visit is begun if need be: whoever is shown a list can be told from others when they click."""
    if session_of(request) and not request.user.is_authenticated:
        _keep_session_key(request)
    return visitor_of(request)


def visitors_of(request: Any) -> list[str]:
    """Every `visitor_of` that whoever sends this request had in this session: now, and before they signed in."""
    if getattr(request, "session", None) is None or getattr(request, "auth", None) is not None:
        return []
    return [one for one in (visitor_of(request), request.session.get(_BEFORE)) if one]


def sender_of(request: Any) -> str:
    """Whose event ids those of this request are: the user's (of a session, a token or a key), or the visit's."""
    if request.user.is_authenticated:
        return f"user:{request.user.pk}"
    return f"visitor:{begin_visit(request)}"


def _visitor(session_key: str) -> str:
    return salted_hmac("recommender.visitor", session_key).hexdigest()[:32]


def _keep_session_key(request: Any) -> None:
    key = session_of(request)  # signing in gives the session another one
    if request.session.get(_SESSION) != key:
        request.session[_SESSION] = key


def recent_views(customers: Sequence[str]) -> dict[str, list[str]]:
    """Keys of what each customer, by key, looked at within a day: each item once, the latest last, KEPT at most."""
    now = timezone.now()
    latest_first: dict[str, list[str]] = defaultdict(list)
    for customer, item in _VIEWS.rows([*customers, now - VIEW_WINDOW, now + AHEAD]):
        latest_first[customer].append(item)
    return {customer: list(dict.fromkeys(items))[:KEPT][::-1] for customer, items in latest_first.items()}


def _views(values: Sequence[Any]) -> QuerySet[Any, Any]:
    """values : keys of customers, then the first and the last moment."""
    *customers, first, last = values
    views = Event.objects.filter(customer__in=customers, kind__in=Event.VIEWED, time__gte=first, time__lte=last)
    # Somebody who looked at the same few things a thousand times costs no more than this.
    return views.order_by("-time", "-pk").values_list("customer", "item")[: 5 * KEPT * len(customers)]


_VIEWS = CompiledQuery(_views)
