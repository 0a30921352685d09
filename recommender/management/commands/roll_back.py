"""`manage.py roll_back`: go back to the version that served before, as in the admin, with an audit row."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from recommender.errors import TrainingError
from recommender.registry import roll_back


class Command(BaseCommand):
    help = "Makes the version live that served before the present one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", default="", metavar="TEXT", help="is kept with the roll back")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            promotion = roll_back(reason=options["reason"])
        except TrainingError as error:
            raise CommandError(str(error)) from None
        name = promotion.version.name
        if options["json"]:
            self.stdout.write(json.dumps({"version": name, "action": promotion.action, "reason": promotion.reason}))
        else:
            self.stdout.write(f"Version {name} is live again.")
