"""`manage.py runs`: the latest training runs and how they ended."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from recommender.management.arguments import whole_number
from recommender.models import TrainingRun
from recommender.reports import format_score


class Command(BaseCommand):
    help = "Lists the latest training runs, the newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--count", type=whole_number, default=20, metavar="N", help="how many (default 20)")
        parser.add_argument("--json", action="store_true", help="print one JSON list")

    def handle(self, *args: Any, **options: Any) -> None:
        runs = list(TrainingRun.objects.select_related("version")[: options["count"]])
        if options["json"]:
            self.stdout.write(json.dumps([row_of(run) for run in runs], cls=DjangoJSONEncoder))
            return
        if not runs:
            self.stdout.write("There are no runs yet. `manage.py train` makes one.")
            return
        self.stdout.write(
            f"{'run':>5}  {'state':<11} {'created':<17} {'NDCG@10':>7} {'popularity':>10}  what came of it"
        )
        for run in runs:
            self.stdout.write(line_of(run))


def row_of(run: TrainingRun) -> dict[str, Any]:
    return {
        "run": run.pk,
        "state": run.state,
        "progress": run.progress,
        "phase": run.phase,
        "version": run.version.name if hasattr(run, "version") else None,
        "metrics": run.metrics,
        "error": run.error,
        "created": run.created,
        "started": run.started,
        "finished": run.finished,
    }


def line_of(run: TrainingRun) -> str:
    ours, popularity = (format_score(run.metrics.get(name, {}).get("ndcg_10")) for name in ("two_tower", "popularity"))
    came = run.error or (f"version {run.version.name}" if hasattr(run, "version") else run.phase)
    if run.is_active:
        came = f"{run.progress:.0%} {run.phase}"
    created = f"{timezone.localtime(run.created):%Y-%m-%d %H:%M}"
    return f"{run.pk:>5}  {run.state:<11} {created:<17} {ours:>7} {popularity:>10}  {came}".rstrip()
