"""What the endpoints have in common: their errors, and the answers that the API's document names for all of them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from drf_standardized_errors.formatter import flatten_errors
from rest_framework import status, viewsets
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response

from recommender.api.access import StaffMay
from recommender.api.site_classes import SiteView
from recommender.errors import RecommendationError, TrainingError
from recommender.words import in_words

MALFORMED = OpenApiResponse(description="Malformed: `errors` names the fields.")
REFUSALS = {
    400: MALFORMED,
    401: OpenApiResponse(description="Not signed in, and no API key."),
    403: OpenApiResponse(description="Not for you: you may name nobody but yourself."),
}


def documented(answers: dict[int, Any], *, tag: str = "recommendations", **schema: Any) -> Any:
    """Decorator: describes an endpoint with its answers, by status, and those of every refusal."""
    return extend_schema(tags=[tag], responses={**REFUSALS, **answers}, **schema)


def as_api_error(error: RecommendationError) -> ValidationError:
    return ValidationError({error.field: [in_words(error.message)]})


def field_errors(detail: Any) -> list[dict[str, str | None]]:
    """What is wrong with a request, as RequestError has it, from the `detail` of a ValidationError."""
    return [
        {"field": None if error.attr == "non_field_errors" else error.attr, "code": error.code, "detail": error.detail}
        for error in flatten_errors(detail)
    ]


class StateConflict(APIException):
    """The request makes sense, but the state of things does not allow it."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class RecommenderView(SiteView):
    def handle_exception(self, error: Exception) -> Response:
        return super().handle_exception(as_api_error(error) if isinstance(error, RecommendationError) else error)


class StaffViewSet(SiteView, viewsets.ViewSet):  # no docstring: the API's document would show it everywhere
    own_permissions = (StaffMay,)
    needs: dict[str, str]  # action -> permission

    def handle_exception(self, error: Exception) -> Response:
        return super().handle_exception(StateConflict(in_words(error)) if isinstance(error, TrainingError) else error)
