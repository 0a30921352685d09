"""Serializers that refuse what they do not know: a misspelt field is an error by its name."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from rest_framework import serializers, status


def storable(text: str) -> bool:
    """Whether a database can hold the text: NUL it cannot, nor half of a surrogate pair, and JSON may bring both."""
    return "\x00" not in text and printable(text) == text


def printable(text: str) -> str:
    """The text as an answer may repeat it: half of a surrogate pair, which has no bytes, is spelt out."""
    return text.encode(errors="backslashreplace").decode()


class OtherContent(serializers.ValidationError):
    """A row that is stored was sent again with other content: `detail` says by field how they differ."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"
    problem_type = "urn:problem-type:recsite:conflict"


class TextField(serializers.CharField):
    """Text. Numbers are taken as text, too, and have one: 12345.0, which a table with gaps makes of 12345, is 12345."""

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, float):
            digits = format(Decimal(repr(data)), "f")
            data = digits.removesuffix(".0")
        return super().to_internal_value(data)


class StrictModelSerializer(serializers.ModelSerializer):
    """Refuses unknown fields by name, and stores rows by the services of an app."""

    create_row: Callable[..., Any]  # takes the fields
    update_row: Callable[..., Any]  # takes the row, by the name of its model, and the fields that change

    serializer_field_mapping: ClassVar = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: TextField,
        models.TextField: TextField,
    }

    def to_internal_value(self, data: object) -> dict:
        if isinstance(data, Mapping):
            unknown = sorted(printable(str(name)) for name in data if name not in self.fields)
            names = ", ".join(name for name, field in self.fields.items() if not field.read_only)
            if unknown:
                wrong = gettext("Unknown field. There are: {names}.").format(names=names)
                raise serializers.ValidationError({name: [wrong] for name in unknown})
        return super().to_internal_value(data)

    def create(self, validated_data: dict) -> object:
        return self.store(self.create_row, validated_data)

    def update(self, instance: object, validated_data: dict) -> object:
        if validated_data.get("key") not in (None, getattr(instance, "key", None)):
            raise serializers.ValidationError(
                {"key": [gettext("A key never changes; this row's is {key}.").format(key=instance.key)]}
            )
        return self.store(self.update_row, {self.Meta.model._meta.model_name: instance, **validated_data})

    def store(self, service: Callable[..., Any], fields: dict) -> object:
        try:
            return service(**fields)
        except ValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error
