"""Items that people do not want to see: of customers in rows, of visitors in their session.

A dismissed item is in none of the person's lists until they undo it. No model learns from it, so it holds for customers
who opted out of personalisation, too.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from recommender.errors import RecommendationError
from recommender.feedback.signing_in import lets_everybody_in
from recommender.models import Dismissal
from recommender.source import (
    check_customer,
    check_item_exists,
    check_length,
    customer_key_of,
    customer_of_request,
    is_storable,
    items_of_scope,
    listed_key,
    scope_of_request,
    settled_scope,
)
from recommender.words import Words

MAX_IN_SESSION = 200  # every page reads the session
SESSION_KEY = "recommender_dismissed"


def dismiss(*, customer: str, item: str, scope: Any = None) -> Dismissal:
    """Leave an item out of a customer's lists from now on. RecommendationError for an unknown customer or item.

    scope : of both, where the source has scopes; the customer's unless one is named."""
    scope = _scope_of(scope, customer)
    check_customer(customer, scope)
    check_length("customer", customer)
    item = _listed(item, scope)
    return Dismissal.objects.get_or_create(customer=customer, item=item)[0]


def undo_dismissal(*, customer: str, item: str, scope: Any = None) -> bool:
    """Let the customer's lists hold an item again. Returns whether it was dismissed."""
    check_customer(customer, _scope_of(scope, customer))
    return bool(Dismissal.objects.filter(customer=customer, item=listed_key(item)).delete()[0])


def dismissals_of_customer(customer: str, scope: Any = None) -> list[str]:
    """Keys of the items that a customer dismissed, the latest first. RecommendationError for an unknown customer."""
    scope = _scope_of(scope, customer)
    check_customer(customer, scope)
    return items_of_scope(Dismissal.objects.filter(customer=customer).values_list("item", flat=True), scope)


# --- of the sender of a request: a customer or a visitor --------------------------------------------------------------


def dismiss_for_request(request: HttpRequest, item: str, scope: Any = None) -> None:
    """Leave an item out of the lists of the sender of this request: the customer, else this session.

    scope : of the request, unless it is said here. RecommendationError for an unknown item, for a program that names no
    customer, and where the source has scopes and nobody says one.
    """
    scope = settled_scope(scope_of_request(request, scope))
    customer = customer_of_request(request, scope)
    if customer is not None:
        dismiss(customer=customer, item=item, scope=scope)
        return
    _check_has_session(request)
    item = _listed(item, scope)
    others = [key for key in dismissals_in_session(request) if key != item]
    request.session[SESSION_KEY] = [*others, item][-MAX_IN_SESSION:]


def undo_dismissal_for_request(request: HttpRequest, item: str, scope: Any = None) -> bool:
    """Let the lists of the sender of this request hold an item again. Returns whether it was dismissed."""
    scope = settled_scope(scope_of_request(request, scope))
    customer = customer_of_request(request, scope)
    if customer is None:
        _check_has_session(request)
    before, item = dismissals_in_session(request), listed_key(item)
    if item in before:
        request.session[SESSION_KEY] = [key for key in before if key != item]
    was_theirs = customer is not None and undo_dismissal(customer=customer, item=item, scope=scope)
    return was_theirs or item in before


def dismissals_of_request(request: Any, scope: Any = None) -> list[str]:
    """Keys of the items that the sender of this request dismissed, the latest first. Read once a request.

    scope : of the request, unless it is said here; nothing where the source has scopes and nobody says one. Beside the
    customer's there may be some in the session: of the time before they signed in, which they did in another scope.
    """
    if request is None:
        return []
    try:
        scope = settled_scope(scope_of_request(request, scope))
    except RecommendationError:
        return []
    if not hasattr(request, "_recommender_dismissals"):
        request._recommender_dismissals = {}
    read: dict[str | None, list[str]] = request._recommender_dismissals
    if scope not in read:
        customer = customer_of_request(request, scope)
        theirs = [] if customer is None else dismissals_of_customer(customer, scope)
        read[scope] = list(dict.fromkeys([*theirs, *items_of_scope(dismissals_in_session(request)[::-1], scope)]))
    return list(read[scope])


def dismissals_in_session(request: Any) -> list[str]:
    """Keys of the items that a visitor dismissed, the latest last; nothing for a request with a token."""
    session = getattr(request, "session", None)
    if session is None or getattr(request, "auth", None) is not None:
        return []
    return list(session.get(SESSION_KEY, []))


@lets_everybody_in
def carry_over_dismissals(
    sender: object, request: HttpRequest | None, user: AbstractBaseUser, **kwargs: object
) -> None:
    """Receiver of `user_logged_in`: the visitor's dismissals become the customer's.

    Those of other scopes stay in the session, of which the customer there may be another."""
    items = dismissals_in_session(request)
    if request is None or not items:
        return
    scope = scope_of_request(request)
    customer = customer_key_of(user, scope)
    if customer is None or not is_storable(customer):
        return
    here = items_of_scope(items, scope)
    Dismissal.objects.bulk_create([Dismissal(customer=customer, item=item) for item in here], ignore_conflicts=True)
    elsewhere = [item for item in items if item not in here]
    if elsewhere:
        request.session[SESSION_KEY] = elsewhere
    else:
        del request.session[SESSION_KEY]


def _listed(item: str, scope: str | None) -> str:
    """The key that the item is listed by. RecommendationError for an unknown item, and for a key that is too
    long."""
    item = listed_key(item)
    check_item_exists(item, scope)
    check_length("item", item)
    return item


def _scope_of(scope: Any, customer: str) -> str | None:
    """The scope named, else the customer's. RecommendationError for a customer whom there is not."""
    try:
        return settled_scope(scope, customer)
    except RecommendationError:
        check_customer(customer)
        raise


def _check_has_session(request: Any) -> None:
    if getattr(request, "auth", None) is not None:  # a request with a token
        raise RecommendationError("customer", Words("Name the customer whose lists it is about."))
    if getattr(request, "session", None) is None:
        raise RecommendationError("customer", Words("Sign in: this site keeps no sessions of visitors."))
