"""How the key of an item stands in an address: the path converter `item_key`."""

from __future__ import annotations

from django.urls import register_converter
from django.urls.converters import StringConverter


class ItemKeyConverter(StringConverter):
    """An item's key: slashes and spaces are welcome, only NUL, which PostgreSQL refuses, is not."""

    regex = r"[^\x00]+"


register_converter(ItemKeyConverter, "item_key")
