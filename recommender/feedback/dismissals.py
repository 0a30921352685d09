"""What people do not want to be shown: customers say so on record, visitors to their own session.

An item that somebody dismissed is in none of their lists until they take it back. That is no judgement of taste that
anything learns from, so it holds for customers who opted out of personalisation, too.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from recommender.errors import RecommendationError
from recommender.models import Dismissal
from recommender.source import check_item_exists, customer_key_of, may_be_learned_from

KEPT = 200  # in a visitor's session, which is read with every page
_NAME = "recommender_dismissed"


def dismiss(*, customer: str, item: str) -> Dismissal:
    """Leave an item out of a customer's lists from now on; said again, it changes nothing.

    RecommendationError for an unknown customer or item.
    """
    _check_customer(customer)
    check_item_exists(item)
    return Dismissal.objects.get_or_create(customer=customer, item=item)[0]


def take_back(*, customer: str, item: str) -> bool:
    """Let the customer's lists hold an item again; whether it had been dismissed."""
    _check_customer(customer)
    return bool(Dismissal.objects.filter(customer=customer, item=item).delete()[0])


def dismissed_by(customer: str) -> list[str]:
    """Keys of what a customer dismissed, the latest first. RecommendationError for an unknown customer."""
    _check_customer(customer)
    return list(Dismissal.objects.filter(customer=customer).values_list("item", flat=True))


# --- whoever sends a request ------------------------------------------------------------------------------------------


def dismiss_here(request: HttpRequest, item: str) -> None:
    """Leave an item out of the lists of whoever sends this request: the customer, else this session.

    RecommendationError for an unknown item, and for another program that names no customer.
    """
    customer = customer_key_of(request.user)
    if customer is not None:
        dismiss(customer=customer, item=item)
        return
    _check_visit(request)
    check_item_exists(item)
    request.session[_NAME] = [*(key for key in dismissed_in_session(request) if key != item), item][-KEPT:]


def take_back_here(request: HttpRequest, item: str) -> bool:
    """Let the lists of whoever sends this request hold an item again; whether it had been dismissed."""
    customer = customer_key_of(request.user)
    if customer is not None:
        return take_back(customer=customer, item=item)
    _check_visit(request)
    before = dismissed_in_session(request)
    request.session[_NAME] = [key for key in before if key != item]
    return item in before


def dismissed_here(request: Any) -> list[str]:
    """Keys of what whoever sends this request dismissed, the latest first. Read once a request."""
    if request is None:
        return []
    if not hasattr(request, "_recommender_dismissed"):
        customer = customer_key_of(getattr(request, "user", None))
        found = dismissed_by(customer) if customer is not None else dismissed_in_session(request)[::-1]
        request._recommender_dismissed = found
    return list(request._recommender_dismissed)


def dismissed_in_session(request: Any) -> list[str]:
    """Keys of what a visitor dismissed, the latest last; nothing for those who come with a token."""
    session = getattr(request, "session", None)
    if session is None or getattr(request, "auth", None) is not None:
        return []
    return list(session.get(_NAME, []))


def carry_over_dismissals(
    sender: object, request: HttpRequest | None, user: AbstractBaseUser, **kwargs: object
) -> None:
    """A receiver of `user_logged_in`: what the visitor dismissed is the customer's from now on."""
    found = [] if request is None else dismissed_in_session(request)
    customer = customer_key_of(user) if found else None
    if request is None or customer is None:
        return
    Dismissal.objects.bulk_create([Dismissal(customer=customer, item=item) for item in found], ignore_conflicts=True)
    del request.session[_NAME]


# --- within -----------------------------------------------------------------------------------------------------------


def _check_visit(request: Any) -> None:
    """RecommendationError for who comes with a token and is no customer: they have no visit to remember anything."""
    if getattr(request, "auth", None) is not None:
        raise RecommendationError("customer", "Name the customer whose lists it is about.")


def _check_customer(customer: str) -> None:
    if may_be_learned_from(customer) is None:
        raise RecommendationError("customer", f"There is no customer {customer!r}.")
