"""`manage.py watch_drift`: compare recent days with what the live version learned from, as the daily task does."""

from __future__ import annotations

from typing import Any

from recommender.management.arguments import AnswerCommand
from recommender.models import DriftFinding
from recommender.monitoring import watch_drift

FIELDS = ("subject", "field", "measure", "value", "before", "counted", "level", "words")


class Command(AnswerCommand):
    help = "Looks for drift, stores what it finds, and prints what is not fine."
    json_help = "print one JSON list of every finding"

    def answer(self, **options: Any) -> tuple[object, str]:
        findings = watch_drift()
        not_fine = [row for row in findings if row.level != DriftFinding.Level.FINE]
        lines = [f"{row.level:<6} {row.subject:<10} {row.words}" for row in not_fine]
        fine = f"{len(findings) - len(not_fine)} of {len(findings)} findings are fine."
        lines.append(fine if findings else "Too little happened to say anything.")
        return [{name: getattr(row, name) for name in FIELDS} for row in findings], "\n".join(lines)
