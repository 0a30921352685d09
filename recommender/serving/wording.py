"""Reasons in words, and the site's own objects behind the keys of a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import F
from django.utils.translation import gettext, gettext_noop

from recommender.serving.answer import Reason
from recommender.source import RecommenderSource, listed_key, target_of, within

WORDS = {
    "because_you_bought": gettext_noop("Because you bought {}"),
    "because_you_viewed": gettext_noop("Because you looked at {}"),
    "because_in_your_cart": gettext_noop("Goes with {} in your cart"),
    "because_of_your_profile": gettext_noop("Because of your {}"),
    "because_you_often_buy": gettext_noop("You often buy {}"),
}


def items_by_key(source: RecommenderSource, keys: Iterable[str], scope: str | None = None) -> dict[str, Any]:
    """The site's own objects, those of a scope if one is named; for the key of a variant that is not among `items`, its
    parent."""
    wanted = list(dict.fromkeys(keys))
    found = _items_of(source, wanted, scope)
    if source.item_group:
        parent_of = {key: listed_key(key) for key in wanted if key not in found}
        parents = _items_of(source, list(parent_of.values()), scope)
        found |= {key: parents[parent] for key, parent in parent_of.items() if parent in parents}
    return found


def sentence(source: RecommenderSource, reason: Reason, named: dict[str, Any]) -> str:
    """A reason in the reader's language; "" where the item it speaks of is gone."""
    about = named.get(reason.item) if reason.item else _label(source, reason) or field_name(source, reason.field or "")
    return gettext(WORDS[reason.kind]).format(about) if about else ""


def _label(source: RecommenderSource, reason: Reason) -> str | None:
    """A value of an item as its field's `choices` call it."""
    if reason.value is None or reason.field is None:
        return None
    choices = target_of(source.items, reason.field).field.flatchoices
    return next((str(label) for key, label in choices if str(key) == reason.value), reason.value)


def field_name(source: RecommenderSource, name: str) -> str:
    try:
        field = source.customers.model._meta.get_field(name)
    except FieldDoesNotExist:
        return name.replace("_", " ")
    return str(getattr(field, "verbose_name", name))


def _items_of(source: RecommenderSource, keys: list[str], scope: str | None) -> dict[str, Any]:
    items = within(source.items, source.item_scope, scope)
    rows = items.filter(**{f"{source.item_key}__in": keys}).annotate(_key=F(source.item_key))
    return {str(row._key): row for row in rows}
