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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import template
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.utils.http import urlencode

from recommender import feedback, serving
from recommender.errors import RecommendationError
from recommender.feedback import record_request_event
from recommender.models import POPULAR, Event
from recommender.serving import RecommendationList, items_by_key, sentence
from recommender.source import customer_key_of, get_source, is_learnable

register = template.Library()


@dataclass(frozen=True)
class Card:
    """One listed item as a template sees it. list_is : what the page that says why needs to know of the list."""

    item: Any
    rating: float | None
    reasons: list[str]
    key: str
    list_is: str


MISSING = object()
NOTHING: dict[str, Any] = {"cards": [], "empty": ""}


def list_tag(kind: serving.ListKind) -> Any:
    """The template tag of a kind of list: `{% similar_items item=product.key count=6 title="Like this" %}`.

    item, items : what the list is about, where its kind is about something.   without : an item that is not to be
    listed, such as the one that the page itself is about.   title : {} in that of `because_you_bought` stands for what
    was bought.   A list about an item that does not exist, or about nothing, is left out.
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
        **whom: object,
    ) -> dict[str, Any]:
        key = whose(kind.tag, whom)
        for name, given, taken in (("item", item, kind.takes == "item"), ("items", items, kind.is_cart)):
            if (given is MISSING) is taken:
                raise template.TemplateSyntaxError(f"{kind.tag} takes {'' if taken else 'no '}{name}=.")
        about: Any = None
        if kind.takes == "item":
            about = str(item)
        elif kind.is_cart:
            about = [str(inside) for inside in items]
        elif kind.takes == "session_items" and not (key and kind.personal):
            about = feedback.views_of_visitor(context.get("request"))
        if (kind.is_cart and not about) or (kind.takes == "customer" and key is None):
            return NOTHING
        above = [] if kind.repeats_above else shown(context)
        left_out = [*above, *not_wanted(context), *([] if without is None else [str(without)])]
        who = {"customer": key, "visitor": "" if key else visitor_here(context)}
        try:
            answer = serving.make_list(
                kind.name, about, count, stand_in=kind.stands_in, exclude=left_out, scenario=scenario, **who
            )
        except RecommendationError:
            if kind.takes != "item":
                raise
            return NOTHING  # the page is about something else
        of = [str(item)] if kind.takes == "item" else list(about) if kind.is_cart else []
        return page(context, kind, answer, title, of)

    return tag


for _kind in serving.KINDS.values():
    register.inclusion_tag("recommender/list.html", takes_context=True, name=_kind.tag)(list_tag(_kind))


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
        record_request_event(request, Event.Kind.VIEW, str(item), list_id=request.GET.get("list"))
    return ""


@register.simple_tag(takes_context=True)
def list_for(context: template.Context, **whom: object) -> str:
    """What a cached fragment with lists has to be keyed by: it differs wherever somebody else's list could come up.

    By the customer, and whether they agree to personalisation; by what a visitor looked at; by what whoever sees the
    page dismissed; by the live version.
    """
    key, live = whose("list_for", whom), serving.live_model()
    who: object = ["visitor", *feedback.views_of_visitor(context.get("request"))]
    if key is not None:
        who = ["customer", key, is_learnable(key)]
    return json.dumps([live.version if live else None, who, not_wanted(context)])


# --- within -----------------------------------------------------------------------------------------------------------


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


def shown(context: template.Context) -> list[str]:
    """Keys of what lists further up on this page show."""
    return list(context.render_context.get("recommended") or ())


def not_wanted(context: template.Context) -> list[str]:
    """Keys of what whoever sees this page dismissed."""
    return feedback.dismissals_of_request(context.get("request"))


def visitor_here(context: template.Context) -> str:
    """Stands for the visit in which this page is read, begun now if need be; "" for who is signed in."""
    request = context.get("request")
    return "" if request is None else feedback.begin_visit(request)


def page(
    context: template.Context, kind: serving.ListKind, answer: RecommendationList, title: str, of: Sequence[str]
) -> dict[str, Any]:
    """What list.html needs, beside everything the page itself has: the cards are the site's own.

    of : the items that the list is about, for the page that says why.
    """
    source = get_source()
    popular = answer.source == POPULAR
    title = title or (kind.title_when_popular if popular and kind.title_when_popular else kind.title)
    reasons = [reason for listed in answer.items for reason in listed.reasons]
    named = items_by_key(source, [*(i.item for i in answer.items), *(r.item for r in reasons if r.item)])
    if "{}" in title:  # what every item is there for is said once, above them
        of = sorted({reason.item for reason in reasons if reason.item in named})
        if not of:
            return NOTHING
        title = title.format(*(named[item] for item in of))
        answer = replace(answer, items=tuple(replace(listed, reasons=()) for listed in answer.items))
    said = {"source": answer.source, "of": of, "scenario": kind.scenario if kind.is_cart else ""}
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
    if not kind.may_be_repeated:
        context.render_context["recommended"] = [*shown(context), *(listed.item for listed in answer.items)]
    own = {
        "title": title,
        "about": kind.about_popular(answer.fallback_reason) if popular else "",
        "empty": kind.empty,
        "cards": cards,
        "recommendation_id": answer.recommendation_id,
    }
    return {str(name): value for name, value in context.flatten().items()} | own
