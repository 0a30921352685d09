"""What the workers do: thin calls of the services. Settings route training to a queue of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog
from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from recommender.errors import TrainingError
from recommender.experiments import service as experiments
from recommender.feedback import counts as list_counts
from recommender.models import TrainingRun
from recommender.monitoring import drift
from recommender.registry import pruning
from recommender.training import execution as training
from recommender.training import runs, schedules

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
def keep_runs_going() -> None:
    """Have runs gone on with whose process died, and tell workers again of those that wait. Every minute."""
    for run in runs.keep_runs_going():
        enqueue(run)


@shared_task(ignore_result=True)
def start_due_runs() -> None:
    """Start the runs that schedules ask for. Every minute."""
    schedules.start_due_runs(start=queue_run)


@shared_task(ignore_result=True)
def prune_bundles() -> None:
    """Remove old bundles. Every day."""
    pruning.prune_bundles()


@shared_task(ignore_result=True)
def watch_drift() -> None:
    """Compare what happens of late with what the live version learned from. Every day."""
    try:
        drift.watch_drift()
    except TrainingError as error:
        log.info("drift_not_watched", why=str(error))


@shared_task(ignore_result=True)
def count_lists() -> None:
    """Count what the lists of today and yesterday brought so far, in an experiment and elsewhere. Every ten minutes."""
    list_counts.count_lately()
    experiments.follow_experiments()


@shared_task(ignore_result=True)
def settle_lists() -> None:
    """Count what the lists of earlier days brought since, and remove the oldest lists. Every day."""
    list_counts.settle_lists()


def queue_run(*, parameters: Mapping[str, Any], started_by: User | None = None) -> TrainingRun:
    """Start a run for the training worker: what the Retrain button and the API do. Raises as `start_run` does."""
    run = runs.start_run(parameters=parameters, started_by=started_by)
    enqueue(run)
    return run


def queue_again(run: TrainingRun, *, started_by: User | None = None) -> TrainingRun:
    """The same for what a run that has ended was to do. Raises as `restart_run` does."""
    again = runs.restart_run(run=run, started_by=started_by)
    enqueue(again)
    return again


def enqueue(run: TrainingRun) -> None:
    """Hand a queued run to the training worker, once it is committed. Without a broker the run fails and says so."""
    transaction.on_commit(lambda: _send(run))


def _send(run: TrainingRun) -> None:
    # Celery's delay_on_commit would be shorter, but its error, raised after the commit, would reach nobody's hands.
    try:
        run_training.apply_async((run.pk,), retry=False)
    except (OperationalError, OSError) as error:
        runs.fail_run(run=run, error=f"The task queue cannot be reached, so no worker will see the run: {error}")
