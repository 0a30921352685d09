"""What people do not want to be shown, over the API."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiResponse
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from recommender import feedback
from recommender.api.access import customer_of, scope_of
from recommender.api.answers import DismissalAnswer
from recommender.api.endpoint import RecommenderView, documented
from recommender.api.requests import DismissalSerializer, DismissedQuery
from recommender.words import Words, in_words


class DismissalsView(RecommenderView):
    @documented(
        {200: DismissalAnswer(many=True)},
        summary="What somebody does not want to be shown, the latest first",
        parameters=[DismissedQuery],
    )
    def get(self, request: Request) -> Response:
        fields = DismissedQuery.read(request.query_params).validated_data
        scope = scope_of(request, fields)
        named = customer_of(request, fields, scope) if fields.get("customer") is not None else None
        if named is None:
            items = feedback.dismissals_of_request(request, scope)
        else:
            items = feedback.dismissals_of_customer(named, scope)
        return Response([{"item": item} for item in items])

    @documented(
        {201: DismissalAnswer},
        summary="Not interested: an item is in none of somebody's lists from now on",
        description="A customer's, or this visitor's for the length of the visit. Said again, it changes nothing.",
        request=DismissalSerializer,
    )
    def post(self, request: Request) -> Response:
        fields = DismissalSerializer.read(request.data).validated_data
        scope = scope_of(request, fields)
        customer = customer_of(request, fields, scope)
        if customer is None:
            feedback.dismiss_for_request(request, fields["item"], scope)
        else:
            feedback.dismiss(customer=customer, item=fields["item"], scope=scope)
        return Response({"item": fields["item"]}, status=status.HTTP_201_CREATED)


class DismissalView(RecommenderView):
    @documented(
        {204: None, 404: OpenApiResponse(description="The item was not dismissed.")},
        summary="Interested after all: lists may hold the item again",
        parameters=[DismissedQuery],
    )
    def delete(self, request: Request, key: str) -> Response:
        fields = DismissedQuery.read(request.query_params).validated_data
        scope = scope_of(request, fields)
        named = customer_of(request, fields, scope) if fields.get("customer") is not None else None
        if named is None:
            was_dismissed = feedback.undo_dismissal_for_request(request, key, scope)
        else:
            was_dismissed = feedback.undo_dismissal(customer=named, item=key, scope=scope)
        if not was_dismissed:
            raise NotFound(in_words(Words("{key!r} was not dismissed.", key=key)))
        return Response(status=status.HTTP_204_NO_CONTENT)
