"""Reasons in words, and the site's own objects behind the keys of a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import F
from django.utils.translation import gettext, gettext_noop

from recommender.serving.answer import Reason
from recommender.source import RecommenderSource

WORDS = {
    "because_you_bought": gettext_noop("Because you bought {}"),
    "because_you_viewed": gettext_noop("Because you looked at {}"),
    "because_in_your_cart": gettext_noop("Goes with {} in your cart"),
    "because_of_your_profile": gettext_noop("Because of your {}"),
    "because_you_often_buy": gettext_noop("You often buy {}"),
}


def items_by_key(source: RecommenderSource, keys: Iterable[str]) -> dict[str, Any]:
    rows = source.items.filter(**{f"{source.item_key}__in": list(dict.fromkeys(keys))}).annotate(
        _key=F(source.item_key)
    )
    return {str(row._key): row for row in rows}


def sentence(source: RecommenderSource, reason: Reason, named: dict[str, Any]) -> str:
    """A reason in the reader's language; "" where the item it speaks of is gone."""
    about = named.get(reason.item) if reason.item else reason.value or field_name(source, reason.field or "")
    return gettext(WORDS[reason.kind]).format(about) if about else ""


def field_name(source: RecommenderSource, name: str) -> str:
    try:
        field = source.customers.model._meta.get_field(name)
    except FieldDoesNotExist:
        return name.replace("_", " ")
    return str(getattr(field, "verbose_name", name))
