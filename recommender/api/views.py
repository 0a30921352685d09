"""The recommender's endpoints. Each checks what it was sent, asks the one door, and answers with `to_dict`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from drf_standardized_errors.formatter import flatten_errors
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender import feedback, serving
from recommender.api import serializers as forms
from recommender.api.access import MayAskForAnyone, check_may_ask_for, may_ask_for_anyone
from recommender.api.parsers import BoundedJSONParser
from recommender.api.throttles import KeyThrottle, UserThrottle, VisitorThrottle
from recommender.errors import EventChanged, RecommendationError
from recommender.feedback import record_event
from recommender.models import Event
from recommender.serving import KINDS, ListRequest, predict_rating, recommend, recommend_many
from recommender.source import customer_key_of

FOR_YOU, CART = KINDS["for_you"], KINDS["cart"]

MALFORMED = OpenApiResponse(description="Malformed: `errors` names the fields.")
STRANGER = OpenApiResponse(description="Not signed in, and no API key.")
NOT_YOURS = OpenApiResponse(description="Not for you: you may name nobody but yourself.")
NOT_DISMISSED = OpenApiResponse(description="The item was not dismissed.")
OTHER_CONTENT = OpenApiResponse(description="Your event_id stands for another event: `errors` names what differs.")
UNKNOWN_ITEM = OpenApiResponse(description="There is no such item.")


def row_errors(detail: Any) -> list[dict[str, str | None]]:
    """What is wrong with one request of many."""
    told = [(None if each.attr == "non_field_errors" else each.attr, each) for each in flatten_errors(detail)]
    return [{"field": field, "code": each.code, "detail": each.detail} for field, each in told]


def refusal(error: RecommendationError) -> ValidationError:
    return ValidationError({error.field: [error.message]})


class ContentConflict(ValidationError):
    """What was sent stands against what is stored: `detail` says by field how they differ."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"
    problem_type = "urn:problem-type:recommender:conflict"


class RecommenderView(APIView):
    parser_classes = [BoundedJSONParser]
    throttle_classes = [VisitorThrottle, UserThrottle, KeyThrottle]

    def handle_exception(self, error: Exception) -> Response:
        return super().handle_exception(refusal(error) if isinstance(error, RecommendationError) else error)

    def checked(self, form: type[forms.StrictSerializer], data: Any) -> Any:
        checked = form(data=data, context={"request": self.request})
        checked.is_valid(raise_exception=True)
        return checked


class RecommendationsView(RecommenderView):
    permission_classes = [AllowAny]

    @extend_schema(
        summary=FOR_YOU.summary,
        description=FOR_YOU.description,
        tags=["recommendations"],
        request=forms.ListRequestSerializer,
        responses={200: forms.ListAnswer, 400: MALFORMED, 401: STRANGER, 403: NOT_YOURS},
    )
    def post(self, request: Request) -> Response:
        asked = self.checked(forms.ListRequestSerializer, request.data).list_request()
        return Response(recommend(**vars(for_whom(request, asked))).to_dict())


class BatchView(RecommenderView):
    permission_classes = [MayAskForAnyone]

    @extend_schema(
        summary="Up to 1,000 lists at once",
        description="Every request gets its own answer; a malformed one does not cost the others theirs.",
        tags=["recommendations"],
        request=forms.BatchSerializer,
        responses={200: forms.BatchAnswer, 400: MALFORMED, 401: STRANGER, 403: NOT_YOURS},
    )
    def post(self, request: Request) -> Response:
        data = {"requests": request.data} if isinstance(request.data, list) else request.data
        rows = self.checked(forms.BatchSerializer, data).validated_data["requests"]
        results: list[dict[str, Any]] = [{"row": row, "answer": None, "errors": []} for row in range(len(rows))]
        sound: list[tuple[int, ListRequest]] = []
        for number, row in enumerate(rows):
            form = forms.ListRequestSerializer(data=row)
            if form.is_valid():
                sound.append((number, form.list_request()))
            else:
                results[number]["errors"] = row_errors(form.errors)
        answers = recommend_many([asked for _, asked in sound])
        for (number, _), answer in zip(sound, answers, strict=True):
            if isinstance(answer, RecommendationError):
                results[number]["errors"] = row_errors(refusal(answer).detail)
            else:
                results[number]["answer"] = answer.to_dict()
        return Response({"results": results})


class RatingsView(RecommenderView):
    permission_classes = [AllowAny]

    @extend_schema(
        summary="The rating that somebody would give an item",
        description="Somebody: a customer or a profile; nobody named: whoever is signed in, or anybody.",
        tags=["recommendations"],
        request=forms.RatingRequestSerializer,
        responses={200: forms.RatingAnswer, 400: MALFORMED, 401: STRANGER, 403: NOT_YOURS},
    )
    def post(self, request: Request) -> Response:
        asked = dict(self.checked(forms.RatingRequestSerializer, request.data).validated_data)
        return Response(predict_rating(**asked | {"customer": whose(request, asked)}).to_dict())


class ShelfView(RecommenderView):
    """A list asked for by its address."""

    permission_classes = [AllowAny]

    def restricted(self, request: Request) -> dict[str, Any]:
        """What is asked, less what the customer named, or else whoever asks, has dismissed."""
        asked = self.checked(forms.ListQuery, request.query_params).options()
        if "customer" in asked:
            check_may_ask_for(request, asked["customer"])
            return asked
        exclude = [*asked.get("exclude", ()), *feedback.dismissals_of_request(request)]
        return asked | {"exclude": exclude, "visitor": feedback.begin_visit(request)}


class KindView(ShelfView):
    """GET of a list of one kind: the same for everybody but for what somebody bought, dismissed or looked at."""

    kind: serving.ListKind

    def answer(self, request: Request, item: str | None = None) -> Response:
        kind, options = self.kind, self.restricted(request)
        about: Any = item
        if kind.takes == "customer":
            about = options.pop("customer", None) or customer_key_of(request.user)
        elif kind.takes == "session_items":
            about = feedback.views_of_visitor(request)
            options["customer"] = whose(request, options)
        try:
            return Response(serving.make_list(kind.name, about, **options).to_dict())
        except RecommendationError as error:
            raise NotFound(error.message) if error.field == "item" else error from None


def view_of(kind: serving.ListKind) -> type[KindView]:
    """The view of a kind of list, described for the API's document."""
    responses: dict[int, Any] = {200: forms.ListAnswer, 400: MALFORMED, 401: STRANGER, 403: NOT_YOURS}
    if kind.takes == "item":
        responses[404] = UNKNOWN_ITEM
    described = extend_schema(
        summary=kind.summary,
        description=kind.description or None,
        tags=["recommendations"],
        parameters=[forms.ListQuery],
        responses=responses,
    )

    def get(self: KindView, request: Request) -> Response:
        return self.answer(request)

    def get_of_item(self: KindView, request: Request, key: str) -> Response:
        return self.answer(request, key)

    method = described(get_of_item if kind.takes == "item" else get)
    return type(f"{type(kind).__name__}View", (KindView,), {"kind": kind, "get": method})


class CartView(RecommenderView):
    permission_classes = [AllowAny]

    @extend_schema(
        summary=CART.summary,
        description=CART.description,
        tags=["recommendations"],
        request=forms.CartSerializer,
        responses={200: forms.ListAnswer, 400: MALFORMED, 401: STRANGER, 403: NOT_YOURS},
    )
    def post(self, request: Request) -> Response:
        asked = dict(self.checked(forms.CartSerializer, request.data).validated_data)
        customer = whose(request, asked)
        asked["exclude"] = [*asked.get("exclude", ()), *not_wanted(request, customer, asked)]
        asked |= {"customer": customer, "visitor": feedback.begin_visit(request)}
        return Response(serving.make_list(CART.name, asked.pop("items"), **asked).to_dict())


class DismissalsView(RecommenderView):
    permission_classes = [AllowAny]

    @extend_schema(
        summary="What somebody does not want to be shown, the latest first",
        tags=["recommendations"],
        parameters=[forms.DismissedQuery],
        responses={200: forms.DismissalAnswer(many=True), 400: MALFORMED, 401: STRANGER, 403: NOT_YOURS},
    )
    def get(self, request: Request) -> Response:
        customer = whose(request, self.checked(forms.DismissedQuery, request.query_params).validated_data)
        found = (
            feedback.dismissals_of_customer(customer)
            if customer is not None
            else feedback.dismissals_of_request(request)
        )
        return Response([{"item": item} for item in found])

    @extend_schema(
        summary="Not interested: an item is in none of somebody's lists from now on",
        description="A customer's, or this visitor's for the length of the visit. Said again, it changes nothing.",
        tags=["recommendations"],
        request=forms.DismissalSerializer,
        responses={201: forms.DismissalAnswer, 400: MALFORMED, 401: STRANGER, 403: NOT_YOURS},
    )
    def post(self, request: Request) -> Response:
        told = self.checked(forms.DismissalSerializer, request.data).validated_data
        customer = whose(request, told)
        if customer is not None:
            feedback.dismiss(customer=customer, item=told["item"])
        else:
            feedback.dismiss_for_request(request, told["item"])
        return Response({"item": told["item"]}, status=status.HTTP_201_CREATED)


class DismissalView(RecommenderView):
    permission_classes = [AllowAny]

    @extend_schema(
        summary="Interested after all: lists may hold the item again",
        tags=["recommendations"],
        parameters=[forms.DismissedQuery],
        responses={204: None, 400: MALFORMED, 401: STRANGER, 403: NOT_YOURS, 404: NOT_DISMISSED},
    )
    def delete(self, request: Request, key: str) -> Response:
        customer = whose(request, self.checked(forms.DismissedQuery, request.query_params).validated_data)
        if customer is not None:
            found = feedback.undo_dismissal(customer=customer, item=key)
        else:
            found = feedback.undo_dismissal_for_request(request, key)
        if not found:
            raise NotFound(f"{key!r} was not dismissed.")
        return Response(status=status.HTTP_204_NO_CONTENT)


class EventsView(RecommenderView):
    permission_classes = [AllowAny]

    @extend_schema(
        summary="Tell what somebody did",
        description="A view, click, add_to_cart, purchase or rating. Sent again by you with the same event_id, it is "
        "stored once and answered with 200; with the same event_id and other content, with 409. An event counts for a "
        "list that held the item and was shown to whoever the event is of, once for each kind of event and item. "
        "Events are what lists are judged by; a sale itself is recorded as a purchase.",
        tags=["events"],
        request=forms.EventSerializer,
        responses={
            201: forms.EventAnswer,
            200: OpenApiResponse(forms.EventAnswer, "Nothing new was stored."),
            400: MALFORMED,
            401: STRANGER,
            403: NOT_YOURS,
            409: OTHER_CONTENT,
        },
    )
    def post(self, request: Request) -> Response:
        told = dict(self.checked(forms.EventSerializer, request.data).validated_data)
        told["customer"] = whose(request, told)
        sender, session = feedback.sender_of(request), feedback.session_key_of(request)  # a visit begins
        visitors = None if may_ask_for_anyone(request) else feedback.visitor_ids_of(request)
        try:
            event, new = record_event(session=session, sender=sender, visitors=visitors, **told)
        except EventChanged as error:
            raise ContentConflict({name: [words] for name, words in error.fields.items()}) from None
        if event is not None and new and told["customer"] is None and event.kind in (Event.Kind.VIEW, Event.Kind.CLICK):
            feedback.remember_view(request, event.item)
        body = {"event_id": told.get("event_id"), "recorded": event is not None}
        return Response(body, status=status.HTTP_201_CREATED if new else status.HTTP_200_OK)


# --- within -----------------------------------------------------------------------------------------------------------


def for_whom(request: Request, asked: ListRequest) -> ListRequest:
    """The request with its customer settled, and with what this visitor looked at if it is for nobody else."""
    named = asked.customer is not None or asked.profile is not None
    looked_at = [] if named else feedback.views_of_visitor(request)
    customer = whose(request, vars(asked))
    return replace(
        asked,
        customer=customer,
        session_items=[*looked_at, *asked.session_items],
        exclude=[*asked.exclude, *not_wanted(request, customer, vars(asked))],
        visitor="" if asked.customer is not None else feedback.begin_visit(request),
    )


def not_wanted(request: Request, customer: str | None, asked: Mapping[str, Any]) -> list[str]:
    """What this visitor dismissed, for a list of theirs; a customer's are read with the customer."""
    return [] if customer is not None or asked.get("profile") is not None else feedback.dismissals_in_session(request)


def whose(request: Request, asked: Mapping[str, Any]) -> str | None:
    """The customer a request is about: the one named, if that is allowed; with nobody named, whoever is signed in."""
    named: str | None = asked.get("customer")
    if named is not None:
        check_may_ask_for(request, named)
        return named
    return None if asked.get("profile") is not None else customer_key_of(request.user)
