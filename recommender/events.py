"""What people do with items and lists, stored once each, and not at all for customers who opted out."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from recommender import people, served_lists, serving, visits
from recommender.errors import RecommendationError
from recommender.models import Event

log = structlog.get_logger("recommender.events")


def record_event(
    *,
    kind: str,
    item: str,
    customer: str | None = None,
    session: str = "",
    event_id: str | None = None,
    recommendation_id: uuid.UUID | None = None,
    value: float | None = None,
    time: datetime | None = None,
) -> tuple[Event | None, bool]:
    """The stored event and whether it is new: a second telling of an event id finds the first and changes nothing.

    (None, False) for a customer who opted out. RecommendationError for an unknown customer or item. A list that is not
    on record (those of customers who opted out never are) is passed over.
    """
    if customer is not None:
        learnable = people.may_be_learned_from(customer)
        if learnable is None:
            raise RecommendationError("customer", f"There is no customer {customer!r}.")
        if not learnable:
            return None, False
    if event_id is not None:
        stored = Event.objects.filter(event_id=event_id).first()
        if stored is not None:
            return stored, False
    if not serving.catalog().knows(item):
        raise RecommendationError("item", f"There is no item {item!r}.")
    event = Event(
        kind=kind,
        item=item,
        customer=customer or "",
        session=session,
        event_id=event_id,
        recommendation=served_lists.find(recommendation_id) if recommendation_id else None,
        value=value,
        time=time or timezone.now(),
    )
    event.full_clean(validate_unique=False)
    try:
        with transaction.atomic():
            event.save()
    except IntegrityError:
        # Told twice at once: the other one was stored between our look and our save.
        return Event.objects.get(event_id=event_id), False
    return event, True


def record_by(request: HttpRequest, kind: Event.Kind, item: str, led_by: str | None = None) -> None:
    """Whoever sends this request did something with an item: a visitor's session remembers it, events hold it.

    led_by : the id of the list that led here, as the page says it. A view is then a click on that list, once however
    often the page is loaded. An item that is not there is passed over, as is everybody who opted out: a page is shown
    all the same.
    """
    customer = people.key_of(request.user)
    told: dict[str, Any] = {"kind": kind, "item": item, "customer": customer}
    led_here = _list_that_led_here(led_by, item, customer)
    if led_here is not None:
        told["recommendation_id"] = led_here
        if kind == Event.Kind.VIEW:
            told |= {"kind": Event.Kind.CLICK, "event_id": f"click-{led_here}-{item}"[:100]}
    try:
        event, _ = record_event(**told, session=visits.session_of(request))
    except RecommendationError as error:
        log.info("event_not_recorded", kind=kind, item=item, error=error.message)
        return
    if event is not None and customer is None:
        visits.remember(request, item)


def bring_visit(user: Any, request: HttpRequest | None = None, **sent: object) -> None:
    """Receiver of `user_logged_in`, with which signing up ends, too: what the visitor did becomes the customer's.

    Of a customer who opted out it stays a stranger's.
    """
    session = visits.leave(request)
    customer = people.key_of(user) if session else None
    if customer is not None and people.may_be_learned_from(customer):
        lately = Event.objects.filter(session=session, customer="", time__gte=timezone.now() - visits.LATELY)
        lately.update(customer=customer)


def _list_that_led_here(given: str | None, item: str, customer: str | None) -> uuid.UUID | None:
    """The list of a link, if it is on record, held the item and is of nobody else: links are passed on, too."""
    try:
        served = served_lists.find(uuid.UUID(given or ""))
    except ValueError:
        return None
    if served is None or item not in served.items or served.customer not in ("", customer):
        return None
    return served.pk


def viewed_by(customer: str) -> QuerySet[Any, Any]:
    """What a customer is on record to have looked at, the latest first: rows of `item`, `last` (when) and `times`."""
    views = Event.objects.filter(customer=customer, kind__in=Event.VIEWED).order_by()
    return views.values("item").annotate(last=Max("time"), times=Count("pk")).order_by("-last", "item")


def forget_views(request: HttpRequest, item: str) -> int:
    """Erase that whoever sends this request looked at an item; how many times they did."""
    customer, session = people.key_of(request.user), request.session.session_key
    views = Event.objects.filter(item=item, kind__in=Event.VIEWED)
    if customer is not None:
        return views.filter(customer=customer).delete()[0]
    visits.forget(request, item)
    return views.filter(customer="", session=session).delete()[0] if session else 0
