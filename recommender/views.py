"""Pages about the lists themselves: why something is in one, and what somebody does not want to be shown.

Every one works without JavaScript; for htmx, a dismissed card makes way for a line that takes it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from recommender import feedback
from recommender.errors import RecommendationError
from recommender.feedback import forget_views
from recommender.models import TWO_TOWER
from recommender.serving import CART, KINDS, SOURCES, Explanation, items_by_key, sentence
from recommender.serving import why as reasons_for
from recommender.source import customer_key_of, get_source, item_exists

A_PAGE = 20
MOST_REASONS = 5
MOST_OF = 20  # items that a list is about


@require_safe
def why(request: HttpRequest, key: str) -> HttpResponse:
    """Why an item is in a list: what the list is (`source`, `of` which items), and what of the reader lifts it."""
    source = request.GET.get("source", TWO_TOWER)
    about = [item for item in request.GET.getlist("of")[:MOST_OF] if item_exists(item)]
    in_cart = request.GET.get("scenario") == CART
    personal = source == TWO_TOWER and (in_cart or not about)
    explained = Explanation((), None)
    try:
        if personal:
            explained = _explained(request, key, about)
        named = items_by_key(get_source(), [key, *about, *(r.item for r, _ in explained.evidence if r.item)])
    except RecommendationError as error:
        raise Http404(error.message) from None
    if key not in named or source not in SOURCES:
        raise Http404(f"There is no item {key!r}.")
    evidence = [
        {"reason": reason, "words": words, "share": share, "item": named.get(reason.item or "")}
        for reason, share in explained.evidence[:MOST_REASONS]
        if (words := sentence(get_source(), reason, named))
    ]
    back = _back(request, request.GET.get("next") or request.headers.get("Referer"))
    again = request.GET.copy()
    again["next"] = back
    context = {
        "key": key,
        "item": named[key],
        "because": because_of(source, [str(named[item]) for item in about if item in named]),
        "personal": personal,
        "evidence": evidence,
        "fallback_reason": explained.fallback_reason,
        "dismissed": key in feedback.dismissals_of_request(request),
        "more": max(len(explained.evidence) - MOST_REASONS, 0),
        "next": back,
        "here": f"{request.path}?{again.urlencode()}",  # for a form to come back to, and from here to where one was
    }
    return render(request, "recommender/why.html", context)


@require_safe
def dismissed(request: HttpRequest) -> HttpResponse:
    """What whoever reads this does not want to be shown, to be taken back."""
    page = Paginator(feedback.dismissals_of_request(request), A_PAGE).get_page(request.GET.get("page"))
    named = items_by_key(get_source(), page.object_list)
    rows = [(key, named.get(key)) for key in page.object_list]
    return render(request, "recommender/dismissed.html", {"page": page, "rows": rows})


@require_POST
def dismiss(request: HttpRequest, key: str) -> HttpResponse:
    """Not interested: the item is in none of this person's lists from now on."""
    try:
        feedback.dismiss_for_request(request, key)
    except RecommendationError as error:
        raise Http404(error.message) from None
    item = items_by_key(get_source(), [key]).get(key)
    back = _back(request, request.POST.get("next"))
    if request.headers.get("HX-Request"):
        return render(request, "recommender/dismissed_card.html", {"key": key, "item": item, "next": back})
    messages.success(request, f"{item} will not be shown to you again. You can take that back under Not interested.")
    return redirect(back)


@require_POST
def take_back(request: HttpRequest, key: str) -> HttpResponse:
    """Interested after all: lists may hold the item again. For htmx, the page is loaded anew with it."""
    if feedback.undo_dismissal_for_request(request, key):
        item = items_by_key(get_source(), [key]).get(key, key)
        messages.success(request, f"{item} may be shown to you again.")
    back = _back(request, request.POST.get("next"), otherwise=reverse("dismissed"))
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": back})
    return redirect(back)


@require_POST
def forget_view(request: HttpRequest, key: str) -> HttpResponse:
    """Erase that this person looked at an item: no list starts from it any more."""
    forget_views(request, key)
    messages.success(request, f"Forgotten that you looked at {items_by_key(get_source(), [key]).get(key, key)}.")
    return redirect(_back(request, request.POST.get("next")))


# --- within -----------------------------------------------------------------------------------------------------------


def because_of(source: str, about: Sequence[str]) -> str:
    """Why an item is in a list that is not personal, in a sentence."""
    kind = next(kind for kind in KINDS.values() if kind.source == source)
    return kind.why.format(", ".join(about))


def _explained(request: HttpRequest, key: str, in_cart: list[str]) -> Explanation:
    who: dict[str, Any] = {"customer": customer_key_of(request.user)}
    if in_cart:
        return reasons_for(key, **who, session_items=in_cart, scenario=CART)
    return reasons_for(key, **who, session_items=feedback.views_of_visitor(request))


def _back(request: HttpRequest, place: str | None, otherwise: str = "/") -> str:
    """The page one came from; never another site."""
    if place and url_has_allowed_host_and_scheme(place, {request.get_host()}, require_https=request.is_secure()):
        return place
    return otherwise
