"""Customers of the source: their keys, and whether they agree to personalisation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, QuerySet

from recommender.errors import RecommendationError
from recommender.source.declaration import RecommenderSource, get_source
from recommender.words import Words


def customer_key_of(user: Any) -> str | None:
    """The key of the customer who is signed in as this user; None for a visitor, or a user who is no customer."""
    source = get_source()
    if user is None or not user.is_authenticated or source.user_lookup is None:
        return None
    try:
        return _first_key(source, **{source.user_lookup: user.pk})
    except (ValueError, TypeError, ValidationError):  # a user without a row, whose pk is none of the model's
        return None


def key_of_customer(customer: Any) -> str | None:
    """The key of an object of the customers' model; None for one who may get no list."""
    source = get_source()
    value = getattr(customer, source.customer_key, None)
    if source.customer_key in source.customers.query.annotations or "__" in source.customer_key:
        return _first_key(source, pk=customer.pk)
    return None if value is None else str(value)


def is_learnable(key: str) -> bool | None:
    """Whether the customer of this key agrees to personalisation; None for an unknown customer."""
    source = get_source()
    if not is_customer_key(key, source):
        return None
    # "anna" finds "Anna", too, where a database compares without case.
    found = with_consent(source).filter(**{source.customer_key: key}).values_list(source.customer_key, "_learnable")
    return next((agrees for spelled, agrees in found if str(spelled) == key), None)


def check_customer(key: str) -> bool:
    """Whether the customer of this key agrees to personalisation. RecommendationError for an unknown customer."""
    learnable = is_learnable(key)
    if learnable is None:
        raise RecommendationError("customer", Words("There is no customer {key!r}.", key=key))
    return learnable


def learnable_keys(keys: Collection[str]) -> set[str]:
    """The keys of those customers who exist and agree to personalisation."""
    source = get_source()
    rows = source.customers.filter(**{f"{source.customer_key}__in": keys}).order_by()
    return {str(key) for key in rows.values_list(source.customer_key, flat=True)}


def with_consent(source: RecommenderSource) -> QuerySet[Any]:
    """All customers who may get a list, with `_learnable`: whether they agree to personalisation."""
    return source.everybody().annotate(_learnable=Exists(source.customers.filter(pk=OuterRef("pk"))))


def _first_key(source: RecommenderSource, **lookups: Any) -> str | None:
    key = source.everybody().filter(**lookups).order_by("pk").values_list(source.customer_key, flat=True).first()
    return None if key is None else str(key)


def is_customer_key(key: str, source: RecommenderSource) -> bool:
    """Whether the database takes the key in a query: NUL and halves of surrogate pairs are in no row, nor is a word
    among numbers."""
    field = source.customer_field
    try:
        value = field.to_python(key)
        if isinstance(value, int):  # of which a column holds so many digits
            field.run_validators(value)
    except ValidationError:
        return False
    if str(value) != key:  # "007" and " 7" are other keys than "7", whatever number is read from them
        return False
    return "\x00" not in key and key == key.encode(errors="ignore").decode()
