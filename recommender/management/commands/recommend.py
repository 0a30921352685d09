"""`manage.py recommend`: the API's answer on the command line."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from recommender.errors import RecommendationError
from recommender.management.arguments import add_who, json_object
from recommender.models import POPULAR
from recommender.serving import FALLBACK_REASONS, KINDS, RecommendationList, make_list


class Command(BaseCommand):
    help = "Prints a list: that of a customer or of a bare profile, or one of another kind."

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = "; ".join(f"{kind.name}: {kind.summary}" for kind in KINDS.values())
        parser.add_argument("--kind", choices=KINDS, default="for_you", help=kinds)
        parser.add_argument(
            "--item",
            action="append",
            metavar="KEY",
            help="what the list is about; of a cart, each thing in it",
        )
        add_who(parser, required=False)
        parser.add_argument("--count", type=int, default=10, metavar="K", help="how many items (default 10)")
        parser.add_argument(
            "--include-purchased", action="store_true", help="list what the customer already bought, too"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object, as the API answers it")

    def handle(self, *args: Any, **options: Any) -> None:
        kind, items = KINDS[options["kind"]], options["item"] or []
        about = items[-1] if kind.takes == "item" and items else items if kind.takes == "session_items" else None
        if kind.takes == "item" and about is None:
            raise CommandError(f"--kind {kind.name} needs --item KEY.")
        if not (options["customer"] or options["profile"]) and kind.name in ("for_you", "because_you_bought"):
            raise CommandError("one of the arguments --customer --profile is required")
        try:
            answer = make_list(
                kind.name,
                about,
                options["count"],
                customer=options["customer"],
                profile=json_object("--profile", options["profile"]),
                exclude_purchased=not options["include_purchased"],
                scenario="command",
            )
        except RecommendationError as error:
            raise CommandError(f"{error.field}: {error.message}") from None
        if options["json"]:
            self.stdout.write(json.dumps(answer.to_dict()))
        else:
            self.stdout.write(as_table(answer, kind.summary))


def as_table(answer: RecommendationList, summary: str) -> str:
    """The list for people."""
    title = f"From model {answer.model_version}." if answer.model_version else f"{summary}."
    if answer.source == POPULAR and answer.fallback_reason:
        title = f"What most people buy. {FALLBACK_REASONS[answer.fallback_reason]}"
    lines = [title, "", f"{'item':<24} {'score':>9} {'rating':>7}  why"]
    for listed in answer.items:
        rating = "-" if listed.rating is None else f"{listed.rating:.2f}"
        why = ", ".join(f"{r.kind.replace('_', ' ')} {r.item or r.field}" for r in listed.reasons)
        lines.append(f"{listed.item:<24} {listed.score:>9.3f} {rating:>7}  {why}".rstrip())
    return "\n".join(lines if answer.items else [title, "", "There is nothing to list."])
