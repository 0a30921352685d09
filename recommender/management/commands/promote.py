"""`manage.py promote`: make a version live, as in the admin, with an audit row."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from recommender.management.arguments import AnswerCommand, add_reason
from recommender.models import ModelVersion
from recommender.registry import promote


class Command(AnswerCommand):
    help = "Makes a version live. Every process serves it within seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("version", help="its name, as `manage.py versions` lists it")
        parser.add_argument("--override", action="store_true", help="though the gate refused it; needs --reason")
        add_reason(parser)

    def answer(self, **options: Any) -> tuple[object, str]:
        name = options["version"]
        version = ModelVersion.objects.filter(name=name).first()
        if version is None:
            latest = ", ".join(ModelVersion.objects.values_list("name", flat=True)[:5])
            known = f"the latest are {latest}" if latest else "none yet"
            raise CommandError(f"There is no version {name!r}; {known}.")
        promotion = promote(version=version, reason=options["reason"], override=options["override"])
        data = {"version": name, "action": promotion.action, "reason": promotion.reason}
        return data, f"Version {name} is live."
