"""The path converter `item_key`, for the key of an item in an address."""

from __future__ import annotations

from django.urls import register_converter
from django.urls.converters import StringConverter


class ItemKeyConverter(StringConverter):
    """The key of an item, slashes and spaces included. NUL is left out, because PostgreSQL refuses it."""

    regex = r"[^\x00]+"


register_converter(ItemKeyConverter, "item_key")
