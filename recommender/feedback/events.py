"""What people do with items and lists, stored once each, and not at all for customers who opted out."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from recommender.errors import EventChanged, RecommendationError
from recommender.feedback import served_lists, visits
from recommender.models import Event, ServedList
from recommender.source import check_item_exists, customer_key_of, may_be_learned_from

log = structlog.get_logger("recommender.feedback.events")


def record_event(
    *,
    kind: str,
    item: str,
    customer: str | None = None,
    session: str = "",
    sender: str = "",
    visitors: Collection[str] | None = None,
    event_id: str | None = None,
    recommendation_id: uuid.UUID | None = None,
    value: float | None = None,
    time: datetime | None = None,
) -> tuple[Event | None, bool]:
    """The stored event and whether it is new: an event id that its sender sends again changes nothing.

    sender : whose event id it is, `visits.sender_of`.   visitors : who sends it, `visits.visitors_of`; None for a
    caller whose word on who was shown a list holds: the site itself, or an API key.

    time : when it happened; now unless given, and always now for a visitor.

    (None, False) for a customer who opted out. RecommendationError for an unknown customer or item, EventChanged for
    an event id that comes again with other content. An event belongs to its list only where the list is on record,
    held the item, was shown to this person, and has no event of this kind and item yet.
    """
    if customer is None and visitors is not None:  # a stranger's clock proves nothing
        time = None
    if customer is not None:
        learnable = may_be_learned_from(customer)
        if learnable is None:
            raise RecommendationError("customer", f"There is no customer {customer!r}.")
        if not learnable:
            return None, False
    served = _shown_list(recommendation_id, item, customer, visitors) if recommendation_id else None
    event = Event(
        kind=kind,
        item=item,
        customer=customer or "",
        session=session,
        sender=sender,
        event_id=event_id,
        recommendation=served,
        value=value,
        time=time or timezone.now(),
    )
    stored = _stored_before(event)
    if stored is not None:
        _check_unchanged(stored, event, ["time"] if time else [])
        return stored, False
    check_item_exists(item)
    if served is not None and (_is_counted(served, kind, item) or not _claim(served, visitors)):
        event.recommendation = None
    event.full_clean(validate_unique=False, validate_constraints=False)
    try:
        with transaction.atomic():
            event.save()
    except IntegrityError:
        # Sent twice at once: the other one was stored between our look and our save.
        stored = _stored_before(event)
        if stored is not None:
            return stored, False
        event.recommendation = None
        event.save()
    return event, True


def record_by(request: HttpRequest, kind: Event.Kind, item: str, led_by: str | None = None) -> None:
    """Whoever sends this request did something with an item: a visitor's session remembers it, events hold it.

    led_by : the id of the list that led here, as the page says it. A view is then a click on that list, once however
    often the page is loaded. An item that is not there is passed over, as is everybody who opted out: a page is shown
    all the same.
    """
    customer, session = customer_key_of(request.user), visits.session_of(request)
    visitors = visits.visitors_of(request)
    served = _shown_list(_uuid(led_by), item, customer, visitors)
    if served is not None and kind == Event.Kind.VIEW:
        kind = Event.Kind.CLICK
        if _is_counted(served, kind, item):
            return
    try:
        event, _ = record_event(
            kind=kind,
            item=item,
            customer=customer,
            session=session,
            visitors=visitors,
            recommendation_id=None if served is None else served.pk,
        )
    except RecommendationError as error:
        log.info("event_not_recorded", kind=kind, field=error.field)  # the item is whatever was sent
        return
    if event is not None and customer is None:
        visits.remember_view(request, item)


def bring_visit(user: Any, request: HttpRequest | None = None, **sent: object) -> None:
    """Receiver of `user_logged_in`, with which signing up ends, too: what the visitor did becomes the customer's.

    Of a customer who opted out it stays a stranger's.
    """
    session = visits.leave_visit(request)
    customer = customer_key_of(user) if session else None
    if customer is not None and may_be_learned_from(customer):
        lately = Event.objects.filter(session=session, customer="", time__gte=timezone.now() - visits.VIEW_WINDOW)
        lately.update(customer=customer)


def viewed_by(customer: str) -> QuerySet[Any, Any]:
    """What a customer is on record to have looked at, the latest first: rows of `item`, `last` (when) and `times`."""
    views = Event.objects.filter(customer=customer, kind__in=Event.VIEWED).order_by()
    return views.values("item").annotate(last=Max("time"), times=Count("pk")).order_by("-last", "item")


def forget_views(request: HttpRequest, item: str) -> int:
    """Erase that whoever sends this request looked at an item; how many times they did."""
    customer, session = customer_key_of(request.user), request.session.session_key
    views = Event.objects.filter(item=item, kind__in=Event.VIEWED)
    if customer is not None:
        return views.filter(customer=customer).delete()[0]
    visits.forget_view(request, item)
    return views.filter(customer="", session=session).delete()[0] if session else 0


# --- within -----------------------------------------------------------------------------------------------------------


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None


def _shown_list(
    recommendation_id: uuid.UUID | None, item: str, customer: str | None, visitors: Collection[str] | None
) -> ServedList | None:
    """The list, if it is on record, held the item and was shown to nobody else: links are passed on, too."""
    served = served_lists.find(recommendation_id) if recommendation_id else None
    if served is None or item not in served.items:
        return None
    if served.customer:
        return served if served.customer == customer else None
    if served.visitor and visitors is not None and served.visitor not in visitors:
        return None
    return served


def _claim(served: ServedList, visitors: Collection[str] | None) -> bool:
    """A list that was made for no visit in particular belongs to the visitor who is the first to take it up."""
    if served.customer or served.visitor or not visitors:
        return True
    mine = next(iter(visitors))
    unclaimed = ServedList.objects.filter(pk=served.pk, visitor="")
    return bool(unclaimed.update(visitor=mine)) or ServedList.objects.filter(pk=served.pk, visitor=mine).exists()


def _is_counted(served: ServedList, kind: str, item: str) -> bool:
    return Event.objects.filter(recommendation=served, kind=kind, item=item).exists()


def _stored_before(event: Event) -> Event | None:
    if event.event_id is None:
        return None
    return Event.objects.filter(sender=event.sender, event_id=event.event_id).first()


def _check_unchanged(stored: Event, sent: Event, also: list[str]) -> None:
    """EventChanged where an event id stands for two different events."""
    names = ["kind", "item", "customer", "value", *also]
    if sent.recommendation is not None and not (
        stored.recommendation is None and _is_counted(sent.recommendation, sent.kind, sent.item)
    ):
        names.append("recommendation_id")
    differ = [name for name in names if getattr(stored, name) != getattr(sent, name)]
    if differ:
        raise EventChanged({name: _both(getattr(stored, name), getattr(sent, name)) for name in differ})


def _both(stored: object, sent: object) -> str:
    return f"stored as {_word(stored)}, sent again as {_word(sent)}."


def _word(value: object) -> str:
    if value in (None, ""):
        return "nothing"
    return repr(value) if isinstance(value, str) else str(value)
