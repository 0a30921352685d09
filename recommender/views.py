"""Pages about lists: why an item is in one, and which items the reader does not want to be shown.

All work without JavaScript. For htmx, a line with an Undo button takes the place of a dismissed card.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from recommender import feedback
from recommender.errors import RecommendationError
from recommender.models import TWO_TOWER
from recommender.serving import CART, KINDS, SOURCES, Explanation, items_by_key, sentence
from recommender.serving import why as explain
from recommender.source import customer_of_request, get_source, item_exists, scope_of_request, settled_scope

DISMISSED_PER_PAGE = 20
MAX_REASONS = 5
MAX_ABOUT = 20  # items that a list is about


@require_safe
def why(request: HttpRequest, key: str) -> HttpResponse:
    """Why an item is in a list. The address says what made the list (`source`), and which items it is about (`of`).

    For a personal list, the page shows what of the reader lifts the item.
    """
    source = request.GET.get("source", TWO_TOWER)
    scope = _scope_of(request)
    about = [item for item in request.GET.getlist("of")[:MAX_ABOUT] if item_exists(item, scope)]
    in_cart = request.GET.get("scenario") == CART
    personal = source == TWO_TOWER and (in_cart or not about)
    explanation = Explanation((), None)
    try:
        if personal:
            explanation = _explain(request, key, about if in_cart else [], scope)
        items = items_by_key(get_source(), [key, *about, *(r.item for r, _ in explanation.evidence if r.item)], scope)
    except RecommendationError as error:
        raise Http404(error.message) from None
    if key not in items or source not in SOURCES:
        raise Http404(f"There is no item {key!r}.")
    evidence = [
        {"reason": reason, "words": words, "share": share, "item": items.get(reason.item or "")}
        for reason, share in explanation.evidence[:MAX_REASONS]
        if (words := sentence(get_source(), reason, items))
    ]
    back = _back(request, request.GET.get("next") or request.headers.get("Referer"))
    query = request.GET.copy()
    query["next"] = back
    context = {
        "key": key,
        "item": items[key],
        "because": because_of(source, [str(items[item]) for item in about if item in items]),
        "personal": personal,
        "evidence": evidence,
        "fallback_reason": explanation.fallback_reason,
        "dismissed": key in feedback.dismissals_of_request(request),
        "more": max(len(explanation.evidence) - MAX_REASONS, 0),
        "next": back,
        "here": f"{request.path}?{query.urlencode()}",  # a form that is sent from here comes back here
    }
    return render(request, "recommender/why.html", context)


@require_safe
def dismissed(request: HttpRequest) -> HttpResponse:
    """The items that the reader dismissed, each with a button to take that back."""
    scope = _scope_of(request)
    theirs = feedback.dismissals_of_request(request, scope)
    page = Paginator(theirs, DISMISSED_PER_PAGE).get_page(request.GET.get("page"))
    items = items_by_key(get_source(), page.object_list, scope)
    rows = [(key, items.get(key)) for key in page.object_list]
    context = {"page": page, "rows": rows, "signed_in": feedback.is_signed_in(request), "here": request.get_full_path()}
    return render(request, "recommender/dismissed.html", context)


@require_POST
def dismiss(request: HttpRequest, key: str) -> HttpResponse:
    """Not interested: none of the reader's lists holds the item from now on."""
    try:
        feedback.dismiss_for_request(request, key)
    except RecommendationError as error:
        raise Http404(error.message) from None
    item = _item_or_key(request, key)
    back = _back(request, request.POST.get("next"))
    if request.headers.get("HX-Request"):
        return render(request, "recommender/dismissed_card.html", {"key": key, "item": item, "next": back})
    _say(request, _("%(item)s will not be shown to you again. You can take that back under Not interested."), item)
    return redirect(back)


@require_POST
def take_back(request: HttpRequest, key: str) -> HttpResponse:
    """Interested after all: lists may hold the item again. For htmx, the whole page is loaded again."""
    try:
        was_dismissed = feedback.undo_dismissal_for_request(request, key)
    except RecommendationError as error:
        raise Http404(error.message) from None
    if was_dismissed:
        _say(request, _("%(item)s may be shown to you again."), _item_or_key(request, key))
    back = _back(request, request.POST.get("next"), otherwise=reverse("recommender:dismissed"))
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": back})
    return redirect(back)


@require_POST
def forget_view(request: HttpRequest, key: str) -> HttpResponse:
    """Erase that the reader looked at an item, so that no list starts from it any more."""
    try:
        feedback.forget_views(request, key)
    except RecommendationError as error:
        raise Http404(error.message) from None
    _say(request, _("Forgotten that you looked at %(item)s."), _item_or_key(request, key))
    return redirect(_back(request, request.POST.get("next")))


def because_of(source: str, about: Sequence[str]) -> str:
    """Why an item is in a list that is not personal, in a sentence."""
    kind = next(kind for kind in KINDS.values() if kind.source == source)
    return _(kind.why).format(", ".join(about))


def _scope_of(request: HttpRequest) -> str | None:
    """The scope of a request. Http404 where the source has scopes and the request is of none."""
    try:
        return settled_scope(scope_of_request(request))
    except RecommendationError as error:
        raise Http404(error.message) from None


def _explain(request: HttpRequest, key: str, cart: list[str], scope: str | None) -> Explanation:
    """Why an item is in a list of the reader's: that of a cart, or the one made from all that is known of them."""
    who = {"customer": customer_of_request(request, scope), "scope": scope}
    if cart:
        return explain(key, session_items=cart, scenario=CART, **who)
    return explain(key, session_items=feedback.views_of_visitor(request), **who)


def _say(request: HttpRequest, words: str, item: object) -> None:
    """A message on the next page; none in a project without Django's messages."""
    messages.success(request, words % {"item": item}, fail_silently=True)


def _item_or_key(request: HttpRequest, key: str) -> object:
    return items_by_key(get_source(), [key], _scope_of(request)).get(key, key)


def _back(request: HttpRequest, address: str | None, otherwise: str = "/") -> str:
    """The page to go back to, which is never on another site."""
    if address and url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure()):
        return address
    return otherwise
