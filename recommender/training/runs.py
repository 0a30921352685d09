"""Runs as rows: started, cancelled, marked failed. Which state may follow which is said by TrainingRun.NEXT alone.

The row of a run is what is believed, never the broker. A run whose heartbeat stopped has died with its process: the
clock puts it into the queue again, and whoever takes it up goes on from what is in its work folder. Each taking up is
an attempt with a number; a process whose attempt is no longer the row's own, because it was only slow, changes nothing.
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
from django.db.models import Q
from django.utils import timezone

from recommender import registry
from recommender.errors import TrainingError
from recommender.models import TrainingRun
from recommender.notifications import tell_of_failure
from recommender.training.parameters import read_parameters

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger("recommender.training.runs")

STALE_AFTER = 120.0  # seconds without a sign of life after which a run that was being executed is dead
PATIENCE_WITH_WORKER = timedelta(minutes=15)  # and one that waits for a worker waits in vain
SENT_AGAIN_AFTER = timedelta(seconds=30)  # that it waits: its message may have died with the broker or a worker
MOST_ATTEMPTS = 3  # a run that kills every process is not tried for ever


def start_run(*, parameters: Mapping[str, Any], started_by: User | None = None) -> TrainingRun:
    """A queued run. TrainingError when a parameter makes no sense or another run is active.

    parameters : any of TrainConfig's settings by name, and those of RunParameters.
    """
    read_parameters(parameters)
    fail_stale_runs()
    run = TrainingRun(parameters=dict(parameters), started_by=started_by)
    try:
        with transaction.atomic():
            run.full_clean()
            run.save()
    except (ValidationError, IntegrityError):  # the constraint, seen before or while it is written
        active = TrainingRun.objects.active().first()
        if active is None:
            raise
        raise TrainingError(f"Run {active.pk} is {active.state}; one run at a time.") from None
    log.info("run_queued", run=run.pk, parameters=run.parameters)
    return run


def cancel_run(*, run: TrainingRun, by: User | None = None) -> TrainingRun:
    """Stop a run: at once when nobody executes it, else within seconds. TrainingError when it has ended."""
    nobody = Q(state=TrainingRun.State.QUEUED) | is_stale()
    now = timezone.now()
    asked = {"cancel_requested": True, "cancelled_by": by}
    if move(run, TrainingRun.State.CANCELLED, only=nobody, phase="Cancelled", finished=now, **asked):
        remove_work(run)
    elif not TrainingRun.objects.active().filter(pk=run.pk).update(**asked):
        run.refresh_from_db()
        raise TrainingError(f"Run {run.pk} is {run.state}; only a run that has not ended can be cancelled.")
    run.refresh_from_db()
    log.info("run_cancelled", run=run.pk, state=str(run.state), by=by.pk if by else None)
    return run


def fail_run(*, run: TrainingRun, error: str) -> None:
    """End an active run that cannot go on."""
    ended = move(run, TrainingRun.State.FAILED, phase="Failed", error=error, finished=timezone.now())
    run.refresh_from_db()
    if ended:
        log.error("run_failed", run=run.pk, error=error)
        tell_of_failure(run)


def restart_run(*, run: TrainingRun, started_by: User | None = None) -> TrainingRun:
    """A new run with the parameters of one that has ended. TrainingError as from `start_run`."""
    if run.is_active:
        raise TrainingError(f"Run {run.pk} is {run.state}; only a run that has ended can be started again.")
    return start_run(parameters=run.parameters, started_by=started_by)


def fail_stale_runs() -> int:
    """Mark runs failed whose process died or whom no worker took up. How many there were."""
    stale = list(TrainingRun.objects.filter(is_stale()))
    for run in stale:
        if run.state == TrainingRun.State.QUEUED:
            why = "No worker took the run up. Start one: celery -A recsite worker -Q training --pool=solo."
        else:
            why = f"The process that executed the run died: its last sign of life was at {_seen(run)}."
        fail_run(run=run, error=why)
        remove_work(run)
    return len(stale)


def keep_runs_going() -> list[TrainingRun]:
    """Put runs whose process died into the queue again; after MOST_ATTEMPTS, or where no worker comes, they fail.

    Back come those that a worker should be told of: now, or again where it seems to have heard of none.
    """
    executed = [state for state in TrainingRun.ACTIVE if state != TrainingRun.State.QUEUED]
    for run in TrainingRun.objects.filter(is_stale(), state__in=executed, attempt__lt=MOST_ATTEMPTS):
        still = is_stale() & Q(attempt=run.attempt)
        requeue(run=run, why=f"Its process died, last seen at {_seen(run)}.", only=still)
    fail_stale_runs()
    lately = timezone.now() - SENT_AGAIN_AFTER
    waiting = Q(created__lt=lately) | Q(attempt__gt=0)
    return list(TrainingRun.objects.filter(waiting, state=TrainingRun.State.QUEUED))


def requeue(*, run: TrainingRun, why: str, only: Q) -> None:
    """Let another process go on with a run, if its row still is one of `only`."""
    waits = {"heartbeat": timezone.now(), "phase": f"{why} Waits for a worker that goes on."}
    if move(run, TrainingRun.State.QUEUED, only=only, **waits):
        log.warning("run_requeued", run=run.pk, attempt=run.attempt, why=why)


def _seen(run: TrainingRun) -> str:
    return timezone.localtime(run.heartbeat).strftime("%H:%M:%S")


def is_stale() -> Q:
    """Runs whose process died, or whom no worker took up."""
    now = timezone.now()
    dead = now - timedelta(seconds=getattr(settings, "RECOMMENDER_STALE_AFTER", STALE_AFTER))
    executed = [state for state in TrainingRun.ACTIVE if state != TrainingRun.State.QUEUED]
    return Q(state__in=executed, heartbeat__lt=dead) | Q(
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
    return registry.work_folder(run.pk, run.attempt)


def take_over_work(run: TrainingRun) -> None:
    """Make what the attempt before left this one's own; if that still writes there, it finds its folder gone."""
    left = work_folder(run).with_name(f"{run.pk}.{run.attempt - 1}")
    if left.is_dir():
        left.rename(work_folder(run))


def remove_work(run: TrainingRun) -> None:
    shutil.rmtree(work_folder(run), ignore_errors=True)
