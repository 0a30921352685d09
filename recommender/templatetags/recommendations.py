"""Lists and ratings on pages: `{% load recommendations %}`. docs/plugging_in.md shows them at work.

    {% recommendations for=customer count=8 scenario="home" %}
    {% because_you_bought for=customer count=6 %}
    {% popular_items for=customer count=8 %}
    {% trending_items for=customer count=8 %}
    {% recently_viewed for=customer count=8 %}
    {% similar_items item=product.key count=6 %}
    {% bought_together item=product.key count=4 %}
    {% also_viewed item=product.key count=4 %}
    {% goes_with_cart items=keys for=customer count=4 %}
    {% predicted_rating for=customer item=product.key as rating %}
    {% remember_view item=product.key %}
    {% list_for for=customer as whose %}{% cache 60 for_you whose %}...{% endcache %}

`for` is a customer of yours, a customer's key or a user; with nobody, the list is for this visitor. A list renders
recommender/list.html, and each item of it recommender/card.html, which a site overrides with a card of its own: it gets
the item itself as `item`, `rating` (predicted, or None), `reasons` (sentences), `recommendation_id`, and includes
recommender/card_actions.html: why this, and not interested.

On one page, a list of what might be wanted repeats nothing that such a list above it shows. No list shows what whoever
sees the page dismissed. No list is kept: where a site keeps fragments itself, `list_for` is what to key them by.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import template
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.utils.http import urlencode

from recommender import feedback, serving
from recommender.errors import RecommendationError
from recommender.feedback import record_by
from recommender.models import POPULAR, Event
from recommender.serving import CART, RecommendationList, items_by_key, sentence
from recommender.source import customer_key_of, get_source, may_be_learned_from

register = template.Library()

# What a list of popular items says of itself, so that nobody takes it for their own.
ABOUT_POPULAR = {
    "no_model": "What most people buy. Lists of your own come as soon as the shop has learned from its purchases.",
    "opted_out": "What most people buy: personalisation is off.",
}
ABOUT_OTHERS = "What most people buy."


@dataclass(frozen=True)
class Card:
    """One listed item as a template sees it. list_is : what the page that says why needs to know of the list."""

    item: Any
    rating: float | None
    reasons: list[str]
    key: str
    list_is: str


@register.inclusion_tag("recommender/list.html", takes_context=True)
def recommendations(
    context: template.Context, *, count: int = 10, scenario: str = "home", title: str = "", **whom: object
) -> dict[str, Any]:
    """A customer's list; with no customer, one from what this visitor looked at, or what is popular.

    With no title of yours, the list is called what it is: "For you", or "Popular now".
    """
    key = whose("recommendations", whom)
    looked_at = () if key else feedback.viewed_here(context.get("request"))
    unwanted = () if key else not_wanted(context)  # a customer's are read with the customer
    visitor = "" if key else visitor_here(context)
    answer = serving.recommend(
        customer=key, session_items=looked_at, count=count, scenario=scenario, exclude=unwanted, visitor=visitor
    )
    about = ABOUT_POPULAR.get(answer.fallback_reason or "", ABOUT_OTHERS) if answer.source == POPULAR else ""
    called = title or ("Popular now" if answer.source == POPULAR else "For you")
    return page(context, answer, called, about, empty="There is nothing to recommend yet.")


@register.inclusion_tag("recommender/list.html", takes_context=True)
def because_you_bought(
    context: template.Context, *, count: int = 6, title: str = "Because you bought {}", **whom: object
) -> dict[str, Any]:
    """Items like what the customer bought last; nothing for who bought nothing, opted out, or is not known.

    title : {} in it stands for what was bought.
    """
    key = whose("because_you_bought", whom)
    if key is None:
        return NOTHING
    answer = serving.because_you_bought(key, count, exclude=left_out(context))
    bought = {reason.item for listed in answer.items for reason in listed.reasons if reason.item}
    named = items_by_key(get_source(), bought)
    # What every item is there for is said once, above them.
    once = replace(answer, items=tuple(replace(listed, reasons=()) for listed in answer.items))
    if not named:
        return NOTHING
    return page(context, once, title.format(*named.values()), about="", empty="", of=sorted(named))


@register.inclusion_tag("recommender/list.html", takes_context=True)
def popular_items(
    context: template.Context, *, count: int = 10, scenario: str = "popular", title: str = "Popular", **whom: object
) -> dict[str, Any]:
    """What most people buy, without what the customer has already."""
    key = whose("popular_items", whom)
    visitor = "" if key else visitor_here(context)
    answer = serving.popular(count, customer=key, scenario=scenario, exclude=left_out(context), visitor=visitor)
    return page(context, answer, title, about=ABOUT_OTHERS, empty="")


@register.inclusion_tag("recommender/list.html", takes_context=True)
def trending_items(
    context: template.Context, *, count: int = 10, scenario: str = "trending", title: str = "Trending", **whom: object
) -> dict[str, Any]:
    """What sells more than it used to; what is popular, and says so, where nothing does."""
    key = whose("trending_items", whom)
    visitor = "" if key else visitor_here(context)
    answer = serving.trending(count, customer=key, scenario=scenario, exclude=left_out(context), visitor=visitor)
    return page(context, answer, title, about=ABOUT_OTHERS if answer.source == POPULAR else "", empty="")


@register.inclusion_tag("recommender/list.html", takes_context=True)
def recently_viewed(
    context: template.Context,
    *,
    without: object = None,
    count: int = 10,
    title: str = "Recently viewed",
    **whom: object,
) -> dict[str, Any]:
    """What the customer, or this visitor, looked at within a day; nothing where that is nothing.

    without : the item that the page itself is about.
    """
    key, looked_at = whose("recently_viewed", whom), feedback.viewed_here(context.get("request"))
    unwanted = [*not_wanted(context), *([] if without is None else [str(without)])]
    visitor = "" if key else visitor_here(context)
    answer = serving.recently_viewed(looked_at, count, customer=key, exclude=unwanted, visitor=visitor)
    return page(context, answer, title, about="", empty="", repeats=True)


@register.inclusion_tag("recommender/list.html", takes_context=True)
def similar_items(context: template.Context, *, item: object, count: int = 6, title: str = "Similar") -> dict[str, Any]:
    return item_list(context, serving.similar, item, count, title, exclude=left_out(context))


@register.inclusion_tag("recommender/list.html", takes_context=True)
def bought_together(
    context: template.Context, *, item: object, count: int = 4, title: str = "Often bought together"
) -> dict[str, Any]:
    """What buyers of the item buy, too; nothing where that is not known, for similar items are another list."""
    return item_list(context, serving.co_purchased, item, count, title, exclude=not_wanted(context))


@register.inclusion_tag("recommender/list.html", takes_context=True)
def also_viewed(
    context: template.Context, *, item: object, count: int = 4, title: str = "Others also looked at"
) -> dict[str, Any]:
    """What viewers of the item look at, too; nothing where that is not known."""
    return item_list(context, serving.co_viewed, item, count, title, exclude=not_wanted(context))


@register.inclusion_tag("recommender/list.html", takes_context=True)
def goes_with_cart(
    context: template.Context,
    *,
    items: Iterable[object],
    count: int = 4,
    title: str = "Goes with your cart",
    **whom: object,
) -> dict[str, Any]:
    """What suits what is in a cart (keys, the latest last) and whoever fills it; nothing for an empty cart."""
    key, inside = whose("goes_with_cart", whom), [str(item) for item in items]
    if not inside:
        return NOTHING
    visitor = "" if key else visitor_here(context)
    answer = serving.cart(inside, count, customer=key, exclude=not_wanted(context), visitor=visitor)
    return page(context, answer, title, about="", empty="", of=inside, scenario=CART)


@register.simple_tag
def predicted_rating(*, item: object, **whom: object) -> float | None:
    """The rating, 0 to 5, that the customer would give the item; None where none can be predicted."""
    key = whose("predicted_rating", whom)
    try:
        return serving.predict_rating(customer=key, item=str(item)).rating
    except RecommendationError:
        return None


@register.simple_tag(takes_context=True)
def remember_view(context: template.Context, *, item: object) -> str:
    """Note that whoever sees this page looks at an item: their next list starts from it. Shows nothing."""
    request = context.get("request")
    if request is not None:
        record_by(request, Event.Kind.VIEW, str(item), led_by=request.GET.get("list"))
    return ""


@register.simple_tag(takes_context=True)
def list_for(context: template.Context, **whom: object) -> str:
    """What a cached fragment with lists has to be keyed by: it differs wherever somebody else's list could come up.

    By the customer, and whether they agree to personalisation; by what a visitor looked at; by what whoever sees the
    page dismissed; by the live version.
    """
    key, live = whose("list_for", whom), serving.live_model()
    who: object = ["visitor", *feedback.viewed_here(context.get("request"))]
    if key is not None:
        who = ["customer", key, may_be_learned_from(key)]
    return json.dumps([live.version if live else None, who, not_wanted(context)])


# --- within -----------------------------------------------------------------------------------------------------------


NOTHING: dict[str, Any] = {"cards": [], "empty": ""}


def whose(tag: str, whom: dict[str, object]) -> str | None:
    """The key of the customer that a tag's `for=` names, a word that Python keeps for itself; None for nobody."""
    unknown = set(whom) - {"for"}
    if unknown:
        raise template.TemplateSyntaxError(f"{tag} takes for=, and no {' or '.join(sorted(unknown))}=.")
    customer, source = whom.get("for"), get_source()
    if isinstance(customer, source.customers.model):
        return str(getattr(customer, source.customer_key))
    if isinstance(customer, AbstractBaseUser | AnonymousUser):
        return customer_key_of(customer)
    # Templates give numbers, where keys are primary keys, and "" for what they do not know.
    return None if customer in (None, "") else str(customer)


def item_list(
    context: template.Context, made_by: Any, item: object, count: int, title: str, **options: Any
) -> dict[str, Any]:
    """A list under a product: left out where there is nothing to show, for the page is about something else."""
    try:
        answer = made_by(str(item), count, visitor=visitor_here(context), **options)
        return page(context, answer, title, about="", empty="", of=[str(item)])
    except RecommendationError:
        return NOTHING


def shown(context: template.Context) -> list[str]:
    """Keys of what lists further up on this page show."""
    return list(context.render_context.get("recommended") or ())


def not_wanted(context: template.Context) -> list[str]:
    """Keys of what whoever sees this page dismissed."""
    return feedback.dismissed_here(context.get("request"))


def visitor_here(context: template.Context) -> str:
    """Stands for the visit in which this page is read, begun now if need be; "" for who is signed in."""
    request = context.get("request")
    return "" if request is None else feedback.begin_visit(request)


def left_out(context: template.Context) -> list[str]:
    return [*shown(context), *not_wanted(context)]


def page(
    context: template.Context,
    answer: RecommendationList,
    title: str,
    about: str,
    empty: str,
    repeats: bool = False,
    of: Sequence[str] = (),
    scenario: str = "",
) -> dict[str, Any]:
    """What list.html needs, beside everything the page itself has: the cards are the site's own.

    of, scenario : the items that the list is about, and how, for the page that says why.
    repeats : whether lists further down may show these items again.
    """
    source = get_source()
    reasons = [reason for listed in answer.items for reason in listed.reasons]
    named = items_by_key(source, [*(i.item for i in answer.items), *(r.item for r in reasons if r.item)])
    said = {"source": answer.source, "of": of, "scenario": scenario}
    list_is = urlencode({name: value for name, value in said.items() if value}, doseq=True)
    cards = [
        Card(
            named[listed.item],
            listed.rating,
            [s for r in listed.reasons if (s := sentence(source, r, named))],
            listed.item,
            list_is,
        )
        for listed in answer.items
        if listed.item in named
    ]
    if not repeats:
        context.render_context["recommended"] = [*shown(context), *(listed.item for listed in answer.items)]
    own = {
        "title": title,
        "about": about,
        "empty": empty,
        "cards": cards,
        "recommendation_id": answer.recommendation_id,
    }
    return {str(name): value for name, value in context.flatten().items()} | own
