"""What the API is asked, checked field by field, and what it answers. Errors name the field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from recommender.engine.data.encoders import as_text
from recommender.errors import TrainingError
from recommender.models import Event, ModelVersion, TrainingRun
from recommender.registry import report_for
from recommender.serving import FALLBACK_REASONS, MAX_COUNT, SOURCES, UNRATED_REASONS, ListRequest
from recommender.source import get_source, validate_time
from recommender.training import read_parameters

MOST_REQUESTS = 1_000  # in one batch
MOST_KEYS = 1_000  # in one list of a request
LONGEST_KEY = 64


class StrictSerializer(serializers.Serializer):
    """A field nobody knows is a mistake worth hearing about."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(ascii_only(str(name)) for name in data if name not in self.fields)
            if unknown:
                known = ", ".join(self.fields)
                raise serializers.ValidationError({name: [f"Unknown field. There are: {known}."] for name in unknown})
        return super().to_internal_value(data)


def ascii_only(text: str) -> str:
    """Text that any answer can repeat: half of a surrogate pair has no bytes."""
    return text.encode(errors="backslashreplace").decode()


class ExactTextField(serializers.CharField):
    """Text. A number has the text that training reads in it: 12345.0 is 12345."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(as_text("", data) if isinstance(data, float) else data)


class KeyField(ExactTextField):
    """The key of a customer or an item."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=LONGEST_KEY, **options)


class KeysField(serializers.ListField):
    def __init__(self, **options: Any) -> None:
        super().__init__(child=KeyField(), max_length=MOST_KEYS, **options)


class FeaturesField(serializers.DictField):
    """Any part of a profile or an item description, in the spelling of the models or of the aliases.

    Names and types are checked by the recommender itself, which knows them.
    """

    def __init__(self, **options: Any) -> None:
        child = serializers.JSONField(allow_null=True, help_text="Text or a number; null for missing.")
        super().__init__(child=child, **options)


class WhoSerializer(StrictSerializer):
    customer = KeyField(required=False, allow_null=True, help_text="A key. You yourself, unless you hold an API key.")
    profile = FeaturesField(
        required=False, allow_null=True, help_text='Instead of a customer: {"Age": 28, "Gender": "Female"}'
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("customer") is not None and attrs.get("profile") is not None:
            raise serializers.ValidationError({"profile": ["Give either a customer or a profile, not both."]})
        return attrs


class CountField(serializers.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_COUNT, default=10, **options)


class OptionsSerializer(StrictSerializer):
    """What restricts a list."""

    count = CountField()
    exclude_purchased = serializers.BooleanField(default=True)
    exclude = KeysField(required=False, help_text="Items not to list.")
    filter = serializers.DictField(
        child=serializers.ListField(child=ExactTextField(), max_length=MOST_KEYS),
        required=False,
        allow_null=True,
        help_text='{"category": ["Books"]}: only items whose field has one of the values.',
    )
    diversity = serializers.FloatField(
        min_value=0, max_value=1, default=0.0, help_text="0: the best first. 1: as unlike each other as can be."
    )
    rotation = serializers.FloatField(
        min_value=0,
        max_value=1,
        default=0.0,
        help_text="0: always in the same order. 1: items of like score change places from one day to the next.",
    )
    page_token = serializers.CharField(
        required=False, allow_null=True, help_text="`next_page_token` of the page before: nothing is repeated."
    )


class ListRequestSerializer(WhoSerializer, OptionsSerializer):
    scenario = serializers.CharField(max_length=50, default="home", help_text="Where the list is shown: your own word.")
    session_items = KeysField(required=False, help_text="Items looked at just now, the latest last.")
    reasons = serializers.BooleanField(default=True, help_text="false: do not say why; it is quicker.")

    def list_request(self) -> ListRequest:
        return ListRequest(**{name: value for name, value in self.validated_data.items() if value is not None})


class BatchSerializer(StrictSerializer):
    requests = serializers.ListField(
        child=serializers.DictField(child=serializers.JSONField()),
        max_length=MOST_REQUESTS,
        help_text="Each as one would send it alone.",
    )


class CartSerializer(WhoSerializer, OptionsSerializer):
    items = KeysField(allow_empty=False, help_text="What is in the cart, the latest last.")


class ListQuery(StrictSerializer):
    """What restricts a list that is asked for by its address: `?count=4&category=Books&category=Games&exclude=B7`."""

    customer = KeyField(
        required=False,
        help_text="A key: what they bought or dismissed is left out. You yourself, unless you hold an API key.",
    )
    count = CountField()
    exclude = KeysField(required=False, help_text="Items not to list; may be given more than once.")
    page_token = serializers.CharField(
        required=False, help_text="`next_page_token` of the page before: nothing is repeated."
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        def one_of(name: str) -> serializers.Field:
            words = f"Only items whose {name} is this; may be given more than once."
            child = ExactTextField()
            return serializers.ListField(child=child, max_length=MOST_KEYS, required=False, help_text=words)

        return {name: one_of(name) for name in get_source().item_filters} | super().get_fields()

    def options(self) -> dict[str, Any]:
        """The options of the door's functions."""
        given = dict(self.validated_data)
        filters = {name: given.pop(name) for name in get_source().item_filters if name in given}
        return given | {"filter": filters}


class RatingRequestSerializer(WhoSerializer):
    item = KeyField(required=False, allow_null=True)
    item_features = FeaturesField(
        required=False, allow_null=True, help_text='Instead of an item: {"Product_Brand": "Apple"}'
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if (attrs.get("item") is None) == (attrs.get("item_features") is None):
            raise serializers.ValidationError({"item": ["Give either an item or item_features."]})
        return attrs


class DismissedQuery(StrictSerializer):
    customer = KeyField(required=False, help_text="A key. You yourself, unless you hold an API key.")


class DismissalSerializer(DismissedQuery):
    item = KeyField(help_text="Not to be shown again.")


class EventSerializer(StrictSerializer):
    kind = serializers.ChoiceField(choices=Event.Kind.choices)
    item = KeyField()
    event_id = serializers.CharField(
        max_length=100,
        required=False,
        allow_null=True,
        help_text="Your own id: a repeat of yours is stored once.",
    )
    customer = KeyField(required=False, allow_null=True, help_text="A key. You yourself, unless you hold an API key.")
    recommendation_id = serializers.UUIDField(required=False, allow_null=True, help_text="The list it happened in.")
    value = serializers.FloatField(
        required=False, allow_null=True, min_value=0, help_text="The rating (0 to 5), or the amount paid."
    )
    time = serializers.DateTimeField(
        required=False,
        allow_null=True,
        validators=[validate_time],
        help_text="Now, unless you say otherwise: from 1970 to a day ahead. Of a visitor, always now.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        value = attrs.get("value")
        if attrs["kind"] == Event.Kind.RATING and (value is None or value > 5):
            raise serializers.ValidationError({"value": ["A rating needs a value from 0 to 5."]})
        return attrs


# --- answers ----------------------------------------------------------------------------------------------------------


class ReasonAnswer(serializers.Serializer):
    kind = serializers.CharField(help_text="because_you_bought, because_of_your_profile, because_you_viewed, ...")
    item = serializers.CharField(required=False)
    field = serializers.CharField(required=False)


class RecommendationAnswer(serializers.Serializer):
    item = serializers.CharField(help_text="The item's key.")
    score = serializers.FloatField(help_text="Higher is better. Comparable within one list only.")
    rating = serializers.FloatField(allow_null=True, help_text="Predicted, 0 to 5; null: none can be.")
    reasons = ReasonAnswer(many=True)


class ListAnswer(serializers.Serializer):
    recommendation_id = serializers.UUIDField(help_text="Send it with the events that follow.")
    model_version = serializers.CharField(allow_null=True)
    source = serializers.CharField(  # type: ignore[assignment]
        help_text="What made the list: " + ", ".join(SOURCES) + "."
    )
    fallback_reason = serializers.CharField(
        allow_null=True, help_text="Why the list is not personal: " + ", ".join(FALLBACK_REASONS) + "."
    )
    next_page_token = serializers.CharField(allow_null=True)
    items = RecommendationAnswer(many=True)


class RequestError(serializers.Serializer):
    field = serializers.CharField(allow_null=True, help_text="null: the request as a whole.")
    code = serializers.CharField()
    detail = serializers.CharField()


class BatchRow(serializers.Serializer):
    row = serializers.IntegerField(help_text="Place in the list that was sent, from 0.")
    answer = ListAnswer(allow_null=True)
    errors = RequestError(many=True, help_text="Why there is no answer; empty when there is one.")  # type: ignore[assignment]


class BatchAnswer(serializers.Serializer):
    results = BatchRow(many=True)


class RatingAnswer(serializers.Serializer):
    rating = serializers.FloatField(allow_null=True, help_text="0 to 5; null: none can be predicted.")
    model_version = serializers.CharField(
        allow_null=True, help_text="null: no model said so, it is what people gave on average, or there is no rating."
    )
    fallback_reason = serializers.CharField(
        allow_null=True,
        help_text="Why there is no rating ("
        + ", ".join(UNRATED_REASONS)
        + "), or why it is not this customer's own: unknown_customer, opted_out, anonymous, no_model, model_failed.",
    )


class DismissalAnswer(serializers.Serializer):
    item = serializers.CharField(help_text="The item's key.")


class EventAnswer(serializers.Serializer):
    event_id = serializers.CharField(allow_null=True)
    recorded = serializers.BooleanField(help_text="false for a customer who opted out: nothing is kept of them.")


# --- what lists bring -------------------------------------------------------------------------------------------------


FOUR_WEEKS = timedelta(days=27)  # with the last day


class PeriodQuery(StrictSerializer):
    """From one day to another, both included, in the site's time zone; the last four weeks unless it is said."""

    first = serializers.DateField(required=False, help_text="The first day; four weeks before the last, if not given.")
    last = serializers.DateField(required=False, help_text="The last day; today, if not given.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        last = attrs.get("last") or timezone.localdate(timezone=timezone.get_default_timezone())
        first = attrs.get("first") or max(last, date.min + FOUR_WEEKS) - FOUR_WEEKS
        if first > last:
            raise serializers.ValidationError({"first": [f"first, {first}, is after last, {last}."]})
        return {"first": first, "last": last}


class EstimateAnswer(serializers.Serializer):
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True, help_text="Of a 95 % interval; null where there are too few clicks.")
    high = serializers.FloatField(allow_null=True)


class ListResultAnswer(serializers.Serializer):
    scenario = serializers.CharField()
    source = serializers.CharField(help_text="What made the lists, as in a list's answer.")  # type: ignore[assignment]
    version = serializers.CharField(help_text="The model version; empty where no model made them.")
    lists = serializers.IntegerField()
    views = serializers.IntegerField(help_text="Items that the lists held.")
    clicks = serializers.IntegerField()
    clicked = serializers.IntegerField(help_text="Lists clicked on at least once.")
    orders = serializers.IntegerField(help_text="Purchases credited to the lists.")
    revenue = serializers.FloatField(help_text="What was paid for these.")
    click_rate = EstimateAnswer(help_text="Share of lists clicked on.")
    revenue_per_list = EstimateAnswer()
    click_rate_beside_popular = EstimateAnswer(
        allow_null=True, help_text="Less that of the scenario's popular lists; null for these themselves."
    )
    revenue_beside_popular = EstimateAnswer(allow_null=True)


@extend_schema_serializer(many=False)
class ListResultsAnswer(serializers.Serializer):
    first = serializers.DateField()
    last = serializers.DateField()
    attribution_days = serializers.IntegerField(
        help_text="A purchase is credited to the last list with a click on the item at most so many days before."
    )
    counted = serializers.DateTimeField(allow_null=True, help_text="When lists were counted last; null: never.")
    results = ListResultAnswer(many=True)


# --- training ---------------------------------------------------------------------------------------------------------


class StartRunSerializer(StrictSerializer):
    parameters = serializers.DictField(
        child=serializers.JSONField(),
        default=dict,
        help_text='Settings by name, such as {"loss": "softmax", "epochs": 20}; the others take their defaults. '
        '"warm_start": true goes on from the live version, "tune": 20 tries 20 settings first.',
    )

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            read_parameters(parameters)
        except TrainingError as error:
            raise serializers.ValidationError(str(error)) from None
        return parameters


class RollBackSerializer(StrictSerializer):
    reason = serializers.CharField(
        default="", allow_blank=True, max_length=1_000, help_text="Is kept with the promotion."
    )


class PromoteSerializer(RollBackSerializer):
    override = serializers.BooleanField(default=False, help_text="Promote although the gate refused; needs a reason.")


class RunSerializer(serializers.ModelSerializer):
    version = serializers.CharField(source="version.name", allow_null=True, default=None, read_only=True)
    started_by = serializers.CharField(source="started_by.username", allow_null=True, default=None, read_only=True)
    cancelled_by = serializers.CharField(source="cancelled_by.username", allow_null=True, default=None, read_only=True)

    class Meta:
        model = TrainingRun
        fields = [
            "id",
            "state",
            "phase",
            "progress",
            "version",
            "parameters",
            "metrics",
            "counts",
            "fingerprint",
            "error",
            "started_by",
            "cancelled_by",
            "created",
            "started",
            "finished",
            "heartbeat",
        ]
        read_only_fields = fields


class RunDetailSerializer(RunSerializer):
    """One run, with its curve and the end of its log."""

    class Meta(RunSerializer.Meta):
        fields = [*RunSerializer.Meta.fields, "curve", "log"]
        read_only_fields = fields


class VersionSerializer(serializers.ModelSerializer):
    live = serializers.SerializerMethodField(help_text="Whether this is the version that serves.")
    metrics = serializers.DictField(read_only=True)

    class Meta:
        model = ModelVersion
        fields = ["name", "run", "live", "passed_gate", "gate_reason", "metrics", "fingerprint", "created"]
        read_only_fields = fields

    def get_live(self, version: ModelVersion) -> bool:
        return version.pk == self.context.get("live")


class VersionDetailSerializer(VersionSerializer):
    """One version, with everything that was measured."""

    report = serializers.SerializerMethodField()

    class Meta(VersionSerializer.Meta):
        fields = [*VersionSerializer.Meta.fields, "report"]
        read_only_fields = fields

    def get_report(self, version: ModelVersion) -> dict[str, Any]:
        return report_for(self.context["request"].user, version)
