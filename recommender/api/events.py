"""Events over the API: what people did with items and lists."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiResponse
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender import feedback
from recommender.api.access import customer_of, may_ask_for_anyone, scope_of
from recommender.api.answers import EventAnswer
from recommender.api.endpoint import RecommenderView, documented
from recommender.api.requests import EventSerializer
from recommender.errors import EventChanged
from recommender.models import Event
from recommender.words import in_words


class ContentConflict(ValidationError):
    """What was sent differs from what is stored: `detail` says how, by field."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"
    problem_type = "urn:problem-type:recommender:conflict"


class EventsView(RecommenderView):
    @documented(
        {
            201: EventAnswer,
            200: OpenApiResponse(EventAnswer, "Nothing new was stored."),
            409: OpenApiResponse(description="Your event_id stands for another event: `errors` names what differs."),
        },
        tag="events",
        summary="Tell what somebody did",
        description="A view, click, add_to_cart, purchase or rating. Sent again by you with the same event_id, it is "
        "stored once and answered with 200; with the same event_id and other content, with 409. An event counts for a "
        "list that held the item and was shown to whoever the event is of, once for each kind of event and item. "
        "Events are what lists are judged by; a sale itself is recorded as a purchase.",
        request=EventSerializer,
    )
    def post(self, request: Request) -> Response:
        fields = EventSerializer.read(request.data).values_given
        scope = fields["scope"] = scope_of(request, fields)
        customer = fields["customer"] = customer_of(request, fields, scope)
        sender, session = feedback.sender_of(request), feedback.session_key_of(request)  # begins a visit
        visitors = None if may_ask_for_anyone(request) else feedback.visitor_ids_of(request)
        try:
            event, is_new = feedback.record_event(session=session, sender=sender, visitors=visitors, **fields)
        except EventChanged as error:
            raise ContentConflict({name: [in_words(words)] for name, words in error.fields.items()}) from None
        if event is not None and is_new and customer is None and event.kind in (Event.Kind.VIEW, Event.Kind.CLICK):
            feedback.remember_view(request, event.item)
        body = {"event_id": fields.get("event_id"), "recorded": event is not None}
        return Response(body, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)
