"""How often one visitor, one user or one API key may call the API; limits.py has the rates."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from recommender.api.access import cache_name, may_ask_for_anyone
from recommender.api.limits import THROTTLE_RATES
from recommender.client_address import client_network
from recommender.source import caller_name


class WindowThrottle(SimpleRateThrottle):
    """Counts the requests of a caller in windows as long as the rate's period.

    A request costs one addition in the cache. DRF's own throttles read and write the times of all requests of the
    period for each request, and count only some of those that come at the same moment.
    """

    num_requests: int
    duration: int  # seconds

    def get_rate(self) -> str | None:
        assert self.scope is not None
        return {**THROTTLE_RATES, **getattr(settings, "RECOMMENDER_THROTTLES", {})}[self.scope]

    def caller(self, request: Any) -> object:
        """What tells the caller from others of this scope. None where another throttle counts the request."""
        raise NotImplementedError

    def get_cache_key(self, request: Any, view: Any) -> str | None:
        caller = self.caller(request)
        return None if caller is None else self.cache_format % {"scope": self.scope, "ident": cache_name(caller)}

    def allow_request(self, request: Any, view: Any) -> bool:
        key = None if self.rate is None else self.get_cache_key(request, view)
        if key is None:
            return True
        self.now = self.timer()
        count = self._count(f"{key}_{int(self.now // self.duration)}")
        return count is None or count <= self.num_requests

    def wait(self) -> float:
        """Seconds until the next window begins."""
        return self.duration - self.now % self.duration

    def _count(self, window: str) -> int | None:
        """The requests of the window, this one included. None while the cache does not answer: all may pass."""
        try:
            return self.cache.incr(window)
        except ValueError:  # the window has no count yet
            return 1 if self.cache.add(window, 1, self.duration) else self.cache.incr(window)


class PageThrottle(WindowThrottle):
    """Pages of a site, by address, for all visitors and users. A middleware of the site calls it."""

    scope = "page"

    def caller(self, request: Any) -> object:
        return client_network(request)


class VisitorThrottle(WindowThrottle):
    """Callers who are not signed in, by address."""

    scope = "visitor"

    def caller(self, request: Request) -> object:
        return None if request.user.is_authenticated else client_network(request)


class UserThrottle(WindowThrottle):
    """Users who are signed in, however many tokens they have."""

    scope = "user"

    def caller(self, request: Request) -> object:
        return None if not request.user.is_authenticated or may_ask_for_anyone(request) else caller_name(request.user)


class KeyThrottle(WindowThrottle):
    """API keys, which may ask for anyone: each key has a count of its own."""

    scope = "key"

    def caller(self, request: Request) -> object:
        if not may_ask_for_anyone(request):
            return None
        token = getattr(request.auth, "pk", None)  # a JWT is no row and has none
        return caller_name(request.user) if token is None else token
