"""`manage.py cancel_run`: end a run that waits or trains, as the button of its page does."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from recommender.management.arguments import AnswerCommand
from recommender.management.commands.runs import row_of
from recommender.models import TrainingRun
from recommender.training import cancel_run, dead_at


class Command(AnswerCommand):
    help = "Cancels a training run: one that waits ends at once, one that trains within seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=int, metavar="RUN", help="the number that `manage.py runs` shows")

    def answer(self, **options: Any) -> tuple[object, str]:
        run = TrainingRun.objects.filter(pk=options["run"]).first()
        if run is None:
            raise CommandError(f"There is no run {options['run']}. `manage.py runs` lists them.")
        run = cancel_run(run=run)
        if run.state == TrainingRun.State.CANCELLED:
            return row_of(run), f"Run {run.pk} was cancelled."
        dead = f"{timezone.localtime(dead_at(run)):%H:%M:%S}"
        return row_of(run), f"Run {run.pk} ends within seconds; if its process died, a new run may start at {dead}."
