"""`manage.py versions`: the models there are, and which one serves."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from recommender.management.arguments import AnswerCommand, add_row_count
from recommender.models import ModelVersion
from recommender.registry import live_version
from recommender.reports import format_interval, format_score, model_row

HEAD = f"  {'version':<24} {'created':<17} {'NDCG@10':>7} {'95 % interval':>15} {'popularity':>10}  what the gate said"


class Command(AnswerCommand):
    help = "Lists the latest versions, the newest first; the one that serves is marked with a star."
    json_help = "print one JSON list"

    def add_arguments(self, parser: CommandParser) -> None:
        add_row_count(parser)

    def answer(self, **options: Any) -> tuple[object, str]:
        live, versions = live_version(), ModelVersion.objects.all()[: options["count"]]
        rows = [row_of(version, is_live=version == live) for version in versions]
        lines = [line_of(version, is_live=version == live) for version in versions]
        return rows, "\n".join([HEAD, *lines]) if lines else "There are no versions yet. `manage.py train` makes one."


def row_of(version: ModelVersion, *, is_live: bool) -> dict[str, Any]:
    return {
        "version": version.name,
        "live": is_live,
        "run": version.run_id,
        "passed_gate": version.passed_gate,
        "gate_reason": version.gate_reason,
        "metrics": version.metrics,
        "created": version.created,
    }


def line_of(version: ModelVersion, *, is_live: bool) -> str:
    ours, popularity = model_row(version.report, "two_tower"), model_row(version.report, "popularity")
    created = f"{timezone.localtime(version.created):%Y-%m-%d %H:%M}"
    interval = format_interval(*(ours.get("ndcg_10_interval") or (None, None)))
    line = (
        f"{'*' if is_live else ' '} {version.name:<24} {created:<17} "
        f"{format_score(ours.get('ndcg_10')):>7} {interval:>15} "
        f"{format_score(popularity.get('ndcg_10')):>10}  {version.gate_reason}"
    )
    return line.rstrip()
