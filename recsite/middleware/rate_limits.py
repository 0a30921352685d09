"""What one address may ask of the pages, and how much the admin searches for at once."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin.views.main import SEARCH_VAR
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, ngettext

from catalog.search_limits import too_much
from recommender.api.throttles import PageThrottle
from recsite.api.problems import API, refuse

FREE = (API, "/static/", "/media/", "/health/", "/metrics")  # limited by their own throttles, or not at all


class LimitPages:
    """Middleware. 429 for an address that asks for more pages than THROTTLE_PAGE, 400 for too long an admin search."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(FREE):
            throttle = PageThrottle()
            if not throttle.allow_request(request, None):
                seconds = max(int(throttle.wait()), 1)
                words = ngettext(
                    "Too many pages from your address. Please try again in {n} second.",
                    "Too many pages from your address. Please try again in {n} seconds.",
                    seconds,
                ).format(n=seconds)
                headers = {"Retry-After": str(seconds)}
                return refuse(request, status=429, title=gettext("A moment, please"), detail=words, headers=headers)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable, args: tuple, kwargs: dict) -> Any:
        if request.resolver_match.app_name != "admin":
            return None
        for name in (SEARCH_VAR, "term"):  # of a list, and of a field that completes what is typed
            wrong = too_much(request.GET.get(name, ""))
            if wrong:
                return refuse(request, status=400, title=gettext("That is too much to search for"), detail=wrong)
        return None
