"""`manage.py roll_back`: go back to the version that served before, as in the admin, with an audit row."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from recommender.management.arguments import AnswerCommand, add_reason
from recommender.registry import roll_back


class Command(AnswerCommand):
    help = "Makes the version live that served before the present one."

    def add_arguments(self, parser: CommandParser) -> None:
        add_reason(parser)

    def answer(self, **options: Any) -> tuple[object, str]:
        promotion = roll_back(reason=options["reason"])
        name = promotion.version.name
        data = {"version": name, "action": promotion.action, "reason": promotion.reason}
        return data, f"Version {name} is live again."
