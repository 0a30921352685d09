"""What the API is sent about lists, ratings, dismissals and events, checked field by field."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext
from rest_framework import serializers

from recommender.api.fields import (
    CUSTOMER_HELP,
    OPTIONAL,
    CountField,
    ExactTextField,
    FeaturesField,
    KeyField,
    KeysField,
    StrictSerializer,
)
from recommender.api.limits import MAX_BATCH_REQUESTS, MAX_EVENT_ID_CHARACTERS, MAX_INTERESTED
from recommender.models import Event
from recommender.serving import LONGEST_SCENARIO
from recommender.source import get_source, validate_time

NOT_LISTED_HELP = "Items not to list"
NEXT_PAGE_HELP = "`next_page_token` of the page before: nothing is repeated."


class ScopedSerializer(StrictSerializer):
    """With the field `scope`, where the source has scopes."""

    def get_fields(self) -> dict[str, serializers.Field]:
        if not get_source().item_scope:
            return super().get_fields()
        scope = KeyField(
            required=False, help_text="The site, tenant or market, where you hold an API key that may say."
        )
        return super().get_fields() | {"scope": scope}


class CustomerOrProfileSerializer(ScopedSerializer):
    customer = KeyField(**OPTIONAL, help_text=CUSTOMER_HELP)
    profile = FeaturesField(help_text='Instead of a customer: {"Age": 28, "Gender": "Female"}')

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("customer") is not None and attrs.get("profile") is not None:
            raise serializers.ValidationError({"profile": [gettext("Give either a customer or a profile, not both.")]})
        return attrs


class OptionsSerializer(StrictSerializer):
    """What restricts a list."""

    count = CountField()
    exclude_purchased = serializers.BooleanField(default=True)
    exclude = KeysField(required=False, help_text=f"{NOT_LISTED_HELP}.")
    filter = serializers.DictField(
        child=KeysField(child=ExactTextField()),
        **OPTIONAL,
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
    page_token = serializers.CharField(**OPTIONAL, help_text=NEXT_PAGE_HELP)


class ListRequestSerializer(CustomerOrProfileSerializer, OptionsSerializer):
    scenario = serializers.CharField(
        max_length=LONGEST_SCENARIO, default="home", help_text="Where the list is shown: your own word."
    )
    session_items = KeysField(required=False, help_text="Items looked at just now, the latest last.")
    reasons = serializers.BooleanField(default=True, help_text="false: do not say why; it is quicker.")


class BatchSerializer(StrictSerializer):
    requests = serializers.ListField(
        child=serializers.DictField(child=serializers.JSONField()),
        max_length=MAX_BATCH_REQUESTS,
        help_text="Each as one would send it alone.",
    )


class CartSerializer(CustomerOrProfileSerializer, OptionsSerializer):
    items = KeysField(allow_empty=False, help_text="What is in the cart, the latest last.")


class ListQuery(ScopedSerializer):
    """What restricts a list that is read with GET: `?count=4&category=Books&category=Games&exclude=B7`."""

    customer = KeyField(
        required=False,
        help_text="A key: what they bought or dismissed is left out. You yourself, unless you hold an API key.",
    )
    count = CountField()
    exclude = KeysField(required=False, help_text=f"{NOT_LISTED_HELP}; may be given more than once.")
    page_token = serializers.CharField(required=False, help_text=NEXT_PAGE_HELP)

    def get_fields(self) -> dict[str, serializers.Field]:
        def one_of(name: str) -> serializers.Field:
            words = f"Only items whose {name} is this; may be given more than once."
            return KeysField(child=ExactTextField(), required=False, help_text=words)

        return {name: one_of(name) for name in get_source().item_filters} | super().get_fields()

    def options(self) -> dict[str, Any]:
        """The fields of a ListRequest."""
        options = self.values_given
        filters = {name: options.pop(name) for name in get_source().item_filters if name in options}
        return options | {"filter": filters}


class InterestedQuery(ScopedSerializer):
    count = serializers.IntegerField(min_value=1, max_value=MAX_INTERESTED, default=100, help_text="How many customers")


class RatingRequestSerializer(CustomerOrProfileSerializer):
    item = KeyField(**OPTIONAL)
    item_features = FeaturesField(help_text='Instead of an item: {"Product_Brand": "Apple"}')

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if (attrs.get("item") is None) == (attrs.get("item_features") is None):
            raise serializers.ValidationError({"item": [gettext("Give either an item or item_features.")]})
        return attrs


class DismissedQuery(ScopedSerializer):
    customer = KeyField(required=False, help_text=CUSTOMER_HELP)


class DismissalSerializer(DismissedQuery):
    item = KeyField(help_text="Not to be shown again.")


class EventSerializer(ScopedSerializer):
    kind = serializers.ChoiceField(choices=Event.Kind.choices)
    item = KeyField()
    event_id = serializers.CharField(
        max_length=MAX_EVENT_ID_CHARACTERS, **OPTIONAL, help_text="Your own id: a repeat of yours is stored once."
    )
    customer = KeyField(**OPTIONAL, help_text=CUSTOMER_HELP)
    recommendation_id = serializers.UUIDField(**OPTIONAL, help_text="The list it happened in.")
    value = serializers.FloatField(**OPTIONAL, min_value=0, help_text="The rating (0 to 5), or the amount paid.")
    time = serializers.DateTimeField(
        **OPTIONAL,
        validators=[validate_time],
        help_text="Now, unless you say otherwise: from 1970 to a day ahead. Of a visitor, always now.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        value = attrs.get("value")
        if attrs["kind"] == Event.Kind.RATING and (value is None or value > 5):
            raise serializers.ValidationError({"value": [gettext("A rating needs a value from 0 to 5.")]})
        return attrs
