"""The tasks of the workers: thin calls of the services. Settings route training to a queue of its own."""

from __future__ import annotations

import structlog
from celery import shared_task

from recommender import experiments, feedback, monitoring, registry, training
from recommender.errors import TrainingError
from recommender.models import TrainingRun

log = structlog.get_logger("recommender.tasks")


@shared_task(ignore_result=True)
def run_training(run_id: int) -> None:
    """Execute a queued run. A message for a run that was cancelled or is already being executed is no error."""
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
    """Continue the runs whose process died, and send the messages of queued runs again. Every minute."""
    for run in training.keep_runs_going():
        training.enqueue(run)


@shared_task(ignore_result=True)
def start_due_runs() -> None:
    """Start the runs that schedules ask for. Every minute."""
    training.start_due_runs(start=training.queue_run)


@shared_task(ignore_result=True)
def prune_bundles() -> None:
    """Remove old bundles. Every day."""
    registry.prune_bundles()


@shared_task(ignore_result=True)
def watch_drift() -> None:
    """Compare recent data with what the live version learned from. Every day."""
    try:
        monitoring.watch_drift()
    except TrainingError as error:
        log.info("drift_not_watched", why=str(error))


@shared_task(ignore_result=True)
def count_lists() -> None:
    """Count clicks and purchases of the lists of today and yesterday, and of the experiment. Every ten minutes."""
    feedback.count_recent_lists()
    experiments.follow_experiments()


@shared_task(ignore_result=True)
def settle_lists() -> None:
    """Count later clicks and purchases of the lists of earlier days, and remove the oldest lists. Every day."""
    feedback.settle_lists()
