"""`manage.py prune_bundles`: remove old bundles, as the daily task does."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from recommender.management.arguments import whole_number
from recommender.registry import prune_bundles


class Command(BaseCommand):
    help = "Removes old bundles, never that of the live version or of the one before it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--keep", type=whole_number, metavar="N", help="the N newest (default: the setting, KEEP_BUNDLES)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON list of what was removed")

    def handle(self, *args: Any, **options: Any) -> None:
        removed = prune_bundles(keep=options["keep"])
        if options["json"]:
            self.stdout.write(json.dumps(removed))
        else:
            self.stdout.write(f"Removed: {', '.join(removed)}." if removed else "There was nothing to remove.")
