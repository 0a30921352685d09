"""Lists and ratings on pages: `{% load recommendations %}`.

    {% recommendations customer=customer.key count=8 scenario="home" title="For you" %}
    {% popular_items count=8 %}
    {% trending_items count=8 %}
    {% recently_viewed customer=customer.key count=8 %}
    {% similar_items item=product.key count=6 %}
    {% bought_together item=product.key count=4 %}
    {% also_viewed item=product.key count=4 %}
    {% goes_with_cart items=keys customer=customer.key count=4 %}
    {% predicted_rating customer=customer.key item=product.key as rating %}
    {% remember_view item=product.key %}

A list renders recommender/list.html, and each item of it recommender/card.html, which a site overrides with a card of
its own: it gets the item itself as `item`, `rating` (predicted, or None), `reasons` (sentences), `recommendation_id`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import template
from django.core.exceptions import FieldDoesNotExist

from recommender import recommendations as door
from recommender import serving, visits
from recommender.errors import RecommendationError
from recommender.events import record_view
from recommender.lists import POPULAR, Reason, RecommendationList
from recommender.source import RecommenderSource, get_source

register = template.Library()

# What a list of popular items says of itself, so that nobody takes it for their own.
ABOUT_POPULAR = {
    "no_model": "What most people buy. Lists of your own come as soon as the shop has learned from its purchases.",
    "opted_out": "What most people buy: personalisation is off.",
}
ABOUT_OTHERS = "What most people buy."
WORDS = {
    "because_you_bought": "Because you bought {}",
    "because_you_viewed": "Because you looked at {}",
    "because_in_your_cart": "Goes with {} in your cart",
    "because_of_your_profile": "Because of your {}",
}


@dataclass(frozen=True)
class Card:
    """One listed item as a template sees it."""

    item: Any
    rating: float | None
    reasons: list[str]


@register.inclusion_tag("recommender/list.html", takes_context=True)
def recommendations(
    context: template.Context,
    *,
    customer: object = None,
    count: int = 10,
    scenario: str = "home",
    title: str = "For you",
) -> dict[str, Any]:
    """A customer's list; with no customer, one from what this visitor looked at, or what is popular."""
    key = key_of(customer)
    looked_at = () if key else visits.viewed(context.get("request"))
    answer = door.recommend(customer=key, session_items=looked_at, count=count, scenario=scenario)
    about = ABOUT_POPULAR.get(answer.fallback_reason or "", ABOUT_OTHERS) if answer.source == POPULAR else ""
    return page(context, answer, title, about, empty="There is nothing to recommend yet.")


@register.inclusion_tag("recommender/list.html", takes_context=True)
def popular_items(
    context: template.Context, *, count: int = 10, scenario: str = "popular", title: str = "Popular"
) -> dict[str, Any]:
    return page(context, door.popular(count, scenario=scenario), title, about=ABOUT_OTHERS, empty="")


@register.inclusion_tag("recommender/list.html", takes_context=True)
def trending_items(
    context: template.Context, *, count: int = 10, scenario: str = "trending", title: str = "Trending"
) -> dict[str, Any]:
    """What sells more than it used to; what is popular, and says so, where nothing does."""
    answer = door.trending(count, scenario=scenario)
    return page(context, answer, title, about=ABOUT_OTHERS if answer.source == POPULAR else "", empty="")


@register.inclusion_tag("recommender/list.html", takes_context=True)
def recently_viewed(
    context: template.Context, *, customer: object = None, count: int = 10, title: str = "Recently viewed"
) -> dict[str, Any]:
    """What the customer, or this visitor, looked at within a day; nothing where that is nothing."""
    looked_at = visits.viewed(context.get("request"))
    return page(context, door.recently_viewed(looked_at, count, customer=key_of(customer)), title, about="", empty="")


@register.inclusion_tag("recommender/list.html", takes_context=True)
def similar_items(context: template.Context, *, item: object, count: int = 6, title: str = "Similar") -> dict[str, Any]:
    return item_list(context, door.similar, item, count, title)


@register.inclusion_tag("recommender/list.html", takes_context=True)
def bought_together(
    context: template.Context, *, item: object, count: int = 4, title: str = "Often bought together"
) -> dict[str, Any]:
    """What buyers of the item buy, too; nothing where that is not known, for similar items are another list."""
    return item_list(context, door.co_purchased, item, count, title)


@register.inclusion_tag("recommender/list.html", takes_context=True)
def also_viewed(
    context: template.Context, *, item: object, count: int = 4, title: str = "Others also looked at"
) -> dict[str, Any]:
    """What viewers of the item look at, too; nothing where that is not known."""
    return item_list(context, door.co_viewed, item, count, title)


@register.inclusion_tag("recommender/list.html", takes_context=True)
def goes_with_cart(
    context: template.Context,
    *,
    items: Iterable[object],
    customer: object = None,
    count: int = 4,
    title: str = "Goes with your cart",
) -> dict[str, Any]:
    """What suits what is in a cart (keys, the latest last) and whoever fills it; nothing for an empty cart."""
    inside = [str(item) for item in items]
    if not inside:
        return {"cards": [], "empty": ""}
    return page(context, door.cart(inside, count, customer=key_of(customer)), title, about="", empty="")


@register.simple_tag
def predicted_rating(*, item: object, customer: object = None) -> float | None:
    """The rating, 0 to 5, that the customer would give the item; None where it, or any rating at all, is missing."""
    if not serving.catalog().has_ratings:
        return None
    try:
        return door.predict_rating(customer=key_of(customer), item=str(item)).rating
    except RecommendationError:
        return None


@register.simple_tag(takes_context=True)
def remember_view(context: template.Context, *, item: object) -> str:
    """Note that whoever sees this page looks at an item: their next list starts from it. Shows nothing."""
    request = context.get("request")
    if request is not None:
        record_view(request, str(item))
    return ""


# --- within -----------------------------------------------------------------------------------------------------------


def key_of(customer: object) -> str | None:
    """A key as the door takes it: templates give numbers, where keys are primary keys, and "" for nobody."""
    return None if customer is None or customer == "" else str(customer)


def item_list(context: template.Context, made_by: Any, item: object, count: int, title: str) -> dict[str, Any]:
    """A list under a product: left out where there is nothing to show, for the page is about something else."""
    try:
        return page(context, made_by(str(item), count), title, about="", empty="")
    except RecommendationError:
        return {"cards": [], "empty": ""}


def page(context: template.Context, answer: RecommendationList, title: str, about: str, empty: str) -> dict[str, Any]:
    """What list.html needs, beside everything the page itself has: the cards are the site's own."""
    source = get_source()
    reasons = [reason for listed in answer.items for reason in listed.reasons]
    named = items_by_key(source, [*(i.item for i in answer.items), *(r.item for r in reasons if r.item)])
    cards = [
        Card(named[listed.item], listed.rating, [s for r in listed.reasons if (s := sentence(source, r, named))])
        for listed in answer.items
        if listed.item in named
    ]
    own = {
        "title": title,
        "about": about,
        "empty": empty,
        "cards": cards,
        "recommendation_id": answer.recommendation_id,
    }
    return {str(name): value for name, value in context.flatten().items()} | own


def items_by_key(source: RecommenderSource, keys: Iterable[str]) -> dict[str, Any]:
    rows = source.items.filter(**{f"{source.item_key}__in": list(dict.fromkeys(keys))})
    return {str(getattr(row, source.item_key)): row for row in rows}


def sentence(source: RecommenderSource, reason: Reason, named: dict[str, Any]) -> str:
    """A reason in words; "" where the item it speaks of is gone."""
    about = named.get(reason.item) if reason.item else field_name(source, reason.field or "")
    return WORDS[reason.kind].format(about) if about else ""


def field_name(source: RecommenderSource, name: str) -> str:
    try:
        field = source.customers.model._meta.get_field(name)
    except FieldDoesNotExist:
        return name.replace("_", " ")
    return str(getattr(field, "verbose_name", name))
