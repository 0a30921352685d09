"""`manage.py runs`: the latest training runs and how they ended."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from recommender.management.arguments import AnswerCommand, add_row_count
from recommender.models import TrainingRun
from recommender.reports import format_score

HEAD = f"{'run':>5}  {'state':<11} {'created':<17} {'NDCG@10':>7} {'popularity':>10}  what came of it"


class Command(AnswerCommand):
    help = "Lists the latest training runs, the newest first."
    json_help = "print one JSON list"

    def add_arguments(self, parser: CommandParser) -> None:
        add_row_count(parser)

    def answer(self, **options: Any) -> tuple[object, str]:
        runs = list(TrainingRun.objects.select_related("version")[: options["count"]])
        text = "\n".join([HEAD, *map(line_of, runs)]) if runs else "There are no runs yet. `manage.py train` makes one."
        return [row_of(run) for run in runs], text


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
    outcome = run.error or (f"version {run.version.name}" if hasattr(run, "version") else run.phase)
    if run.is_active:
        outcome = f"{run.progress:.0%} {run.phase}"
    created = f"{timezone.localtime(run.created):%Y-%m-%d %H:%M}"
    return f"{run.pk:>5}  {run.state:<11} {created:<17} {ours:>7} {popularity:>10}  {outcome}".rstrip()
