"""`manage.py promote`: make a version live, as in the admin, with an audit row."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from recommender.errors import TrainingError
from recommender.management.arguments import version_named
from recommender.registry import promote


class Command(BaseCommand):
    help = "Makes a version live. Every process serves it within seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("version", help="its name, as `manage.py versions` lists it")
        parser.add_argument("--override", action="store_true", help="though the gate refused it; needs --reason")
        parser.add_argument("--reason", default="", metavar="TEXT", help="is kept with the promotion")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        version = version_named(options["version"])
        try:
            promotion = promote(version=version, reason=options["reason"], override=options["override"])
        except TrainingError as error:
            raise CommandError(str(error)) from None
        name = promotion.version.name
        if options["json"]:
            self.stdout.write(json.dumps({"version": name, "action": promotion.action, "reason": promotion.reason}))
        else:
            self.stdout.write(f"Version {name} is live.")
