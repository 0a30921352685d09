"""What the commands share: their arguments, one JSON document as the answer, and errors in one sentence."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations
from django.core.serializers.json import DjangoJSONEncoder

from recommender.errors import RecommendationError, TrainingError
from recommender.serving import serving_problem


class AnswerCommand(BaseCommand):
    """A command that prints its answer for people, or as one JSON document with --json.

    A TrainingError or RecommendationError ends the command with the message of the error.
    """

    json_help = "print one JSON object"

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        parser = super().create_parser(*args, **options)
        parser.add_argument("--json", action="store_true", help=self.json_help)
        return parser

    def answer(self, **options: Any) -> tuple[object, str]:
        """The answer as data for JSON, and as text for people."""
        raise NotImplementedError

    @no_translations  # for operators: in English throughout, as the logs are
    def handle(self, *args: Any, **options: Any) -> None:
        with command_errors():
            data, text = self.answer(**options)
        self.stdout.write(json.dumps(data, cls=DjangoJSONEncoder) if options["json"] else text)


@contextmanager
def command_errors() -> Iterator[None]:
    """Turns errors of the recommender into CommandError, which Django prints without a traceback."""
    try:
        yield
    except RecommendationError as error:
        raise CommandError(f"{error.field}: {error.message}") from None
    except TrainingError as error:
        raise CommandError(str(error)) from None


def why_not_personal(reason: str, sentences: Mapping[str, str]) -> str:
    """The sentence for a reason; where a version was promoted that does not open in this process, what is wrong with
    it."""
    problem = serving_problem() if reason == "no_model" else ""
    if not problem:
        return str(sentences[reason])
    return f"{problem} BUNDLE_ROOT must name the folder to which the process that trains writes."


def add_customer_or_profile(parser: CommandParser, *, required: bool = True) -> None:
    group = parser.add_mutually_exclusive_group(required=required)
    group.add_argument("--customer", metavar="KEY", help="the customer's key")
    group.add_argument("--profile", metavar="JSON", help='any part of a profile: \'{"Age": 28, "Country": "UK"}\'')


def add_scope(parser: CommandParser) -> None:
    parser.add_argument(
        "--scope", metavar="KEY", help="the site, tenant or market, where the source names them; else the customer's"
    )


def add_reason(parser: CommandParser) -> None:
    parser.add_argument("--reason", default="", metavar="TEXT", help="is kept with the promotion")


def add_row_count(parser: CommandParser) -> None:
    parser.add_argument("--count", type=whole_number, default=20, metavar="N", help="how many (default 20)")


def json_object(option: str, text: str | None) -> dict[str, object] | None:
    """The JSON object that an option holds. CommandError, in one sentence, for anything else."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CommandError(f"{option} is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise CommandError(f'{option} must be a JSON object such as {{"Age": 28}}, not {text}.')
    return value


def whole_number(text: str) -> int:
    """A count from 1 up, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)
