"""Arguments that the commands share: for whom, JSON objects, versions and counts."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError

from django.core.management.base import CommandError, CommandParser

from recommender.models import ModelVersion


def add_who(parser: CommandParser, *, required: bool = True) -> None:
    who = parser.add_mutually_exclusive_group(required=required)
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


def version_named(name: str) -> ModelVersion:
    """The version of this name. CommandError that lists the latest ones when there is none."""
    version = ModelVersion.objects.filter(name=name).first()
    if version is None:
        latest = ", ".join(ModelVersion.objects.values_list("name", flat=True)[:5])
        raise CommandError(f"There is no version {name!r}; {f'the latest are {latest}' if latest else 'none yet'}.")
    return version


def whole_number(text: str) -> int:
    """A count from 1 up, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)
