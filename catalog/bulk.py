"""POST of a list: every row gets its own answer, and a bad row does not cost the good ones."""

from collections import Counter

from django.db import transaction
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiResponse, PolymorphicProxySerializer, extend_schema
from drf_standardized_errors.formatter import flatten_errors
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

MOST_ROWS = 1000


class FieldError(serializers.Serializer):
    field = serializers.CharField(
        allow_null=True,
        help_text="Dots lead inwards: `requests.3` is the fourth request, from 0. null: the whole of what was sent.",
    )
    code = serializers.CharField(help_text="What is wrong in one word that does not change: `required`, `max_value`.")
    detail = serializers.CharField(help_text="What is wrong, in a sentence.")


class RowResult(serializers.Serializer):
    row = serializers.IntegerField(help_text="Place in the list that was sent, from 0.")
    status = serializers.ChoiceField(choices=[("created", "created"), ("repeated", "repeated"), ("refused", "refused")])
    id = serializers.CharField(allow_null=True, help_text="What the row is called from now on; null when refused.")
    errors = FieldError(many=True, help_text="Why the row was refused; empty when it was not.")


class BulkResult(serializers.Serializer):
    created = serializers.IntegerField()
    repeated = serializers.IntegerField(help_text="Sent before and stored then: nothing was changed.")
    refused = serializers.IntegerField()
    results = RowResult(many=True)


def documents_bulk_create(serializer: type[serializers.Serializer]):
    """Class decorator: says in the API's schema that `create` takes one row or a list of them."""
    name = serializer.__name__.removesuffix("Serializer")
    body = PolymorphicProxySerializer(
        component_name=f"{name}OrList",
        serializers=[serializer, serializer(many=True)],
        resource_type_field_name=None,
        many=False,
    )
    answers = {
        201: OpenApiResponse(serializer, "One row was sent and stored."),
        200: OpenApiResponse(BulkResult, "A list was sent: what became of each row."),
    }
    note = f"One object, or a list of up to {MOST_ROWS}: the good rows are stored, and each row is answered for."
    summary = f"Create a {name.lower()}, or a list of them"
    return extend_schema(summary=summary, request=body, responses=answers, description=note)


class BulkCreateMixin:
    """A view set's `create`, for one row or many. `lookup_field` names what a stored row is called."""

    own_id_field = "key"  # the sender's own name of a row

    def create(self, request: Request) -> Response:
        if isinstance(request.data, list):
            return Response(self.create_many(request.data))
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        repeated = getattr(serializer, "repeated", False)
        return Response(serializer.data, status=status.HTTP_200_OK if repeated else status.HTTP_201_CREATED)

    @transaction.atomic
    def create_many(self, rows: list[object]) -> dict[str, object]:
        if len(rows) > MOST_ROWS:
            raise serializers.ValidationError(
                {
                    "non_field_errors": [
                        gettext("{count} rows; at most {most} at once.").format(count=len(rows), most=MOST_ROWS)
                    ]
                }
            )
        context = {**self.get_serializer_context(), **self.related_rows(rows)}
        # In the order of their own ids, not of the list: of two lists that are sent at once, with rows in common, one
        # then waits for the other instead of each for the other.
        in_order = sorted(enumerate(rows), key=lambda row: self.own_id(row[1]))
        results = sorted((self.create_row(*row, context) for row in in_order), key=lambda result: result["row"])
        counts = Counter(result["status"] for result in results)
        return {**{name: counts[name] for name in ("created", "repeated", "refused")}, "results": results}

    def related_rows(self, rows: list[object]) -> dict[str, object]:
        """What the rows refer to, looked up at once for the serializer's context."""
        return {}

    def own_id(self, row: object) -> str:
        return str(row.get(self.own_id_field) or "") if isinstance(row, dict) else ""

    def create_row(self, number: int, row: object, context: dict) -> dict[str, object]:
        serializer = self.get_serializer_class()(data=row, context=context)
        try:
            serializer.is_valid(raise_exception=True)
            with transaction.atomic():
                stored = serializer.save()
        except serializers.ValidationError as error:
            return {"row": number, "status": "refused", "id": None, "errors": field_errors(error.detail)}
        outcome = "repeated" if getattr(serializer, "repeated", False) else "created"
        return {"row": number, "status": outcome, "id": str(getattr(stored, self.lookup_field)), "errors": []}


def field_errors(detail: object) -> list[dict[str, str | None]]:
    """What is wrong by field, of the `detail` of a ValidationError; see FieldError."""
    return [
        {
            "field": None if error.attr == "non_field_errors" else error.attr,
            "code": error.code or "invalid",
            "detail": error.detail,
        }
        for error in flatten_errors(detail)
    ]
