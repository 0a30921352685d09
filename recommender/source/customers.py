"""Customers of the source: their keys, and whether they agree to personalisation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Exists, Model, OuterRef, QuerySet

from recommender.errors import RecommendationError
from recommender.source.declaration import RecommenderSource, get_source
from recommender.source.keys import stored_value
from recommender.source.scopes import scope_text, within
from recommender.words import Words


def customer_key_of(user: Any, scope: Any = None) -> str | None:
    """The key of the customer who is signed in as this user; None for a visitor, a user who is no customer, and a row
    that is no auth user.

    scope : where customers have one, that in which the user is looked for; without it, a user who is a customer in
    several is none of them.
    """
    source = get_source()
    if user is None or source.user_lookup is None or not may_be_user(user) or not user.is_authenticated:
        return None
    try:
        return _first_key(source, scope_text(scope), **{source.user_lookup: user.pk})
    except (ValueError, TypeError, OverflowError, ValidationError):  # no row, and a pk that is none of the model's
        return None


def customer_of_request(request: Any, scope: Any = None) -> str | None:
    """`customer_key_of` whoever sends a request; None where there is no request, or a site without authentication."""
    return customer_key_of(getattr(request, "user", None), scope)


def may_be_user(caller: Any) -> bool:
    """Whether the primary key of somebody who is signed in is that of an auth user: of a row of theirs, or of what a
    token says of one, as simplejwt's TokenUser. A row of another model, such as a device, has a key of its own."""
    return not isinstance(caller, Model) or isinstance(caller, get_user_model())


def caller_name(caller: Any) -> str:
    """What tells somebody who is signed in from everybody else, however they signed in."""
    return f"{'user' if may_be_user(caller) else caller._meta.label}:{caller.pk}"


def key_of_customer(customer: Any) -> str | None:
    """The key of an object of the customers' model; None for one who may get no list."""
    source = get_source()
    value = getattr(customer, source.customer_key, None)
    if source.customer_key in source.customers.query.annotations or "__" in source.customer_key:
        return _first_key(source, pk=customer.pk)
    return None if value is None else str(value)


def is_learnable(key: str, scope: str | None = None) -> bool | None:
    """Whether the customer of this key agrees to personalisation; None for an unknown customer, or one of another
    scope."""
    source = get_source()
    if not is_customer_key(key, source):
        return None
    found = within(with_consent(source), source.customer_scope, scope).filter(**{source.customer_key: key})
    # "anna" finds "Anna", too, where a database compares without case.
    rows = found.values_list(source.customer_key, "_learnable")
    return next((agrees for spelled, agrees in rows if str(spelled) == key), None)


def check_customer(key: str, scope: str | None = None) -> bool:
    """Whether the customer of this key agrees to personalisation. RecommendationError for an unknown customer, or one
    of another scope."""
    learnable = is_learnable(key, scope)
    if learnable is None:
        raise RecommendationError("customer", Words("There is no customer {key!r}.", key=key))
    return learnable


def settled_scope(scope: Any, customer: str | None = None) -> str | None:
    """The scope that something is of: the one named, else that of the customer (a key).

    RecommendationError where the source has scopes and neither says one, and where one is named and it has none: with
    nothing said, rows of all scopes would meet.
    """
    source, named = get_source(), scope_text(scope)
    if not source.item_scope:
        if named is not None:
            raise RecommendationError("scope", Words("There are no scopes here: the source names no item_scope."))
        return None
    if named is None and customer is not None and source.customer_scope and is_customer_key(customer, source):
        rows = source.everybody().filter(**{source.customer_key: customer})
        found = rows.values_list(source.customer_key, source.customer_scope)
        named = next((scope_text(theirs) for key, theirs in found if str(key) == customer), None)
    if named is None:
        raise RecommendationError("scope", Words("Say which scope it is of: items of several are here."))
    return named


def learnable_keys(keys: Collection[str], scope: str | None = None) -> set[str]:
    """The keys of those customers, of a scope if one is named, who exist and agree to personalisation."""
    source = get_source()
    rows = (
        within(source.customers, source.customer_scope, scope).filter(**{f"{source.customer_key}__in": keys}).order_by()
    )
    return {str(key) for key in rows.values_list(source.customer_key, flat=True)}


def with_consent(source: RecommenderSource) -> QuerySet[Any]:
    """All customers who may get a list, with `_learnable`: whether they agree to personalisation."""
    return source.everybody().annotate(_learnable=Exists(source.customers.filter(pk=OuterRef("pk"))))


def _first_key(source: RecommenderSource, scope: str | None = None, **lookups: Any) -> str | None:
    """The key of the first such customer; where customers have scopes, of the only one, in this scope if one is
    named."""
    customers = source.everybody().filter(**lookups).order_by("pk")
    keys = within(customers, source.customer_scope, scope).values_list(source.customer_key, flat=True)
    if source.customer_scope is None:
        key = keys.first()
        return None if key is None else str(key)
    found = {str(key) for key in keys if key is not None}
    return found.pop() if len(found) == 1 else None


def is_customer_key(key: str, source: RecommenderSource) -> bool:
    """Whether the database takes the key in a query."""
    return stored_value(source.customer_field, key) is not None
