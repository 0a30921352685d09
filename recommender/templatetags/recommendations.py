"""Lists and ratings on pages: `{% load recommendations %}`. docs/plugging_in.md shows them at work.

    {% recommendations for=customer count=8 scenario="home" %}
    {% because_you_bought for=customer count=6 %}
    {% buy_again for=customer count=6 %}
    {% popular_items for=customer count=8 %}
    {% trending_items for=customer count=8 %}
    {% recently_viewed for=customer count=8 %}
    {% similar_items item=product.key count=6 %}
    {% bought_together item=product.key count=4 %}
    {% also_viewed item=product.key count=4 %}
    {% goes_with_cart items=keys for=customer count=4 %}
    {% predicted_rating for=customer item=product.key as rating %}
    {% remember_view item=product.key %}
    {% list_for for=customer as reader %}{% cache 60 for_you reader %}...{% endcache %}

`for` is a customer of yours, a customer's key or a user; with nobody, the list is for this visitor; without `for`, for
whoever is signed in. An item is named by its key, or is one of your objects. A list renders
recommender/list.html, and each item of it recommender/card.html, which a site overrides with a card of its own: it gets
the item itself as `item`, `rating` (predicted, or None), `reasons` (sentences), `recommendation_id`, and includes
recommender/card_actions.html: why this, and not interested.

On one page, a list repeats no item of a list above it, where its kind says so. No list shows what the reader dismissed.
No list is cached: a site that caches fragments itself takes `list_for` as their key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from django import template
from django.db.models import Model
from django.utils.http import urlencode
from django.utils.translation import get_language, gettext

from recommender import feedback, serving
from recommender.errors import RecommendationError
from recommender.feedback import record_request_event
from recommender.models import POPULAR, Event
from recommender.serving import RecommendationList, items_by_key, sentence
from recommender.source import (
    customer_key_of,
    customer_of_request,
    get_source,
    is_learnable,
    key_of_customer,
    key_of_item,
    scope_of_request,
)

log = structlog.get_logger("recommender.templatetags")
register = template.Library()


MISSING = object()
EMPTY_LIST: dict[str, Any] = {"cards": [], "empty": ""}


@dataclass(frozen=True)
class Card:
    """One listed item as a template sees it. list_query : what the page that says why gets to know of the list."""

    item: Any
    rating: float | None
    reasons: list[str]
    key: str
    list_query: str


def list_tag(kind: serving.ListKind) -> Any:
    """The template tag of a kind of list: `{% similar_items item=product.key count=6 title="Like this" %}`.

    item, items : what the list is about, where its kind is about something.   without : the key of an item that is not
    listed, such as the one that the page is about.   filter : field -> allowed values, or the one, as in the API.
    scope : the site, tenant or market, where the source names them: that of the page's request unless it is said here.
    title : {} in that of `because_you_bought` stands for what was bought.

    A list about an item that does not exist, or about nothing, is left out.
    """

    def tag(
        context: template.Context,
        *,
        item: object = MISSING,
        items: Any = MISSING,
        without: object = None,
        count: int = kind.page_count,
        scenario: str = kind.scenario or kind.name,
        title: str = "",
        filter: Any = None,
        scope: Any = None,
        **arguments: object,
    ) -> dict[str, Any]:
        scope = scope_of_request(context.get("request"), scope)
        customer = customer_argument(context, kind.tag, arguments, scope)
        takes_item = kind.takes == "item"
        for name, value, is_taken in (("item", item, takes_item), ("items", items, kind.is_cart)):
            if (value is MISSING) is is_taken:
                raise template.TemplateSyntaxError(f"{kind.tag} takes {'' if is_taken else 'no '}{name}=.")
        about: Any = None
        if takes_item:
            about = key_of_item(item)
        elif kind.is_cart:
            about = keys_argument(items)
            if not items_by_key(get_source(), about, scope):
                return EMPTY_LIST  # nothing goes with what is no item
        elif kind.takes == "session_items" and not (customer and kind.personal):
            about = feedback.views_of_visitor(context.get("request"))
        if kind.takes == "customer" and customer is None:
            return EMPTY_LIST
        above = [] if kind.repeats_above else listed_above(context)
        exclude = [*above, *dismissed_by_reader(context, scope), *([] if without is None else [key_of_item(without)])]
        try:
            answer = serving.make_list(
                kind.name,
                about,
                count,
                stand_in=kind.stands_in,
                customer=customer,
                visitor="" if customer else visitor_of(context),
                exclude=exclude,
                scenario=scenario,
                filter=filter_argument(filter),
                scope=scope,
            )
        except RecommendationError as error:
            if error.field == "scope":
                log.warning("list_without_scope", tag=kind.tag)
            elif not (takes_item and error.field == "item"):
                raise
            return EMPTY_LIST  # the item does not exist, or nobody says of which scope the page is
        return list_context(context, kind, answer, title, [about] if takes_item else about if kind.is_cart else [])

    return tag


for _kind in serving.KINDS.values():
    register.inclusion_tag("recommender/list.html", takes_context=True, name=_kind.tag)(list_tag(_kind))


@register.simple_tag(takes_context=True)
def predicted_rating(
    context: template.Context, *, item: object, scope: Any = None, **arguments: object
) -> float | None:
    """The rating, 0 to 5, that the customer would give the item; None where none can be predicted."""
    scope = scope_of_request(context.get("request"), scope)
    customer = customer_argument(context, "predicted_rating", arguments, scope)
    try:
        return serving.predict_rating(customer=customer, item=key_of_item(item), scope=scope).rating
    except RecommendationError:
        return None


@register.simple_tag(takes_context=True)
def remember_view(context: template.Context, *, item: object) -> str:
    """Record that the reader of this page looks at an item, so that their next list starts from it. Shows nothing."""
    request = context.get("request")
    if request is not None:
        record_request_event(request, Event.Kind.VIEW, key_of_item(item), list_id=request.GET.get("list"))
    return ""


@register.simple_tag(takes_context=True)
def list_for(context: template.Context, *, scope: Any = None, **arguments: object) -> str:
    """The key of a cached fragment with lists: it differs wherever the lists may.

    It holds the customer, and whether they agree to personalisation, or what a visitor looked at; what the reader of
    the page dismissed; the live version; the language of the page; and the scope, where there are any.
    """
    scope = scope_of_request(context.get("request"), scope)
    customer, live = customer_argument(context, "list_for", arguments, scope), serving.live_model()
    reader: object = ["visitor", *feedback.views_of_visitor(context.get("request"))]
    if customer is not None:
        reader = ["customer", customer, is_learnable(customer, scope)]
    of_scope = [scope] if scope is not None else []
    page = [live.version if live else None, get_language(), *of_scope]
    return json.dumps([*page, reader, dismissed_by_reader(context, scope)])


def filter_argument(given: Any) -> dict[str, list[str]] | None:
    """A filter as the API takes it: a value may stand for a list of one, and be a number."""
    if not isinstance(given, Mapping):
        return given or None  # the request is checked where all are
    lists = {name: [values] if isinstance(values, str | int | float) else values for name, values in given.items()}
    return {name: [str(value) for value in values] for name, values in lists.items()}


def keys_argument(items: Any) -> list[str]:
    """The keys of the items that `items=` names: several, or one alone."""
    if items in (None, ""):
        return []
    one = isinstance(items, str | Model) or not isinstance(items, Iterable)
    return [key_of_item(item) for item in ([items] if one else items)]


def customer_argument(
    context: template.Context, tag: str, arguments: dict[str, object], scope: str | None = None
) -> str | None:
    """The key of the customer whom a tag's `for=` names, without it that of whoever is signed in; None for nobody.
    Python cannot name an argument `for`.

    scope : in which a user is looked for."""
    unknown = set(arguments) - {"for"}
    if unknown:
        raise template.TemplateSyntaxError(f"{tag} takes for=, and no {' or '.join(sorted(unknown))}=.")
    if "for" not in arguments:
        return customer_of_request(context.get("request"), scope)
    customer, source = arguments["for"], get_source()
    if isinstance(customer, source.customers.model):
        return key_of_customer(customer)
    if isinstance(customer, Model) or hasattr(customer, "is_authenticated"):
        return customer_key_of(customer, scope)
    # A template passes a number where keys are primary keys, and "" for a variable that does not exist.
    return None if customer in (None, "") else str(customer)


def listed_above(context: template.Context) -> list[str]:
    """Keys of the items in lists further up on this page."""
    return list(context.render_context.get("recommended") or ())


def dismissed_by_reader(context: template.Context, scope: str | None) -> list[str]:
    """Keys of the items that the reader of this page dismissed; in this scope, where there are any."""
    return feedback.dismissals_of_request(context.get("request"), scope)


def visitor_of(context: template.Context) -> str:
    """What tells the visit of this reader from others, begun now if need be; "" for a user who is signed in."""
    request = context.get("request")
    return "" if request is None else feedback.begin_visit(request)


def list_context(
    context: template.Context, kind: serving.ListKind, answer: RecommendationList, title: str, about: Sequence[str]
) -> dict[str, Any]:
    """What list.html gets: everything that the page has, for the cards are the site's own, and the list.

    about : keys of the items that the list is about, for the page that says why.
    """
    source = get_source()
    is_popular = answer.source == POPULAR
    title = title or kind.title_of(answer.source, answer.fallback_reason)
    reasons = [reason for listed in answer.items for reason in listed.reasons]
    items = items_by_key(source, [*(listed.item for listed in answer.items), *(r.item for r in reasons if r.item)])
    if "{}" in title:  # the title names the reason of every item, so the cards do not
        about = sorted({reason.item for reason in reasons if reason.item in items})
        if not about:
            return EMPTY_LIST
        title = title.format(*(items[item] for item in about))
        answer = replace(answer, items=tuple(replace(listed, reasons=()) for listed in answer.items))
    query = {"source": answer.source, "of": about, "scenario": kind.scenario if kind.is_cart else ""}
    list_query = urlencode({name: value for name, value in query.items() if value}, doseq=True)
    cards = []
    for listed in answer.items:
        if listed.item in items:
            sentences = [words for reason in listed.reasons if (words := sentence(source, reason, items))]
            cards.append(Card(items[listed.item], listed.rating, sentences, listed.item, list_query))
    if not kind.may_be_repeated:
        context.render_context["recommended"] = [*listed_above(context), *(listed.item for listed in answer.items)]
    list_values = {
        "title": title,
        "about": kind.about_popular(answer.fallback_reason) if is_popular else "",
        "empty": gettext(kind.empty) if kind.empty else "",
        "cards": cards,
        "recommendation_id": answer.recommendation_id,
    }
    return {str(name): value for name, value in context.flatten().items()} | list_values
