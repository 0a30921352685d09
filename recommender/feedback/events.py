"""Events: what people do with items and lists, stored once each, and never for customers who opted out."""

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
from recommender.feedback.signing_in import lets_everybody_in
from recommender.models import Event, ServedList
from recommender.source import (
    check_customer,
    check_item_exists,
    check_length,
    customer_key_of,
    customer_of_request,
    get_source,
    is_learnable,
    is_storable,
    items_of_scope,
    listed_key,
    scope_of_request,
    settled_scope,
)
from recommender.words import Words

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
    scope: Any = None,
) -> tuple[Event | None, bool]:
    """The stored event and whether it is new: an event id that its sender repeats changes nothing.

    sender : the owner of the event id, `visits.sender_of`.   visitors : ids of the sender, `visits.visitor_ids_of`;
    None for a trusted caller: the site itself, or an API key.
    scope : where the source has scopes, that of the item and the person; a customer's own unless one is named.
    time : when it happened; now unless given, and always now for a visitor, whose clock proves nothing.

    (None, False) for a customer who opted out. RecommendationError for an unknown customer or item, EventChanged for
    an event id that comes again with other content. An event belongs to its list only where the list is on record,
    held the item, was shown to this person, and has no event of this kind and item yet.
    """
    if customer is None and visitors is not None:
        time = None
    scope = settled_scope(scope, customer)
    if customer is not None and not check_customer(customer, scope):
        return None, False
    item = listed_key(item)
    served_list = _list_shown_to(customer, visitors, recommendation_id, item, scope)
    event = Event(
        kind=kind,
        item=item,
        customer=customer or "",
        session=session,
        sender=sender,
        event_id=event_id,
        recommendation=served_list,
        value=value,
        time=time or timezone.now(),
    )
    stored = _stored(event)
    if stored is not None:
        _check_unchanged(stored, event, ["time"] if time else [])
        return stored, False
    check_item_exists(item, scope)
    check_length("item", item)
    check_length("customer", event.customer)
    if served_list is not None and (_has_event(served_list, kind, item) or not _claim(served_list, visitors)):
        event.recommendation = None
    event.full_clean(validate_unique=False, validate_constraints=False)
    return _save(event)


def record_request_event(request: HttpRequest, kind: Event.Kind, item: str, list_id: str | None = None) -> None:
    """Record what the sender of this request did with an item, in events and in a visitor's session.

    list_id : the id of the list that led here, as the page's address says it. A view is then a click on that list, once
    however often the page is loaded. An unknown item and a customer who opted out are ignored: the page is shown
    anyway.
    """
    scope = scope_of_request(request)
    customer, item = customer_of_request(request, scope), listed_key(item)
    session, visitors = visits.session_key_of(request), visits.visitor_ids_of(request)
    served_list = _list_shown_to(customer, visitors, _uuid(list_id), item, scope)
    if served_list is not None and kind == Event.Kind.VIEW:
        kind = Event.Kind.CLICK
        if _has_event(served_list, kind, item):
            return
    try:
        event, _ = record_event(
            kind=kind,
            item=item,
            customer=customer,
            session=session,
            visitors=visitors,
            recommendation_id=None if served_list is None else served_list.pk,
            scope=scope,
        )
    except RecommendationError as error:
        log.info("event_not_recorded", kind=kind, field=error.field)  # not the item: it may be any text
        return
    if event is not None and customer is None:
        visits.remember_view(request, item)


@lets_everybody_in
def assign_visit(user: Any, request: HttpRequest | None = None, **kwargs: object) -> None:
    """Receiver of `user_logged_in`, which signing up sends, too: the visitor's recent events become the customer's,
    unless the customer opted out."""
    session = visits.leave_visit(request)
    if not session:
        return
    scope = scope_of_request(request)
    customer = customer_key_of(user, scope)
    if customer is not None and is_storable(customer) and is_learnable(customer):
        since = timezone.now() - visits.VIEW_WINDOW
        events = Event.objects.filter(session=session, customer="", time__gte=since)
        if get_source().item_scope:  # of those in other scopes the customer is another
            events = events.filter(item__in=items_of_scope(set(events.values_list("item", flat=True)), scope))
        events.update(customer=customer)


def views_of_customer(customer: str) -> QuerySet[Any, Any]:
    """The items that a customer looked at, the latest first: rows of `item`, `last` (when) and `times`."""
    views = Event.objects.filter(customer=customer, kind__in=Event.VIEWED).order_by()
    return views.values("item").annotate(last=Max("time"), times=Count("pk")).order_by("-last", "item")


def forget_views(request: HttpRequest, item: str) -> int:
    """Erase the views of an item by the sender of this request; back comes their number. RecommendationError where the
    source has scopes and the request is of none."""
    scope = settled_scope(scope_of_request(request))
    customer, item = customer_of_request(request, scope), listed_key(item)
    session = visits.session_key_of(request)
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


def _list_shown_to(
    customer: str | None,
    visitors: Collection[str] | None,
    list_id: uuid.UUID | None,
    item: str,
    scope: str | None,
) -> ServedList | None:
    """The list, if it is on record, held the item and was not shown to another person, who passed on the link, or in
    another scope."""
    served_list = served_lists.find(list_id) if list_id else None
    if served_list is None or item not in served_list.items or served_list.scope != (scope or ""):
        return None
    if served_list.customer:
        return served_list if served_list.customer == customer else None
    if served_list.visitor and visitors is not None and served_list.visitor not in visitors:
        return None
    return served_list


def _claim(served_list: ServedList, visitors: Collection[str] | None) -> bool:
    """Give a list without a visitor to the first visitor who clicks on it. Returns whether it is this one's."""
    if served_list.customer or served_list.visitor or not visitors:
        return True
    visitor = next(iter(visitors))
    row = ServedList.objects.filter(pk=served_list.pk)
    return bool(row.filter(visitor="").update(visitor=visitor)) or row.filter(visitor=visitor).exists()


def _has_event(served_list: ServedList, kind: str, item: str) -> bool:
    return Event.objects.filter(recommendation=served_list, kind=kind, item=item).exists()


def _stored(event: Event) -> Event | None:
    """The event that has this one's event id already."""
    if event.event_id is None:
        return None
    return Event.objects.filter(sender=event.sender, event_id=event.event_id).first()


def _save(event: Event) -> tuple[Event, bool]:
    """The stored event and whether it is this one. Another process may have stored it, or one like it of the same list,
    since we looked."""
    try:
        with transaction.atomic():
            event.save()
    except IntegrityError:
        stored = _stored(event)
        if stored is not None:
            return stored, False
        event.recommendation = None
        event.save()
    return event, True


def _check_unchanged(stored: Event, sent: Event, more_fields: list[str]) -> None:
    """EventChanged where an event id stands for two different events."""
    names = ["kind", "item", "customer", "value", *more_fields]
    if sent.recommendation is not None and not (
        stored.recommendation is None and _has_event(sent.recommendation, sent.kind, sent.item)
    ):
        names.append("recommendation_id")
    values = {name: (getattr(stored, name), getattr(sent, name)) for name in names}
    changed = {
        name: Words("stored as {before}, sent again as {now}.", before=_text(before), now=_text(now))
        for name, (before, now) in values.items()
        if before != now
    }
    if changed:
        raise EventChanged(changed)


def _text(value: object) -> str:
    if value in (None, ""):
        return Words("nothing")
    return repr(value) if isinstance(value, str) else str(value)
