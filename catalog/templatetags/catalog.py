"""How a product looks: its price, its stars, and the tile shown when it has no picture."""

from decimal import Decimal
from typing import NamedTuple
from zlib import crc32

from django import template
from django.conf import settings
from django.db.models.fields.files import FieldFile
from django.utils.formats import number_format
from django.utils.translation import gettext, pgettext

from catalog.pictures import WIDTHS, size_name

register = template.Library()

HUES = 24  # as many as site.css names


class Stars(NamedTuple):
    """Five stars as words for a screen reader and as shapes for the eye, to the nearest half."""

    words: str
    shapes: list[str]


@register.filter
def money(amount: Decimal | None) -> str:
    """`1234.5` -> `$1,234.50`, as the language of the page writes it; nothing for a product with no price."""
    if amount is None:
        return ""
    # Translators: an amount of money. German and French put the currency behind it, after a space.
    pattern = pgettext("an amount of money", "{currency}{amount}")
    return pattern.format(currency=settings.CURRENCY, amount=number_format(f"{amount:.2f}", 2, force_grouping=True))


@register.filter
def hue(text: str) -> str:
    """A class name that is always the same for the same category: its colour."""
    return f"hue-{crc32((text or '').encode()) % HUES}"


@register.filter
def initial(name: str) -> str:
    """The letter on a tile: the first letter or digit of the name."""
    return next((character.upper() for character in name if character.isalnum()), "?")


@register.filter
def stars(rating: float | Decimal | None) -> Stars | None:
    if rating is None or rating == "":
        return None
    halves = round(float(rating) * 2)
    shapes = ["full" if halves >= 2 * n else "half" if halves == 2 * n - 1 else "none" for n in range(1, 6)]
    return Stars(gettext("{rating} out of 5").format(rating=number_format(f"{float(rating):.1f}")), shapes)


@register.filter
def srcset(image: FieldFile) -> str:
    """The addresses of a picture in the sizes in which it is shown, with their widths, for <img srcset>."""
    return ", ".join(f"{image.storage.url(size_name(image.name, width))} {width}w" for width in WIDTHS)


@register.filter
def sized(image: FieldFile, width: int) -> str:
    """The address of a picture at one of these widths."""
    return image.storage.url(size_name(image.name, width))
