"""How the key of an item stands in an address: the path converter `item_key`."""

from __future__ import annotations

from django.urls import register_converter


class ItemKeyConverter:
    """An item's key: slashes and spaces are welcome, only NUL, which PostgreSQL refuses, is not."""

    regex = r"[^\x00]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ItemKeyConverter, "item_key")
