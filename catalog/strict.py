"""Serializers that say no: a field nobody knows is a mistake worth hearing about, not one to swallow."""

from collections.abc import Mapping

from django.core.exceptions import ValidationError
from rest_framework import serializers


class StrictModelSerializer(serializers.ModelSerializer):
    """Refuses unknown fields by name. Saving goes through the app's services (`save_new`, `save_changes`)."""

    def to_internal_value(self, data: object) -> dict:
        if isinstance(data, Mapping):
            unknown = sorted(str(name) for name in data if name not in self.fields)
            if unknown:
                known = ", ".join(name for name, field in self.fields.items() if not field.read_only)
                raise serializers.ValidationError({name: [f"Unknown field. There are: {known}."] for name in unknown})
        return super().to_internal_value(data)

    def create(self, validated_data: dict) -> object:
        try:
            return self.save_new(**validated_data)
        except ValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error

    def update(self, instance: object, validated_data: dict) -> object:
        if validated_data.get("key") not in (None, getattr(instance, "key", None)):
            raise serializers.ValidationError({"key": [f"A key never changes; this row's is {instance.key}."]})
        try:
            return self.save_changes(instance, **validated_data)
        except ValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error

    def save_new(self, **fields: object) -> object:
        raise NotImplementedError(f"{type(self).__name__} does not say how to save a new row.")

    def save_changes(self, instance: object, **changes: object) -> object:
        raise NotImplementedError(f"{type(self).__name__} does not say how to save changes.")
