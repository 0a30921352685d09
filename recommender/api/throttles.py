"""How often one visitor, one user or one API key may ask. RECOMMENDER_THROTTLES sets the rates; None: without limit."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from recommender.api.access import may_ask_for_anyone
from recommender.client_address import client_network

DEFAULTS = {"page": "600/min", "visitor": "300/min", "user": "1200/min", "key": "6000/min"}


class _Throttle(SimpleRateThrottle):
    """Counts requests in windows as long as the rate's period: one addition in the cache for each.

    DRF's own keeps the time of every request, and reads and writes all of them for each one: of requests at the same
    moment it counts only some, and at 6,000 a minute it takes .4 ms longer.
    """

    num_requests: int
    duration: int  # seconds

    def get_rate(self) -> str | None:
        assert self.scope is not None
        return {**DEFAULTS, **getattr(settings, "RECOMMENDER_THROTTLES", {})}[self.scope]

    def allow_request(self, request: Request, view: Any) -> bool:
        key = None if self.rate is None else self.get_cache_key(request, view)
        if key is None:
            return True
        self.now = self.timer()
        count = self.count(f"{key}_{int(self.now // self.duration)}")
        return count is None or count <= self.num_requests

    def count(self, name: str) -> int | None:
        """How many there were with this one; None while the cache is away, and nobody is held back."""
        try:
            return self.cache.incr(name)
        except ValueError:  # the first one
            return 1 if self.cache.add(name, 1, self.duration) else self.cache.incr(name)

    def wait(self) -> float:
        """Seconds until the next window begins."""
        return self.duration - self.now % self.duration


class VisitorThrottle(_Throttle):
    """Those who are not signed in, by their address."""

    scope = "visitor"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if request.user.is_authenticated:
            return None
        return self.cache_format % {"scope": self.scope, "ident": client_network(request)}


class PageThrottle(_Throttle):
    """Pages of a site, by address, whoever is signed in: for a middleware, which the site brings."""

    scope = "page"

    def get_cache_key(self, request: Any, view: Any) -> str | None:
        return self.cache_format % {"scope": self.scope, "ident": client_network(request)}


class UserThrottle(_Throttle):
    """Those who are signed in, with however many tokens."""

    scope = "user"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if not request.user.is_authenticated or may_ask_for_anyone(request):
            return None
        return self.cache_format % {"scope": self.scope, "ident": request.user.pk}


class KeyThrottle(_Throttle):
    """Other systems, which ask for everybody: each key by itself."""

    scope = "key"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if not request.user.is_authenticated or not may_ask_for_anyone(request):
            return None
        ident = f"user-{request.user.pk}" if request.auth is None else str(request.auth.pk)
        return self.cache_format % {"scope": self.scope, "ident": ident}
