"""`manage.py prune_bundles`: remove old bundles, as the daily task does."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from recommender.management.arguments import AnswerCommand, whole_number
from recommender.registry import prune_bundles


class Command(AnswerCommand):
    help = "Removes old bundles, never that of the live version or of the one before it."
    json_help = "print one JSON list of what was removed"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--keep", type=whole_number, metavar="N", help="the N newest (default: the setting, KEEP_BUNDLES)"
        )

    def answer(self, **options: Any) -> tuple[object, str]:
        removed = prune_bundles(keep=options["keep"])
        return removed, f"Removed: {', '.join(removed)}." if removed else "There was nothing to remove."
