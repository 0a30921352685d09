"""Runs as rows: started, cancelled, marked failed. TrainingRun.NEXT alone says which state may follow which.

The row of a run is the truth, never the broker. A run whose heartbeat stopped has died with its process: the clock puts
it into the queue again, and another attempt continues from its work folder. Attempts have numbers; a process whose
attempt is no longer the row's, because it was only slow, changes nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
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
from recommender.notifications import notify_failure
from recommender.signals import run_ended, send_after_commit
from recommender.training.parameters import read_parameters
from recommender.words import Words, columns

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger("recommender.training.runs")

State = TrainingRun.State
EXECUTING = (State.EXPORTING, State.TRAINING, State.EVALUATING)
STALE_AFTER_SECONDS = 120.0  # without a heartbeat an executing run is dead
MAX_WAIT = timedelta(minutes=15)  # a queued run fails then: no worker is there
RESEND_AFTER = timedelta(seconds=30)  # of a queued run: its message may have died with the broker or a worker
MAX_ATTEMPTS = 3  # a run that kills every process is not tried for ever


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
        raise TrainingError(
            Words("Run {run} is {state}; one run at a time.", run=active.pk, state=active.state_words)
        ) from None
    log.info("run_queued", run=run.pk, parameters=run.parameters)
    return run


def restart_run(*, run: TrainingRun, started_by: User | None = None) -> TrainingRun:
    """A new run with the parameters of one that has ended. TrainingError as from `start_run`."""
    if run.is_active:
        raise TrainingError(
            Words(
                "Run {run} is {state}; only a run that has ended can be started again.",
                run=run.pk,
                state=run.state_words,
            )
        )
    return start_run(parameters=run.parameters, started_by=started_by)


def cancel_run(*, run: TrainingRun, by: User | None = None) -> TrainingRun:
    """Stop a run: at once when no process executes it, else within seconds. TrainingError when it has ended."""
    unattended = Q(state=State.QUEUED) | is_stale()
    request = {"cancel_requested": True, "cancelled_by": by}
    if move(
        run, State.CANCELLED, only=unattended, finished=timezone.now(), **columns(phase=Words("Cancelled")), **request
    ):
        remove_work(run)
    elif not TrainingRun.objects.active().filter(pk=run.pk).update(**request):
        run.refresh_from_db()
        raise TrainingError(
            Words(
                "Run {run} is {state}; only a run that has not ended can be cancelled.",
                run=run.pk,
                state=run.state_words,
            )
        )
    run.refresh_from_db()
    log.info("run_cancelled", run=run.pk, state=str(run.state), by=by.pk if by else None)
    return run


def fail_run(*, run: TrainingRun, error: Words | str) -> None:
    """End an active run that cannot continue."""
    failed = move(run, State.FAILED, finished=timezone.now(), **columns(phase=Words("Failed"), error=error))
    run.refresh_from_db()
    if failed:
        log.error("run_failed", run=run.pk, error=str(error))
        notify_failure(run)


def fail_stale_runs() -> int:
    """Fail the runs whose process died and those that no worker took up; back comes their number."""
    stale = list(TrainingRun.objects.filter(is_stale()))
    for run in stale:
        if run.state == State.QUEUED:
            error = Words(
                "No worker took the run up. Start one: celery -A your_project worker -Q training --pool=solo."
            )
        else:
            error = Words(
                "The process that executed the run died: its last sign of life was at {time}.", time=_last_seen(run)
            )
        fail_run(run=run, error=error)
        remove_work(run)
    return len(stale)


def keep_runs_going() -> list[TrainingRun]:
    """Queue the runs again whose process died; after MAX_ATTEMPTS, or without a worker, they fail.

    Back come the queued runs that need a message to a worker: the first, or another where that may be lost.
    """
    for run in TrainingRun.objects.filter(is_stale(), state__in=EXECUTING, attempt__lt=MAX_ATTEMPTS):
        unchanged = is_stale() & Q(attempt=run.attempt)
        requeue(run=run, why=Words("Its process died, last seen at {time}.", time=_last_seen(run)), only=unchanged)
    fail_stale_runs()
    needs_message = Q(created__lt=timezone.now() - RESEND_AFTER) | Q(attempt__gt=0)
    return list(TrainingRun.objects.filter(needs_message, state=State.QUEUED))


def requeue(*, run: TrainingRun, why: Words, only: Q) -> None:
    """Let another process continue a run, if its row still matches `only`."""
    changes = {"heartbeat": timezone.now(), **columns(phase=Words("{why} Waits for a worker that goes on.", why=why))}
    if move(run, State.QUEUED, only=only, **changes):
        log.warning("run_requeued", run=run.pk, attempt=run.attempt, why=str(why))


def _last_seen(run: TrainingRun) -> str:
    return timezone.localtime(run.heartbeat).strftime("%H:%M:%S")


# --- conditions and changes of state ----------------------------------------------------------------------------------


def is_stale() -> Q:
    """Runs whose process died, and runs that no worker took up."""
    now = timezone.now()
    died = Q(state__in=EXECUTING, heartbeat__lt=now - _stale_after())
    return died | Q(state=State.QUEUED, heartbeat__lt=now - MAX_WAIT)


def dead_at(run: TrainingRun) -> datetime:
    """When an executing run counts as dead, unless its process gives a sign of life before."""
    return run.heartbeat + _stale_after()


def _stale_after() -> timedelta:
    return timedelta(seconds=getattr(settings, "RECOMMENDER_STALE_AFTER", STALE_AFTER_SECONDS))


def is_own(run: TrainingRun) -> Q:
    """The row while this process executes the run: a process that was taken for dead writes no more."""
    return Q(attempt=run.attempt) & ~Q(state=State.QUEUED)


def move(run: TrainingRun, state: str, *, only: Q | None = None, **changes: Any) -> bool:
    """Bring a run into a state, and change its row with it. False, without a change, when the row as it is now may not
    get there or does not match `only`: another process was quicker.
    """
    before = [earlier for earlier, following in TrainingRun.NEXT.items() if state in following]
    row = TrainingRun.objects.filter(only or Q(), pk=run.pk, state__in=before)
    if not row.update(state=state, **changes):
        return False
    run.state = state
    if state not in TrainingRun.ACTIVE and run_ended.has_listeners():
        ended = TrainingRun.objects.get(pk=run.pk)  # the row as it is now: `changes` are not on `run`
        send_after_commit(run_ended, run=ended)
    return True


def advance(run: TrainingRun, state: State) -> None:
    """Bring an executing run to a later state, step by step: a quick run passes several between two heartbeats."""
    if run.state not in EXECUTING:
        return
    for following in EXECUTING[EXECUTING.index(State(run.state)) + 1 : EXECUTING.index(state) + 1]:
        if not move(run, following, only=is_own(run)):
            return


# --- the files of a run -----------------------------------------------------------------------------------------------


def version_name(run: TrainingRun) -> str:
    """The name of the version that a run makes. Attempts have different names: none writes into another's bundle."""
    started: datetime = run.started or run.created
    suffix = f"-{run.attempt}" if run.attempt > 1 else ""
    return f"{started:%Y%m%d-%H%M%S}-{run.pk}{suffix}"


def work_folder(run: TrainingRun) -> Path:
    return registry.work_folder(run.pk, run.attempt)


def take_over_work(run: TrainingRun) -> None:
    """Move the work folder of the attempt before; if that still writes there, it no longer finds its folder."""
    earlier = registry.work_folder(run.pk, run.attempt - 1)
    if earlier.is_dir():
        earlier.rename(work_folder(run))


def remove_work(run: TrainingRun) -> None:
    shutil.rmtree(work_folder(run), ignore_errors=True)
