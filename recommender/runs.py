"""Runs as rows: started, cancelled, marked failed. Which state may follow which is said by TrainingRun.NEXT alone.

The row of a run is what is believed, never the broker. A run whose heartbeat stopped has died with its process.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from recommender.errors import TrainingError
from recommender.models import TrainingRun
from recommender.run_parameters import plan_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger("recommender.runs")

STALE_AFTER = timedelta(minutes=2)  # without a sign of life, a run that was being executed is dead
PATIENCE_WITH_WORKER = timedelta(minutes=15)  # and one that waits for a worker waits in vain


def start_run(*, parameters: Mapping[str, Any], started_by: User | None = None) -> TrainingRun:
    """A queued run. TrainingError when a parameter makes no sense or another run is active.

    parameters : any of TrainConfig's settings by name, and those of Plan.
    """
    plan_of(parameters)
    fail_stale_runs()
    run = TrainingRun(parameters=dict(parameters), started_by=started_by)
    try:
        with transaction.atomic():
            run.full_clean()
            run.save()
    except (ValidationError, IntegrityError):  # the constraint, seen before or while it is written
        active = active_run()
        if active is None:
            raise
        raise TrainingError(f"Run {active.pk} is {active.state}; one run at a time.") from None
    log.info("run_queued", run=run.pk, parameters=run.parameters)
    return run


def cancel_run(*, run: TrainingRun) -> TrainingRun:
    """Stop a run: at once when nobody executes it, else within seconds. TrainingError when it has ended."""
    nobody = Q(state=TrainingRun.State.QUEUED) | is_stale()
    now = timezone.now()
    ended = {"phase": "Cancelled", "cancel_requested": True, "finished": now}
    if move(run, TrainingRun.State.CANCELLED, only=nobody, **ended):
        remove_work(run)
    elif not active_runs().filter(pk=run.pk).update(cancel_requested=True):
        run.refresh_from_db()
        raise TrainingError(f"Run {run.pk} is {run.state}; only a run that has not ended can be cancelled.")
    run.refresh_from_db()
    log.info("run_cancelled", run=run.pk, state=str(run.state))
    return run


def fail_run(*, run: TrainingRun, error: str) -> None:
    """End an active run that cannot go on."""
    move(run, TrainingRun.State.FAILED, phase="Failed", error=error, finished=timezone.now())
    run.refresh_from_db()
    log.error("run_failed", run=run.pk, error=error)


def fail_stale_runs() -> int:
    """Mark runs failed whose process died or whom no worker took up. How many there were."""
    runs = list(TrainingRun.objects.filter(is_stale()))
    for run in runs:
        seen = timezone.localtime(run.heartbeat).strftime("%H:%M:%S")
        if run.state == TrainingRun.State.QUEUED:
            why = "No worker took the run up. Start one: celery -A recsite worker -Q training --pool=solo."
        else:
            why = f"The process that executed the run died: its last sign of life was at {seen}."
        fail_run(run=run, error=why)
        remove_work(run)
    return len(runs)


def active_run() -> TrainingRun | None:
    """The run that is queued or being executed."""
    return active_runs().first()


def active_runs() -> QuerySet[TrainingRun]:
    """The same as rows: at most one, says the database."""
    return TrainingRun.objects.filter(state__in=TrainingRun.ACTIVE)


def is_stale() -> Q:
    """Runs whose process died, or whom no worker took up."""
    now = timezone.now()
    executed = [state for state in TrainingRun.ACTIVE if state != TrainingRun.State.QUEUED]
    return Q(state__in=executed, heartbeat__lt=now - STALE_AFTER) | Q(
        state=TrainingRun.State.QUEUED, heartbeat__lt=now - PATIENCE_WITH_WORKER
    )


def move(run: TrainingRun, state: str, *, only: Q | None = None, **changes: Any) -> bool:
    """Bring a run into a state, and change its row with it. False, and nothing is changed, when the row as it is now
    may not get there or is not one of `only`: somebody else was quicker, and theirs holds.
    """
    before = [earlier for earlier, following in TrainingRun.NEXT.items() if state in following]
    row = TrainingRun.objects.filter(only or Q(), pk=run.pk, state__in=before)
    if not row.update(state=state, **changes):
        return False
    run.state = state
    return True


# --- what a run keeps beside its row ----------------------------------------------------------------------------------


def work_folder(run: TrainingRun) -> Path:
    """Snapshot and checkpoints of a run, kept until it ends: a run whose process died goes on from them."""
    return Path(settings.BUNDLE_ROOT) / ".work" / str(run.pk)


def remove_work(run: TrainingRun) -> None:
    shutil.rmtree(work_folder(run), ignore_errors=True)
