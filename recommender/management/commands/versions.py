"""`manage.py versions`: the models there are, and which one serves."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from recommender.management.arguments import whole_number
from recommender.models import ModelVersion
from recommender.registry import live_version
from recommender.reports import format_interval, format_score, model_row


class Command(BaseCommand):
    help = "Lists the latest versions, the newest first; the one that serves is marked with a star."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--count", type=whole_number, default=20, metavar="N", help="how many (default 20)")
        parser.add_argument("--json", action="store_true", help="print one JSON list")

    def handle(self, *args: Any, **options: Any) -> None:
        live, versions = live_version(), list(ModelVersion.objects.all()[: options["count"]])
        if options["json"]:
            rows = [as_json(version, is_live=version == live) for version in versions]
            self.stdout.write(json.dumps(rows, cls=DjangoJSONEncoder))
            return
        if not versions:
            self.stdout.write("There are no versions yet. `manage.py train` makes one.")
            return
        head = f"  {'version':<24} {'created':<17} {'NDCG@10':>7} {'95 % interval':>15} {'popularity':>10}"
        self.stdout.write(f"{head}  what the gate said")
        for version in versions:
            self.stdout.write(line_of(version, is_live=version == live))


def as_json(version: ModelVersion, *, is_live: bool) -> dict[str, Any]:
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
