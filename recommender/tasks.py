"""What the workers do: thin calls of the services. Settings route training to a queue of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog
from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from recommender import runs, training
from recommender.errors import TrainingError
from recommender.models import TrainingRun

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger("recommender.tasks")


@shared_task(ignore_result=True)
def run_training(run_id: int) -> None:
    """Execute a queued run. A message for a run that was cancelled or is being executed already is no error."""
    run = TrainingRun.objects.filter(pk=run_id).first()
    if run is None:
        log.warning("run_is_gone", run=run_id)
        return
    try:
        training.execute_run(run=run)
    except TrainingError as error:
        log.info("run_not_executed", run=run_id, why=str(error))


@shared_task(ignore_result=True)
def fail_stale_runs() -> None:
    """Mark runs failed whose process died. Every minute."""
    runs.fail_stale_runs()


def queue_run(*, parameters: Mapping[str, Any], started_by: User | None = None) -> TrainingRun:
    """Start a run for the training worker: what the Retrain button and the API do. Raises as `start_run` does."""
    run = runs.start_run(parameters=parameters, started_by=started_by)
    enqueue(run)
    return run


def enqueue(run: TrainingRun) -> None:
    """Hand a queued run to the training worker, once it is committed. Without a broker the run fails and says so."""
    transaction.on_commit(lambda: _send(run))


def _send(run: TrainingRun) -> None:
    # Celery's delay_on_commit would be shorter, but its error, raised after the commit, would reach nobody's hands.
    try:
        run_training.apply_async((run.pk,), retry=False)
    except (OperationalError, OSError) as error:
        runs.fail_run(run=run, error=f"The task queue cannot be reached, so no worker will see the run: {error}")
