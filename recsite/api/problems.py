"""Every error of the API as a problem (RFC 9457): what is wrong, in a sentence, and which field it is about. A person
gets a page that says the same."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext
from django.views import defaults
from drf_spectacular.utils import extend_schema
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ErrorResponse
from rest_framework import serializers
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.bulk import FieldError, field_errors

MEDIA_TYPE = "application/problem+json"
API = "/api/"
PLAIN = "about:blank"  # RFC 9457, 4.2.1: says no more than the status
MALFORMED = "urn:problem-type:recsite:malformed"


class Problem(serializers.Serializer):
    """RFC 9457."""

    type = serializers.CharField(help_text=f"`{PLAIN}`, `{MALFORMED}` or another word of ours for what went wrong.")
    title = serializers.CharField(help_text="The kind of problem in a few words.")
    status = serializers.IntegerField(help_text="The HTTP status again.")
    detail = serializers.CharField(help_text="What is wrong this time, in a sentence.")
    errors = FieldError(many=True, required=False)  # type: ignore[assignment]


def problem(*, status: int, detail: str, kind: str = PLAIN, errors: list[dict] | None = None) -> dict[str, Any]:
    """The body of a problem. errors : what is wrong by field, see FieldError."""
    title = gettext("The request is malformed.") if kind == MALFORMED else HTTPStatus(status).phrase
    body = {"type": kind, "title": title, "status": status, "detail": detail}
    return body if errors is None else {**body, "errors": errors}


def problem_response(*, status: int, detail: str, kind: str = PLAIN, errors: list[dict] | None = None) -> JsonResponse:
    """A problem outside of DRF's views."""
    body = problem(status=status, detail=detail, kind=kind, errors=errors)
    return JsonResponse(body, status=status, content_type=MEDIA_TYPE)


class ProblemFormatter(ExceptionFormatter):
    def format_error_response(self, error_response: ErrorResponse) -> dict[str, Any]:
        errors = error_response.errors
        kind = getattr(self.exc, "problem_type", PLAIN)
        if not isinstance(self.exc, ValidationError) or not errors:
            detail = errors[0].detail if errors else str(self.exc.default_detail)
            return problem(status=self.exc.status_code, detail=detail, kind=kind)
        by_field = field_errors(self.exc.detail)
        first = by_field[0]
        detail = first["detail"] if first["field"] is None else f"{first['field']}: {first['detail']}"
        kind = getattr(self.exc, "problem_type", MALFORMED)
        return problem(status=self.exc.status_code, detail=detail, kind=kind, errors=by_field)


class ProblemHandler(ExceptionHandler):
    def get_response(self, exc: APIException, data: dict) -> Response:
        request = self.context.get("request")
        if request is not None:
            # A problem is JSON, whatever Accept says (YAML of the schema, for example).
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), MEDIA_TYPE
        response = super().get_response(exc, data)
        response.content_type = MEDIA_TYPE
        return response


@extend_schema(exclude=True)
class NoSuchAddress(APIView):
    """Unknown addresses under /api/: a problem, not the page for people."""

    permission_classes = [AllowAny]
    throttle_classes: list = []

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        if request.path.endswith("/"):
            raise NotFound(gettext("There is nothing at this address."))
        raise NotFound(gettext("There is nothing at this address. Addresses end with a slash."))


def refuse(
    request: HttpRequest, *, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """An answer before, or in place of, a view: a problem for programs, a page for people. It asks for no session and
    no database. title : of the page, in words of a reader."""
    if request.path.startswith(API):
        response: HttpResponse = problem_response(status=status, detail=detail)
    else:
        page = render_to_string("refused.html", {"title": title, "detail": detail})
        response = HttpResponse(page, status=status)
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: an unknown host, a form of too many fields or bytes, a path that leads out of a folder."""
    if isinstance(exception, RequestDataTooBig):
        return refuse(
            request,
            status=413,
            title=gettext("That is too much at once"),
            detail=gettext("Please send less, in several steps."),
        )
    detail = gettext("What was sent cannot be read. Nothing was changed.")
    return refuse(request, status=400, title=gettext("That did not work"), detail=detail)


def server_error(request: HttpRequest) -> Any:
    """handler500. The page for people, a problem for programs."""
    if request.path.startswith(API):
        return problem_response(status=500, detail=gettext("The server failed. The failure is on record."))
    return defaults.server_error(request)
