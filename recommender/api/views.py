"""The recommender's endpoints. Each checks what it was sent, asks the one door, and answers with `to_dict`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender import people, visits
from recommender.api import serializers as forms
from recommender.api.access import MayAskForAnyone, check_may_ask_for
from recommender.api.throttles import UserThrottle, VisitorThrottle
from recommender.errors import RecommendationError
from recommender.events import record_event
from recommender.lists import ListRequest
from recommender.models import Event
from recommender.recommendations import (
    bought_together,
    predict_rating,
    recommend,
    recommend_many,
    similar,
)

MALFORMED = OpenApiResponse(description="Malformed: an object of lists of sentences, by the name of the field.")
STRANGER = OpenApiResponse(description="Not signed in, and no API key.")
NOT_YOURS = OpenApiResponse(description="Not for you: you may name nobody but yourself.")
UNKNOWN_ITEM = OpenApiResponse(description="There is no such item.")


def refusal(error: RecommendationError) -> ValidationError:
    return ValidationError({error.field: [error.message]})


class RecommenderView(APIView):
    throttle_classes = [VisitorThrottle, UserThrottle]

    def handle_exception(self, error: Exception) -> Response:
        return super().handle_exception(refusal(error) if isinstance(error, RecommendationError) else error)

    def checked(self, form: type[forms.StrictSerializer], data: Any) -> Any:
        checked = form(data=data, context={"request": self.request})
        checked.is_valid(raise_exception=True)
        return checked


class RecommendationsView(RecommenderView):
    permission_classes = [AllowAny]

    @extend_schema(
        summary="A list for a customer, a profile or this visitor",
        description="With neither customer nor profile, the list is for whoever is signed in, or for this visit.",
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
        results: list[dict[str, Any]] = [{"row": row, "answer": None, "errors": {}} for row in range(len(rows))]
        sound: list[tuple[int, ListRequest]] = []
        for number, row in enumerate(rows):
            form = forms.ListRequestSerializer(data=row)
            if form.is_valid():
                sound.append((number, form.list_request()))
            else:
                results[number]["errors"] = form.errors
        answers = recommend_many([asked for _, asked in sound])
        for (number, _), answer in zip(sound, answers, strict=True):
            if isinstance(answer, RecommendationError):
                results[number]["errors"] = {answer.field: [answer.message]}
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
        if asked.get("customer") is not None:
            check_may_ask_for(request, asked["customer"])
        elif asked.get("profile") is None:
            asked["customer"] = people.key_of(request.user)
        return Response(predict_rating(**asked).to_dict())


COUNT = OpenApiParameter("count", int, description="1 to 100; 10 unless you say otherwise.")


class ItemListView(RecommenderView):
    """A list that belongs to an item, and is the same for everybody."""

    permission_classes = [AllowAny]

    def answer(self, request: Request, key: str, made_by: Any) -> Response:
        count = self.checked(forms.ItemListQuery, request.query_params.dict()).validated_data["count"]
        try:
            return Response(made_by(key, count).to_dict())
        except RecommendationError as error:
            raise NotFound(error.message) if error.field == "item" else error from None


class SimilarView(ItemListView):
    @extend_schema(
        summary="Items like this one",
        tags=["recommendations"],
        parameters=[COUNT],
        responses={200: forms.ListAnswer, 400: MALFORMED, 404: UNKNOWN_ITEM},
    )
    def get(self, request: Request, key: str) -> Response:
        return self.answer(request, key, similar)


class BoughtTogetherView(ItemListView):
    @extend_schema(
        summary="What buyers of this item buy, too",
        description="Similar items where too few people bought this one with something else.",
        tags=["recommendations"],
        parameters=[COUNT],
        responses={200: forms.ListAnswer, 400: MALFORMED, 404: UNKNOWN_ITEM},
    )
    def get(self, request: Request, key: str) -> Response:
        return self.answer(request, key, bought_together)


class CartView(RecommenderView):
    permission_classes = [AllowAny]

    @extend_schema(
        summary="What goes with a cart",
        tags=["recommendations"],
        request=forms.CartSerializer,
        responses={200: forms.ListAnswer, 400: MALFORMED},
    )
    def post(self, request: Request) -> Response:
        asked = self.checked(forms.CartSerializer, request.data).validated_data
        customer = people.key_of(request.user)
        answer = recommend(
            customer=customer, session_items=tuple(asked["items"]), count=asked["count"], scenario="cart"
        )
        return Response(answer.to_dict())


class EventsView(RecommenderView):
    permission_classes = [AllowAny]

    @extend_schema(
        summary="Tell what somebody did",
        description="A view, click, add_to_cart, purchase or rating. Sent again with the same event_id, it is stored "
        "once and answered with 200. Events are what lists are judged by; a sale itself is recorded as a purchase.",
        tags=["events"],
        request=forms.EventSerializer,
        responses={
            201: forms.EventAnswer,
            200: OpenApiResponse(forms.EventAnswer, "Nothing new was stored."),
            400: MALFORMED,
            401: STRANGER,
            403: NOT_YOURS,
        },
    )
    def post(self, request: Request) -> Response:
        told = dict(self.checked(forms.EventSerializer, request.data).validated_data)
        if told.get("customer") is not None:
            check_may_ask_for(request, told["customer"])
        else:
            told["customer"] = people.key_of(request.user)
        event, new = record_event(session=session_of(request), **told)
        if event is not None and new and told["customer"] is None and event.kind in (Event.Kind.VIEW, Event.Kind.CLICK):
            visits.remember(request, event.item)
        body = {"event_id": told.get("event_id"), "recorded": event is not None}
        return Response(body, status=status.HTTP_201_CREATED if new else status.HTTP_200_OK)


# --- within -----------------------------------------------------------------------------------------------------------


def for_whom(request: Request, asked: ListRequest) -> ListRequest:
    """The request with its customer settled: the one named, if that is allowed, else whoever is signed in."""
    if asked.customer is not None:
        check_may_ask_for(request, asked.customer)
        return asked
    if asked.profile is not None:
        return asked
    looked_at = [*visits.viewed(request), *asked.session_items]
    return ListRequest(**{**vars(asked), "customer": people.key_of(request.user), "session_items": looked_at})


def session_of(request: Request) -> str:
    """The visitor's session, begun now if need be; none for those who come with a token."""
    session = getattr(request, "session", None)
    if session is None or request.auth is not None:
        return ""
    if session.session_key is None:
        session.create()
    return session.session_key or ""
