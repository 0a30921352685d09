"""Arguments that the commands share: for whom, and JSON objects."""

from __future__ import annotations

import json

from django.core.management.base import CommandError, CommandParser


def add_who(parser: CommandParser) -> None:
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--customer", metavar="KEY", help="the customer's key")
    who.add_argument("--profile", metavar="JSON", help='any part of a profile: \'{"Age": 28, "Country": "UK"}\'')


def json_object(option: str, text: str | None) -> dict[str, object] | None:
    """The JSON object that an option holds. CommandError, in one sentence, for anything else."""
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CommandError(f"{option} is not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise CommandError(f'{option} must be a JSON object such as {{"Age": 28}}, not {text}.')
    return found
