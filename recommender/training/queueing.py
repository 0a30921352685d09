"""Runs for the training worker: started by the Retrain button, the API and schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import transaction

from recommender import extras
from recommender.models import TrainingRun
from recommender.training import runs
from recommender.words import Words

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TASK_NAME = "recommender.tasks.run_training"  # tasks.py imports this room, not the other way round


def queue_run(*, parameters: Mapping[str, Any], started_by: User | None = None) -> TrainingRun:
    """Start a run for the training worker. Raises as `start_run` does, and MissingExtra without `tasks`."""
    extras.require("tasks")
    run = runs.start_run(parameters=parameters, started_by=started_by)
    enqueue(run)
    return run


def queue_again(run: TrainingRun, *, started_by: User | None = None) -> TrainingRun:
    """The same with the parameters of a run that has ended. Raises as `restart_run` does."""
    extras.require("tasks")
    new_run = runs.restart_run(run=run, started_by=started_by)
    enqueue(new_run)
    return new_run


def enqueue(run: TrainingRun) -> None:
    """Send a queued run to the training worker, once it is committed. Without a broker the run fails and says so."""
    transaction.on_commit(lambda: _send(run))


def _send(run: TrainingRun) -> None:
    from celery import current_app  # of the extra `tasks`
    from kombu.exceptions import OperationalError

    # Celery's delay_on_commit would be shorter, but nobody can catch its error, which comes after the commit.
    try:
        current_app.signature(TASK_NAME, (run.pk,)).apply_async(retry=False)
    except (OperationalError, OSError) as error:
        runs.fail_run(
            run=run,
            error=Words("The task queue cannot be reached, so no worker will see the run: {error}", error=error),
        )
