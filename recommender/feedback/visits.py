"""What people looked at recently: visitors by their session, customers by their events."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from recommender.models import Event
from recommender.source import MAX_CLOCK_AHEAD, CompiledQuery, caller_name, items_of_scope, scope_of_request

MAX_VIEWS = 20  # items of one person
VIEW_WINDOW_HOURS = 24  # of customers; a visitor's views last as long as their session
VIEW_WINDOW = timedelta(hours=VIEW_WINDOW_HOURS)
# In the session: keys of items; the session's own key, which signing in replaces; the visitor's id before that.
VIEWS, OWN_KEY, EARLIER_ID = "recommender_viewed", "recommender_session", "recommender_visitor_before"
VISIT = "recommender_visit"  # stands for the session's key where that cannot be kept
MAX_SESSION_KEY = 64


def is_signed_in(request: Any) -> bool:
    """Whether a user sends the request; nobody does where the site has no authentication."""
    user = getattr(request, "user", None)
    return user is not None and bool(user.is_authenticated)


def remember_view(request: HttpRequest, item: str) -> None:
    """Note in the session that the visitor looked at an item. The latest is last, and no item is there twice."""
    if getattr(request, "session", None) is None or is_signed_in(request):
        return
    others = [key for key in views_of_visitor(request) if key != item]
    request.session[VIEWS] = [*others, item][-MAX_VIEWS:]
    _keep_session_key(request)


def forget_view(request: HttpRequest, item: str) -> None:
    """Remove an item from the views in the visitor's session, where there is one."""
    if VIEWS in (getattr(request, "session", None) or ()):
        request.session[VIEWS] = [key for key in request.session[VIEWS] if key != item]


def views_of_visitor(request: HttpRequest | None) -> list[str]:
    """Keys of the items that this visitor looked at, the latest last; nothing for a user: events hold theirs."""
    if request is None or getattr(request, "session", None) is None or is_signed_in(request):
        return []
    return list(request.session.get(VIEWS, []))


def leave_visit(request: HttpRequest | None) -> str:
    """Forget the views of a visitor who signed in; back comes the key that the session had before, "" if none.

    Views in other scopes than that of the request stay, and the key by which whoever signs in there gets them.
    """
    if request is None or getattr(request, "session", None) is None:
        return ""
    views = request.session.get(VIEWS, [])
    here = items_of_scope(views, scope_of_request(request)) if views else []
    elsewhere = [item for item in views if item not in here]
    key = str(request.session.get(OWN_KEY, ""))
    if elsewhere:
        request.session[VIEWS] = elsewhere
    else:
        request.session.pop(VIEWS, None)
        request.session.pop(OWN_KEY, None)
    if key:
        request.session[EARLIER_ID] = _visitor_id(key)
    return key


def session_key_of(request: Any) -> str:
    """The key of the visitor's session, which is created if need be; "" for a request with a token."""
    session = getattr(request, "session", None)
    if session is None or getattr(request, "auth", None) is not None:
        return ""
    if session.session_key is None:
        session.create()
    return _key_of(session)


def visitor_id_of(request: Any) -> str:
    """An id of this visit that does not open its session; "" for a user, a token, or a request without a session."""
    session = getattr(request, "session", None)
    if session is None or is_signed_in(request):
        return ""
    key = session.session_key if _is_kept(session.session_key) else session.get(VISIT)
    return _visitor_id(key) if key else ""


def begin_visit(request: Any) -> str:
    """The same; a session is created if need be, so that a click can be assigned to the visitor of a list."""
    if session_key_of(request) and not is_signed_in(request):
        _keep_session_key(request)
    return visitor_id_of(request)


def visitor_ids_of(request: Any) -> list[str]:
    """The visitor ids of this session: the present one, and the one before the visitor signed in."""
    if getattr(request, "session", None) is None or getattr(request, "auth", None) is not None:
        return []
    return [visitor for visitor in (visitor_id_of(request), request.session.get(EARLIER_ID)) if visitor]


def sender_of(request: Any) -> str:
    """The owner of this request's event ids: the user (of a session, a token or a key), or the visit."""
    if is_signed_in(request):
        return caller_name(request.user)
    return f"visitor:{begin_visit(request)}"


def recent_views(customers: Sequence[str]) -> dict[str, list[str]]:
    """Keys of the items that each customer (a key) looked at within VIEW_WINDOW: the latest last, MAX_VIEWS at most."""
    now = timezone.now()
    latest_first: dict[str, list[str]] = defaultdict(list)
    for customer, item in _VIEWS_QUERY.rows([*customers, now - VIEW_WINDOW, now + MAX_CLOCK_AHEAD]):
        latest_first[customer].append(item)
    return {customer: list(dict.fromkeys(items))[:MAX_VIEWS][::-1] for customer, items in latest_first.items()}


def _views_query(values: Sequence[Any]) -> QuerySet[Any, Any]:
    """values : keys of customers, then the first and the last moment."""
    *customers, first, last = values
    views = Event.objects.filter(customer__in=customers, kind__in=Event.VIEWED, time__gte=first, time__lte=last)
    # The limit: a customer who looked at the same few items a thousand times costs no more than this.
    return views.order_by("-time", "-pk").values_list("customer", "item")[: 5 * MAX_VIEWS * len(customers)]


_VIEWS_QUERY = CompiledQuery(_views_query)


def _visitor_id(session_key: str) -> str:
    return salted_hmac("recommender.visitor", session_key).hexdigest()[:32]


def _key_of(session: Any) -> str:
    """The key of a session; of one that is kept in a cookie, and has none or one that changes, a key of our own."""
    if _is_kept(session.session_key):
        return str(session.session_key)
    if VISIT not in session:
        session[VISIT] = secrets.token_hex(16)
    return str(session[VISIT])


def _is_kept(session_key: str | None) -> bool:
    return session_key is not None and len(session_key) <= MAX_SESSION_KEY


def _keep_session_key(request: Any) -> None:
    key = session_key_of(request)
    if request.session.get(OWN_KEY) != key:
        request.session[OWN_KEY] = key
