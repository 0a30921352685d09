"""How often one visitor or one user may ask. RECOMMENDER_THROTTLES sets the rates; None means as often as they like."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from recommender.api.access import may_ask_for_anyone

DEFAULTS = {"visitor": "300/min", "user": "1200/min"}


class _Throttle(SimpleRateThrottle):
    def get_rate(self) -> str | None:
        assert self.scope is not None
        return {**DEFAULTS, **getattr(settings, "RECOMMENDER_THROTTLES", {})}[self.scope]


class VisitorThrottle(_Throttle):
    """Those who are not signed in, by their address."""

    scope = "visitor"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if request.user.is_authenticated:
            return None
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}


class UserThrottle(_Throttle):
    """Those who are signed in. Keys of other systems, which ask for everybody, are not held back."""

    scope = "user"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if not request.user.is_authenticated or may_ask_for_anyone(request):
            return None
        return self.cache_format % {"scope": self.scope, "ident": request.user.pk}
