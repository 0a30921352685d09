"""Fields of requests, and the serializer that refuses fields it does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from django.utils.translation import gettext
from rest_framework import serializers

from recommender.api.limits import MAX_KEYS
from recommender.engine.data.encoders import as_text
from recommender.serving import MAX_COUNT
from recommender.source import MAX_KEY_CHARACTERS

OPTIONAL: dict[str, Any] = {"required": False, "allow_null": True}
CUSTOMER_HELP = "A key. You yourself, unless you hold an API key."
ITEM_HELP = "The item's key."


class StrictSerializer(serializers.Serializer):
    """A field that is not in the list below is refused, by its name."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            # An answer can repeat a name only where half of a surrogate pair, which has no bytes, is spelt out.
            names = (str(name).encode(errors="backslashreplace").decode() for name in data if name not in self.fields)
            errors = {
                name: [gettext("Unknown field. There are: {names}.").format(names=", ".join(self.fields))]
                for name in sorted(names)
            }
            if errors:
                raise serializers.ValidationError(errors)
        return super().to_internal_value(data)

    @classmethod
    def read(cls, data: Any) -> Self:
        """The serializer of data that is sound. ValidationError names the fields that are malformed."""
        serializer = cls(data=data)
        serializer.is_valid(raise_exception=True)
        return serializer

    @property
    def values_given(self) -> dict[str, Any]:
        """The validated fields, without those that are null."""
        return {name: value for name, value in self.validated_data.items() if value is not None}


class ExactTextField(serializers.CharField):
    """Text. A number has the text that training reads in it: 12345.0 is 12345."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(as_text("", data) if isinstance(data, float) else data)


class KeyField(ExactTextField):
    """The key of a customer or an item."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_KEY_CHARACTERS, **options)


class KeysField(serializers.ListField):
    def __init__(self, *, child: serializers.Field | None = None, **options: Any) -> None:
        super().__init__(child=child or KeyField(), max_length=MAX_KEYS, **options)


class FeaturesField(serializers.DictField):
    """Any part of a profile or of the description of an item, in the spelling of the models or of the aliases.

    The recommender itself checks the names and types.
    """

    def __init__(self, **options: Any) -> None:
        child = serializers.JSONField(allow_null=True, help_text="Text, a number or a list of them; null for missing.")
        super().__init__(child=child, **OPTIONAL, **options)


class CountField(serializers.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_COUNT, default=10, **options)
