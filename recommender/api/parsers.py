"""JSON bodies: one that cannot be read, whatever its reason, is answered with 400."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.utils.json import strict_constant

from recommender.api.limits import MAX_JSON_INTEGER_DIGITS, MAX_JSON_LEVELS


class BoundedJSONParser(JSONParser):
    """Reads JSON of at most MAX_JSON_LEVELS levels whose numbers a float can hold. ParseError for anything else."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        try:
            text = stream.read().decode("utf-8")
            body = json.loads(text, parse_constant=strict_constant, parse_float=_float, parse_int=_int)
            # The walk through a body is slow, and few bodies hold enough brackets to be too deep.
            too_deep = text.count("[") + text.count("{") > MAX_JSON_LEVELS and _levels(body) > MAX_JSON_LEVELS
        except RecursionError:
            too_deep = True
        except ValueError as error:
            raise ParseError(gettext("JSON parse error - {error}").format(error=error)) from None
        if too_deep:
            raise ParseError(
                gettext("JSON parse error - more than {levels} lists and objects within each other.").format(
                    levels=MAX_JSON_LEVELS
                )
            )
        return body


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(gettext("the number {number} is too large.").format(number=text[:40]))
    return number


def _int(text: str) -> int:
    if len(text) > MAX_JSON_INTEGER_DIGITS:
        raise ValueError(gettext("a number of {digits} digits is too large.").format(digits=len(text)))
    return int(text)


def _levels(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_levels, inner), default=0) if isinstance(value, dict | list) else 0
