"""JSON as the API takes it: what cannot be read is malformed, whatever it does to a parser."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.utils.json import strict_constant

DEEPEST = 32  # lists and objects within each other


class BoundedJSONParser(JSONParser):
    """JSON of at most DEEPEST levels, whose numbers a float can hold. 400 for anything else."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        try:
            text = stream.read().decode("utf-8")
            read = json.loads(text, parse_constant=strict_constant, parse_float=_float, parse_int=_int)
        except RecursionError:
            raise ParseError(_TOO_DEEP) from None
        except ValueError as error:
            raise ParseError(f"JSON parse error - {error}") from None
        # To walk through everything is slow. Few bodies hold so many brackets that they might be too deep.
        if text.count("[") + text.count("{") > DEEPEST and _depth(read) > DEEPEST:
            raise ParseError(_TOO_DEEP)
        return read


_TOO_DEEP = f"JSON parse error - more than {DEEPEST} lists and objects within each other."


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large.")
    return number


def _int(text: str) -> int:
    if len(text) > 300:  # of 309 digits a float can hold
        raise ValueError(f"a number of {len(text)} digits is too large.")
    return int(text)


def _depth(read: Any) -> int:
    depth, level = 0, [read]
    while level := [one for one in level if isinstance(one, list | dict)]:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth
