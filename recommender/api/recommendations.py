"""Lists and ratings over the API. Each endpoint checks what it was sent and calls the serving room."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from recommender import feedback
from recommender.api.access import MayAskForAnyone, customer_of, scope_of
from recommender.api.answers import BatchAnswer, InterestedCustomersAnswer, ListAnswer, RatingAnswer
from recommender.api.endpoint import RecommenderView, as_api_error, documented, field_errors
from recommender.api.limits import MAX_BATCH_REQUESTS
from recommender.api.requests import (
    BatchSerializer,
    CartSerializer,
    InterestedQuery,
    ListQuery,
    ListRequestSerializer,
    RatingRequestSerializer,
)
from recommender.errors import RecommendationError
from recommender.serving import (
    KINDS,
    MOST_CUSTOMERS,
    ListKind,
    ListRequest,
    interested_customers,
    make_list,
    predict_rating,
    recommend,
    recommend_many,
)
from recommender.source import customer_key_of
from recommender.words import in_words

FOR_YOU, CART = KINDS["for_you"], KINDS["cart"]


class RecommendationsView(RecommenderView):
    @documented(
        {200: ListAnswer},
        summary=FOR_YOU.summary,
        description=FOR_YOU.description,
        request=ListRequestSerializer,
    )
    def post(self, request: Request) -> Response:
        fields = ListRequestSerializer.read(request.data).values_given
        if "customer" not in fields and "profile" not in fields:
            fields["session_items"] = [*feedback.views_of_visitor(request), *fields.get("session_items", ())]
        return Response(recommend(**for_sender(request, fields)).to_dict())


class CartView(RecommenderView):
    @documented({200: ListAnswer}, summary=CART.summary, description=CART.description, request=CartSerializer)
    def post(self, request: Request) -> Response:
        fields = for_sender(request, CartSerializer.read(request.data).values_given)
        return Response(make_list(CART.name, fields.pop("items"), **fields).to_dict())


class BatchView(RecommenderView):
    own_permissions = (MayAskForAnyone,)

    @documented(
        {200: BatchAnswer},
        summary=f"Up to {MAX_BATCH_REQUESTS:,} lists at once",
        description="Every request gets its own answer; a malformed one does not cost the others theirs.",
        request=BatchSerializer,
    )
    def post(self, request: Request) -> Response:
        data = {"requests": request.data} if isinstance(request.data, list) else request.data
        forms = [ListRequestSerializer(data=row) for row in BatchSerializer.read(data).validated_data["requests"]]
        asked = [self.asked_for(request, form) for form in forms if form.is_valid()]
        told = iter(recommend_many([one for one in asked if isinstance(one, ListRequest)]))
        answers = iter([next(told) if isinstance(one, ListRequest) else one for one in asked])
        results = []
        for row, form in enumerate(forms):
            answer: Any = None if form.errors else next(answers)
            detail: Any = form.errors
            if isinstance(answer, RecommendationError):
                answer, detail = None, as_api_error(answer).detail
            results.append({"row": row, "answer": answer and answer.to_dict(), "errors": field_errors(detail)})
        return Response({"results": results})

    def asked_for(self, request: Request, form: ListRequestSerializer) -> ListRequest | RecommendationError:
        """The request of a row; the error of one whose scope is missing, or not for this key to name."""
        fields = form.values_given
        try:
            return ListRequest(**fields | {"scope": scope_of(request, fields)})
        except PermissionDenied as error:
            return RecommendationError("scope", str(error.detail))
        except RecommendationError as error:
            return error


class RatingsView(RecommenderView):
    @documented(
        {200: RatingAnswer},
        summary="The rating that somebody would give an item",
        description="Somebody: a customer or a profile; nobody named: whoever is signed in, or anybody.",
        request=RatingRequestSerializer,
    )
    def post(self, request: Request) -> Response:
        fields = RatingRequestSerializer.read(request.data).values_given
        scope = scope_of(request, fields)
        who = {"customer": customer_of(request, fields, scope), "scope": scope}
        return Response(predict_rating(**fields | who).to_dict())


class InterestedCustomersView(RecommenderView):
    own_permissions = (MayAskForAnyone,)

    @documented(
        {200: InterestedCustomersAnswer, 404: OpenApiResponse(description="There is no such item.")},
        summary="Who wants an item",
        description=f"Of the {MOST_CUSTOMERS:,} customers who bought last those who want it most, the keenest first. "
        "Left out is who opted out of personalisation, bought it or dismissed it.",
        parameters=[InterestedQuery],
    )
    def get(self, request: Request, key: str) -> Response:
        fields = InterestedQuery.read(request.query_params).values_given
        scope = scope_of(request, fields)
        try:
            return Response(interested_customers(key, fields["count"], scope).to_dict())
        except RecommendationError as error:
            raise NotFound(in_words(error)) from None


class KindView(RecommenderView):
    """A list of one kind: the same for everybody, but for what somebody bought, dismissed or looked at."""

    kind: ListKind

    def answer(self, request: Request, item: str | None = None) -> Response:
        options = self.read_options(request)
        about: Any = item
        if self.kind.takes in ("customer", "session_items"):  # lists of the sender, where nobody is named
            options["customer"] = options.get("customer") or customer_key_of(request.user, options["scope"])
        if self.kind.takes == "customer":
            about = options.pop("customer")
        elif self.kind.takes == "session_items":
            about = feedback.views_of_visitor(request)
        try:
            return Response(make_list(self.kind.name, about, **options).to_dict())
        except RecommendationError as error:
            raise NotFound(in_words(error)) if error.field == "item" else error from None

    def read_options(self, request: Request) -> dict[str, Any]:
        """The options of the list; without a customer, what the sender dismissed is left out."""
        options = ListQuery.read(request.query_params).options()
        options["scope"] = scope = scope_of(request, options)
        if "customer" in options:
            return options | {"customer": customer_of(request, options, scope)}
        exclude = [*options.get("exclude", ()), *feedback.dismissals_of_request(request, scope)]
        return options | {"exclude": exclude, "visitor": feedback.begin_visit(request)}


def view_of(kind: ListKind) -> type[KindView]:
    """The view of a kind of list, described for the API's document."""
    about_item = kind.takes == "item"
    describe = documented(
        {200: ListAnswer, **({404: OpenApiResponse(description="There is no such item.")} if about_item else {})},
        summary=kind.summary,
        description=kind.description or None,
        parameters=[ListQuery],
    )

    def get(self: KindView, request: Request) -> Response:
        return self.answer(request)

    def get_of_item(self: KindView, request: Request, key: str) -> Response:
        return self.answer(request, key)

    method = describe(get_of_item if about_item else get)
    return type(f"{type(kind).__name__}View", (KindView,), {"kind": kind, "get": method})


def for_sender(request: Request, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request with its customer settled, the visit of a visitor, and what this session dismissed.

    What a customer dismissed is read with the customer.
    """
    scope = scope_of(request, fields)
    customer = customer_of(request, fields, scope)
    of_sender = "profile" not in fields and fields.get("customer") is None
    dismissed = feedback.dismissals_in_session(request) if of_sender else []
    exclude = [*fields.get("exclude", ()), *dismissed]
    who = {"customer": customer, "scope": scope, "visitor": feedback.begin_visit(request)}
    return fields | who | {"exclude": exclude}
