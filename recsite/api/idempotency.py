"""`Idempotency-Key`: a call that is sent again, because its answer was lost, is answered again and not done again.

After the IETF draft "The Idempotency-Key HTTP Header Field" (draft-ietf-httpapi-idempotency-key-header). A key belongs
to an account. The claim to a key is committed before the work begins, and the answer with the work, in one transaction:
a process that dies between the two has done nothing, and its claim may be taken over after LEASE.
"""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from recsite.api.problems import API, MALFORMED, problem_response
from recsite.models import StoredAnswer

HEADER = "Idempotency-Key"
LONGEST = 255
LEASE = timedelta(minutes=2)  # longer than any call takes: gunicorn ends a worker that is silent for half a minute
IN_FLIGHT = "urn:problem-type:recsite:idempotency-key-in-flight"
REUSED = "urn:problem-type:recsite:idempotency-key-reused"
METHODS = {"POST", "PUT", "PATCH", "DELETE"}
# Names of addresses that are sent by POST and change nothing.
QUESTIONS = {
    "recommender_api:recommendations",
    "recommender_api:recommendations-batch",
    "recommender_api:ratings",
    "recommender_api:cart-recommendations",
    "api-tokens",  # a secret is not kept to be shown again
}


class TakenOver(Exception):
    """This call took longer than LEASE, and another took its key over."""


class IdempotencyMiddleware:
    """The last of the middlewares: it calls the view itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable, args: tuple, kwargs: dict) -> HttpResponse | None:
        key = request.headers.get(HEADER)
        if key is None or request.method not in METHODS or not request.path.startswith(API):
            return None
        if request.resolver_match.view_name in QUESTIONS:
            return None
        if not key or len(key) > LONGEST or not (key.isascii() and key.isprintable()):
            words = gettext("{header}: 1 to {most} printable ASCII characters.").format(header=HEADER, most=LONGEST)
            errors = [{"field": HEADER, "code": "invalid", "detail": words}]
            return problem_response(status=400, detail=words, kind=MALFORMED, errors=errors)
        user = user_of(request, view)
        if user is None:
            return None  # The view turns strangers away. Visitors, who may send events, have `event_id`.
        claim = claim_or_answer(user, key, request_hash(request))
        if isinstance(claim, HttpResponse):
            return claim
        return answer_once(claim, lambda: view(request, *args, **kwargs))


def user_of(request: HttpRequest, view: Callable) -> Any:
    """The user that the view itself will find; None for a stranger or a token that does not hold."""
    view_class = getattr(view, "cls", None)
    if view_class is None:
        return None
    try:
        user = Request(request, authenticators=[kind() for kind in view_class.authentication_classes]).user
    except APIException:
        return None
    return user if user.is_authenticated else None


def request_hash(request: HttpRequest) -> str:
    return hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode() + request.body).hexdigest()


def claim_or_answer(user: Any, key: str, digest: str) -> StoredAnswer | HttpResponse:
    """The right to answer this call; else what is to be answered at once: what was answered before, 409 or 422."""
    now = timezone.now()
    fresh = {"request_hash": digest, "started": now, "status": None, "content_type": "", "body": b""}
    try:
        with transaction.atomic():
            return StoredAnswer.objects.create(user=user, key=key, **fresh)
    except IntegrityError:
        stored = StoredAnswer.objects.filter(user=user, key=key).first()
    if stored is not None:
        if stored.started > now - (LEASE if stored.status is None else settings.IDEMPOTENCY_KEPT):
            return repeated(stored, digest)
        # Too old to count: the first call that changes the row has it.
        if StoredAnswer.objects.filter(pk=stored.pk, started=stored.started).update(**fresh):
            return StoredAnswer(pk=stored.pk, user=user, key=key, **fresh)
    return in_flight()  # The other call has just given it up, or taken it over.


def repeated(stored: StoredAnswer, digest: str) -> HttpResponse:
    if stored.request_hash != digest:
        words = gettext(
            "This {header} was sent with another method, address or body. Each call takes a key of its own."
        ).format(header=HEADER)
        return problem_response(status=422, detail=words, kind=REUSED)
    if stored.status is None:
        return in_flight()
    response = HttpResponse(bytes(stored.body), status=stored.status, content_type=stored.content_type or None)
    response["Idempotent-Replayed"] = "true"
    return response


def in_flight() -> HttpResponse:
    words = gettext("The first call with this {header} is still being answered. Send it again in a moment.")
    words = words.format(header=HEADER)
    response = problem_response(status=409, detail=words, kind=IN_FLIGHT)
    response["Retry-After"] = "1"
    return response


def answer_once(claim: StoredAnswer, view: Callable[[], Any]) -> HttpResponse:
    """What the view answers, kept together with what it did. A refusal is not kept: the call may be sent mended."""
    kept = False
    try:
        with transaction.atomic():
            response = view()
            if hasattr(response, "render"):
                response.render()
            if 200 <= response.status_code < 300:
                keep(claim, response)
                kept = True
            elif response.status_code >= 500:
                transaction.set_rollback(True)
    except TakenOver:
        return in_flight()
    finally:
        if not kept:
            StoredAnswer.objects.filter(pk=claim.pk, started=claim.started, status=None).delete()
    return response


def keep(claim: StoredAnswer, response: HttpResponse) -> None:
    answer = {"status": response.status_code, "body": response.content}
    answer["content_type"] = response.headers.get("Content-Type", "")
    if not StoredAnswer.objects.filter(pk=claim.pk, started=claim.started, status=None).update(**answer):
        raise TakenOver


def forget_answers() -> int:
    """Remove what no longer counts. How many."""
    return StoredAnswer.objects.filter(started__lt=timezone.now() - settings.IDEMPOTENCY_KEPT).delete()[0]
