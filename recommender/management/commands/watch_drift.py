"""`manage.py watch_drift`: compare what happens of late with what the live version learned from, as the daily task."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from recommender.errors import TrainingError
from recommender.models import DriftFinding
from recommender.monitoring import watch_drift

SHOWN = ("subject", "field", "measure", "value", "before", "counted", "level", "words")


class Command(BaseCommand):
    help = "Looks for drift, stores what it finds, and prints what is not fine."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON list of every finding")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = watch_drift()
        except TrainingError as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps([{name: getattr(row, name) for name in SHOWN} for row in found]))
            return
        odd = [row for row in found if row.level != DriftFinding.Level.FINE]
        for row in odd:
            self.stdout.write(f"{row.level:<6} {row.subject:<10} {row.words}")
        fine = len(found) - len(odd)
        self.stdout.write(
            f"{fine} of {len(found)} findings are fine." if found else "Too little happened to say anything."
        )
