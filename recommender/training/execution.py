"""The executor of a run: it starts the learning thread, writes heartbeat and progress, and stops it on request.

The live model changes by one new row of Promotion at the very end: nothing before can hurt what serves.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event

import structlog
from django.db import DatabaseError, connection
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from recommender.errors import TrainingError
from recommender.models import TrainingRun
from recommender.training.journal import Journal
from recommender.training.learning import learn
from recommender.training.outcome import finish
from recommender.training.runs import advance, is_own, is_stale, move, requeue, take_over_work
from recommender.words import Words

log = structlog.get_logger("recommender.training.execution")

HEARTBEAT_SECONDS = 1.0

ProgressCallback = Callable[[float, str], None]  # gets progress, 0 to 1, and phase


def execute_run(*, run: TrainingRun, on_progress: ProgressCallback | None = None) -> TrainingRun:
    """Export, train, evaluate, judge, and promote or refuse; back comes the run in its final state.

    A failure ends in the run's state, error and log, not in an exception; but TrainingError for a run that cannot be
    executed, and DatabaseError for a database that stays away: another attempt then continues the run. A run whose
    process died continues from its snapshot and its last checkpoint.

    on_progress : called every second.
    """
    _claim(run)
    stop, journal = Event(), Journal.continued(run)
    log.info("run_starts", run=run.pk, attempt=run.attempt)
    with ThreadPoolExecutor(1, thread_name_prefix="training") as pool:
        learning = pool.submit(learn, run, journal, stop)
        try:
            while not wait([learning], timeout=HEARTBEAT_SECONDS).done:
                _write_heartbeat(run, journal, stop)
                if on_progress is not None:
                    on_progress(journal.progress, journal.phase)
        except BaseException as error:
            stop.set()
            wait([learning])
            if isinstance(error, SystemExit):  # a worker that must end at once: another one continues the run
                requeue(run=run, why=Words("Its process was told to end."), only=is_own(run))
            else:  # Ctrl-C
                finish(run, learning, journal)
            raise
        finish(run, learning, journal)
    if on_progress is not None:
        on_progress(run.progress, run.phase)
    return run


def _claim(run: TrainingRun) -> None:
    """Begin a new attempt. TrainingError where another worker was quicker, or the run has ended."""
    now = timezone.now()
    changes = {"heartbeat": now, "started": Coalesce("started", Value(now)), "attempt": F("attempt") + 1}
    unattended = Q(state=TrainingRun.State.QUEUED) | is_stale()
    claimed = move(run, TrainingRun.State.EXPORTING, only=unattended, **changes)
    run.refresh_from_db()
    if not claimed:
        raise TrainingError(
            Words("Run {run} is {state}; only a queued run can be executed.", run=run.pk, state=run.state_words)
        )
    take_over_work(run)


def _write_heartbeat(run: TrainingRun, journal: Journal, stop: Event) -> None:
    """Store the progress, and set `stop` if the run was cancelled or taken over. A database outage stops nothing."""
    try:
        advance(run, journal.state)
        row = TrainingRun.objects.active().filter(is_own(run), pk=run.pk)
        written = row.update(heartbeat=timezone.now(), **journal.columns())
        if not written or TrainingRun.objects.filter(pk=run.pk, cancel_requested=True).exists():
            stop.set()
    except DatabaseError as error:
        log.warning("heartbeat_not_written", run=run.pk, error=str(error))
        connection.close_if_unusable_or_obsolete()
