"""`manage.py recommend`: the API's answer on the command line."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from recommender.errors import RecommendationError
from recommender.management.arguments import add_who, json_object
from recommender.serving import FALLBACK_REASONS, RecommendationList, recommend


class Command(BaseCommand):
    help = "Prints the list of a customer or of a bare profile."

    def add_arguments(self, parser: CommandParser) -> None:
        add_who(parser)
        parser.add_argument("--count", type=int, default=10, metavar="K", help="how many items (default 10)")
        parser.add_argument(
            "--include-purchased", action="store_true", help="list what the customer already bought, too"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object, as the API answers it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            answer = recommend(
                customer=options["customer"],
                profile=json_object("--profile", options["profile"]),
                count=options["count"],
                exclude_purchased=not options["include_purchased"],
                scenario="command",
            )
        except RecommendationError as error:
            raise CommandError(f"{error.field}: {error.message}") from None
        if options["json"]:
            self.stdout.write(json.dumps(answer.to_dict()))
        else:
            self.stdout.write(as_table(answer))


def as_table(answer: RecommendationList) -> str:
    """The list for people."""
    title = f"From model {answer.model_version}."
    if answer.fallback_reason:
        title = f"What most people buy. {FALLBACK_REASONS[answer.fallback_reason]}"
    lines = [title, "", f"{'item':<24} {'score':>9} {'rating':>7}  why"]
    for listed in answer.items:
        rating = "-" if listed.rating is None else f"{listed.rating:.2f}"
        why = ", ".join(f"{r.kind.replace('_', ' ')} {r.item or r.field}" for r in listed.reasons)
        lines.append(f"{listed.item:<24} {listed.score:>9.3f} {rating:>7}  {why}".rstrip())
    return "\n".join(lines if answer.items else [title, "", "There is nothing to list."])
