"""What the API answers about lists, ratings, dismissals and events, for the API's document."""

from __future__ import annotations

from rest_framework import serializers

from recommender.api.fields import ITEM_HELP
from recommender.serving import FALLBACK_REASONS, SOURCES, UNRATED_REASONS


class ReasonAnswer(serializers.Serializer):
    kind = serializers.CharField(help_text="because_you_bought, because_of_your_profile, because_you_viewed, ...")
    item = serializers.CharField(required=False)
    field = serializers.CharField(required=False)
    value = serializers.CharField(required=False, help_text="Of the item's field: you often buy what shares it.")


class RecommendationAnswer(serializers.Serializer):
    item = serializers.CharField(help_text=ITEM_HELP)
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


class InterestedCustomerAnswer(serializers.Serializer):
    customer = serializers.CharField()
    score = serializers.FloatField(help_text="Higher is keener. It compares over customers.")
    rating = serializers.FloatField(allow_null=True, help_text="Predicted, 0 to 5; null: none can be.")
    reasons = ReasonAnswer(many=True, help_text="Empty.")


class InterestedCustomersAnswer(serializers.Serializer):
    recommendation_id = serializers.UUIDField(allow_null=True, help_text="null: nothing was shown to anybody.")
    model_version = serializers.CharField(allow_null=True)
    source = serializers.CharField(help_text="two_tower")  # type: ignore[assignment]
    fallback_reason = serializers.CharField(allow_null=True, help_text="Why there is nobody: no_model, model_failed.")
    next_page_token = serializers.CharField(allow_null=True, help_text="null")
    items = InterestedCustomerAnswer(many=True)


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
    item = serializers.CharField(help_text=ITEM_HELP)


class EventAnswer(serializers.Serializer):
    event_id = serializers.CharField(allow_null=True)
    recorded = serializers.BooleanField(help_text="false for a customer who opted out: nothing is kept of them.")
