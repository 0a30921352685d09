"""`manage.py recommend`: the API's answer on the command line."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from recommender.management.arguments import (
    AnswerCommand,
    add_customer_or_profile,
    add_scope,
    json_object,
    why_not_personal,
)
from recommender.models import POPULAR
from recommender.serving import FALLBACK_REASONS, KINDS, RecommendationList, make_list


class Command(AnswerCommand):
    help = "Prints a list: that of a customer or of a bare profile, or one of another kind."
    json_help = "print one JSON object, as the API answers it"

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = "; ".join(f"{kind.name}: {kind.summary}" for kind in KINDS.values())
        parser.add_argument("--kind", choices=KINDS, default="for_you", help=kinds)
        item_help = "what the list is about; of a cart, each thing in it"
        parser.add_argument("--item", action="append", metavar="KEY", help=item_help)
        parser.add_argument(
            "--item-features", metavar="JSON", help="for --kind similar: an item that is only described"
        )
        add_customer_or_profile(parser, required=False)
        add_scope(parser)
        parser.add_argument("--count", type=int, default=10, metavar="K", help="how many items (default 10)")
        parser.add_argument(
            "--include-purchased", action="store_true", help="list what the customer already bought, too"
        )

    def answer(self, **options: Any) -> tuple[object, str]:
        kind, items = KINDS[options["kind"]], options["item"] or []
        about = items[-1] if kind.takes == "item" and items else items if kind.takes == "session_items" else None
        if items and about is None:
            raise CommandError(f"--kind {kind.name} takes no --item.")
        if kind.takes == "item" and len(items) > 1:
            raise CommandError(f"--kind {kind.name} takes one --item, not {len(items)}.")
        features = json_object("--item-features", options["item_features"])
        if features is not None and not kind.may_be_described:
            raise CommandError(f"--kind {kind.name} takes no --item-features.")
        if kind.takes == "item" and (about is None) == (features is None):
            either = " or --item-features JSON" if kind.may_be_described else ""
            raise CommandError(f"--kind {kind.name} needs --item KEY{either}.")
        if not (options["customer"] or options["profile"]) and kind.about_customer:
            raise CommandError("one of the arguments --customer --profile is required")
        answer = make_list(
            kind.name,
            about,
            options["count"],
            customer=options["customer"],
            profile=json_object("--profile", options["profile"]),
            scope=options["scope"],
            item_features=features,
            exclude_purchased=not options["include_purchased"],
            scenario="command",
        )
        return answer.to_dict(), as_table(answer, kind.summary)


def as_table(answer: RecommendationList, summary: str) -> str:
    """The list for people."""
    title = f"From model {answer.model_version}." if answer.model_version else f"{summary}."
    if answer.source == POPULAR and answer.fallback_reason:
        title = f"What most people buy. {why_not_personal(answer.fallback_reason, FALLBACK_REASONS)}"
    lines = [title, "", f"{'item':<24} {'score':>9} {'rating':>7}  why"]
    for listed in answer.items:
        rating = "-" if listed.rating is None else f"{listed.rating:.2f}"
        why = ", ".join(f"{r.kind.replace('_', ' ')} {r.item or r.value or r.field}" for r in listed.reasons)
        lines.append(f"{listed.item:<24} {listed.score:>9.3f} {rating:>7}  {why}".rstrip())
    return "\n".join(lines if answer.items else [title, "", "There is nothing to list."])
