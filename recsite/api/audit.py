"""Who changed what over the API: one line of the log for each call that changes something."""

from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from recsite.api.idempotency import METHODS, QUESTIONS
from recsite.api.problems import API
from recsite.logs import route

log = structlog.get_logger("recsite.audit")


class AuditMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method in METHODS and request.path.startswith(API):
            match = request.resolver_match
            if match is not None and match.view_name not in QUESTIONS and request.user.is_authenticated:
                token = getattr(request, "auth", None)  # DRF leaves it on Django's request
                log.info(
                    "api_call",
                    user=request.user.pk,
                    key=None if token is None else token.token_key[:8],
                    method=request.method,
                    route=route(request),  # the path may hold a customer's key
                    status=response.status_code,
                )
        return response
