"""A run is executed here: export, train, measure, judge, and promote or refuse.

While a run learns in a thread of its own, the thread that called `execute_run` writes its heartbeat and progress every
second and looks whether somebody wants it to stop. The live model is changed by one new row of Promotion, at the very
end, so nothing that happens before can hurt what serves.
"""

from __future__ import annotations

import shutil
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from math import isfinite
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from recommender import extras
from recommender.engine.config import TrainConfig
from recommender.engine.errors import BundleError, EngineError, TrainingCancelled
from recommender.errors import NothingChanged, RecommenderError, TrainingError
from recommender.feedback import learnable_samples
from recommender.models import ModelVersion, TrainingRun
from recommender.notifications import tell_of_failure, tell_of_refusal
from recommender.registry import bundle_folder, live_version, promote, send_vectors
from recommender.source import get_source
from recommender.training.gate import Decision, decide, most_fallen, most_lost
from recommender.training.parameters import RunParameters, read_parameters
from recommender.training.runs import is_stale, move, remove_work, requeue, take_over_work, work_folder

if TYPE_CHECKING:  # at run time the engine is imported where it is used: it brings torch along
    from recommender.engine.evaluation.report import Report
    from recommender.engine.training.pipeline import Progress

log = structlog.get_logger("recommender.training.execution")

TICK = 1.0  # seconds between two signs of life
PATIENCE_WITH_DATABASE = 60.0  # seconds
LOG_LINES = 200
EXPORT_SHARE = 0.05  # of the progress bar
OF_PHASE = {  # the state of a run in each phase of the engine's pipeline
    "reading": TrainingRun.State.TRAINING,
    "tuning": TrainingRun.State.TRAINING,
    "training": TrainingRun.State.TRAINING,
    "refitting": TrainingRun.State.TRAINING,
    "evaluating": TrainingRun.State.EVALUATING,
    "writing": TrainingRun.State.EVALUATING,
}

Tell = Callable[[float, str], None]
Result = TypeVar("Result")


def execute_run(*, run: TrainingRun, tell: Tell | None = None) -> TrainingRun:
    """Export, train, evaluate, judge, and promote or refuse; back comes the run in the state it ended in.

    Whatever goes wrong ends in the run's state, error and log, not in an exception; only a run that is not there to
    be executed raises TrainingError, and a database that stays away DatabaseError: the run is then taken up again.
    A run whose process died goes on from its snapshot and its last checkpoint.

    tell : told progress (0 to 1) and phase once a second.
    """
    _claim(run)
    stop, journal = Event(), _Journal(phase="Reading the shop's data", lines=deque(run.log.splitlines(), LOG_LINES))
    log.info("run_starts", run=run.pk, attempt=run.attempt)
    with ThreadPoolExecutor(1, thread_name_prefix="training") as pool:
        learning = pool.submit(_learn, run, journal, stop)
        try:
            while not wait([learning], timeout=TICK).done:
                _beat(run, journal, stop)
                if tell is not None:
                    tell(journal.progress, journal.phase)
        except BaseException as error:
            stop.set()
            wait([learning])
            if isinstance(error, SystemExit):  # a worker that must end at once: another one goes on from here
                requeue(run=run, why="Its process was told to end.", only=_ours(run))
            else:  # Ctrl-C
                _end(run, learning, journal)
            raise
        _end(run, learning, journal)
    if tell is not None:
        tell(run.progress, run.phase)
    return run


@dataclass
class _Journal:
    """What the learning thread has to say. It never touches the row of its run: the other thread writes that."""

    state: str = TrainingRun.State.EXPORTING
    phase: str = ""
    progress: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    curve: list[dict[str, Any]] = field(default_factory=list)
    lines: deque[str] = field(default_factory=deque)
    lock: Lock = field(default_factory=Lock)

    def note(self, line: str) -> None:
        with self.lock:
            self.lines.append(f"{timezone.localtime():%H:%M:%S} {line}")

    def exported(self, table: str, rows: int) -> None:
        """Told by the export."""
        self.phase = f"Reading the shop's data: {rows:,} {table}"

    def engine(self, progress: Progress) -> None:
        """Told by the engine's pipeline."""
        self.state = OF_PHASE[progress.phase]
        self.phase = f"{progress.phase.capitalize()}: {progress.message}"
        self.progress = EXPORT_SHARE + (1 - EXPORT_SHARE) * progress.done
        if progress.metrics:
            with self.lock:
                self.curve.append(_storable(progress.metrics))
        self.note(self.phase)

    def row(self) -> dict[str, Any]:
        with self.lock:
            return {
                "phase": self.phase[:200],
                "progress": min(max(self.progress, 0.0), 1.0),
                "counts": dict(self.counts),
                "curve": list(self.curve),
                "log": "\n".join(self.lines),
            }


def _claim(run: TrainingRun) -> None:
    """Make the run ours to execute. Two workers with one message: one of them gets it."""
    now = timezone.now()
    nobody = Q(state=TrainingRun.State.QUEUED) | is_stale()
    ours = {"heartbeat": now, "started": Coalesce("started", Value(now)), "attempt": F("attempt") + 1}
    claimed = move(run, TrainingRun.State.EXPORTING, only=nobody, **ours)
    run.refresh_from_db()
    if not claimed:
        raise TrainingError(f"Run {run.pk} is {run.state}; only a queued run can be executed.")
    take_over_work(run)


def _ours(run: TrainingRun) -> Q:
    """The row while it is this process that executes the run: one that was taken for dead writes no more."""
    return Q(attempt=run.attempt) & ~Q(state=TrainingRun.State.QUEUED)


def _despite_outages(do: Callable[[], Result]) -> Result:
    """Do something that may be done twice with the database; while that is away, again and again for a minute."""
    deadline = time.monotonic() + PATIENCE_WITH_DATABASE
    while True:
        try:
            return do()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > deadline:
                raise
            log.warning("database_is_away", error=str(error))
            connection.close_if_unusable_or_obsolete()
            time.sleep(TICK)


@dataclass(frozen=True)
class _Learned:
    """What the gate is asked about: both reports as `decide` takes them, and the bundle's other answers."""

    report: Report
    live_report: Mapping[str, Any] | None
    other_answers: list[str]


def _learn(run: TrainingRun, journal: _Journal, stop: Event) -> _Learned:
    """From the shop's rows to a bundle. Runs in a thread of its own, with its own database connection."""
    extras.require("train")
    from recommender.engine.data.tables import read_snapshot
    from recommender.engine.training.pipeline import build_bundle
    from recommender.engine.training.samples import other_answers
    from recommender.training.export import export_snapshot

    folder, plan = work_folder(run), read_parameters(run.parameters)
    snapshot = folder / "snapshot"
    try:
        version = _despite_outages(live_version)
        live = None if version is None else bundle_folder(version.name)
        if snapshot.exists():
            journal.note("Going on with what an earlier attempt left.")
            journal.counts, journal.curve = dict(run.counts), list(run.curve)
        else:
            export = partial(export_snapshot, source=get_source(), folder=snapshot)
            counts = _despite_outages(partial(export, progress=journal.exported, should_stop=stop.is_set))
            journal.counts = {"users": counts.customers, "items": counts.items, "interactions": counts.interactions}
            journal.note(
                f"Read {counts.customers:,} customers, {counts.items:,} items, {counts.interactions:,} interactions."
            )
    finally:
        connections.close_all()  # this thread's own; training may take hours and needs none
    if plan.only_if_changed and version is not None and read_snapshot(snapshot).fingerprint() == version.fingerprint:
        raise NothingChanged(f"Skipped: nothing changed since version {version.name} learned.")
    report = build_bundle(
        snapshot,
        bundle_folder(_name(run)),
        config=_config(plan, live),
        live=live,
        warm_start=plan.warm_start,
        tune=plan.tune,
        progress=journal.engine,
        should_stop=stop.is_set,
        work=folder / "checkpoints",
    )
    if stop.is_set():  # asked for while the bundle was being written
        raise TrainingCancelled("The run was cancelled.")
    found = other_answers(bundle_folder(_name(run)), report.samples)
    journal.note(send_vectors(bundle_folder(_name(run))))
    return _Learned(report, version.report if version else None, found)


def _config(plan: RunParameters, live: Path | None) -> TrainConfig:
    """The settings of a run. A warm start takes those of the live bundle where none are given."""
    from recommender.engine.training.warm_start import settings_of

    if plan.warm_start and live is not None:
        with suppress(BundleError):  # the run says so: it starts cold
            return settings_of(live, plan.settings)
    return TrainConfig.from_dict(plan.settings)


def _beat(run: TrainingRun, journal: _Journal, stop: Event) -> None:
    """Write how far the run is, and see whether it shall stop. A database that is away for a while stops nothing."""
    try:
        _follow(run, journal.state)
        alive = (
            TrainingRun.objects.active().filter(_ours(run), pk=run.pk).update(heartbeat=timezone.now(), **journal.row())
        )
        wanted = not TrainingRun.objects.filter(pk=run.pk, cancel_requested=True).exists()
    except DatabaseError as error:
        log.warning("heartbeat_not_written", run=run.pk, error=str(error))
        connection.close_if_unusable_or_obsolete()
        return
    if not (alive and wanted):
        stop.set()


def _follow(run: TrainingRun, state: str) -> None:
    """Bring the row to the state of the journal, step by step: a quick run passes several between two beats."""
    way = [TrainingRun.State.EXPORTING, TrainingRun.State.TRAINING, TrainingRun.State.EVALUATING]
    if run.state not in way:
        return
    for following in way[way.index(run.state) + 1 : way.index(state) + 1]:  # type: ignore[arg-type]
        if not move(run, following, only=_ours(run)):
            return


def _end(run: TrainingRun, learning: Future[_Learned], journal: _Journal) -> None:
    """Write how it ended, and clear away what only the run needed.

    Where the database stays away the work stays, too: whoever takes the run up then goes on from there.
    """
    problem = learning.exception()
    if problem is None:
        learned = learning.result()
        decision = decide(
            learned.report.to_dict(),
            live_report=learned.live_report,
            most_lost=most_lost(),
            most_fallen=most_fallen(),
            other_answers=learned.other_answers,
        )
        journal.note(decision.reason)
        try:
            problem = _despite_outages(partial(_judge, run, learned.report, decision, journal))
        except DatabaseError as error:
            problem = error
    if problem is not None:
        _despite_outages(partial(_end_without_version, run, problem, journal))
    remove_work(run)
    run.refresh_from_db()


def _end_without_version(run: TrainingRun, problem: BaseException, journal: _Journal) -> None:
    if isinstance(problem, TrainingCancelled | NothingChanged):
        phase = str(problem) if isinstance(problem, NothingChanged) else "Cancelled"
        state, ended = TrainingRun.State.CANCELLED, {"phase": phase}
    else:
        state, ended = TrainingRun.State.FAILED, {"phase": "Failed", "error": _sentence(problem, journal)}
    with transaction.atomic():
        changes = {**journal.row(), "finished": timezone.now(), **ended}
        if move(run, state, only=_ours(run), **changes) and state == TrainingRun.State.FAILED:
            run.error = ended["error"]
            log.error("run_failed", run=run.pk, error=run.error)
            tell_of_failure(run)
    if not ModelVersion.objects.filter(name=_name(run)).exists():
        shutil.rmtree(bundle_folder(_name(run)), ignore_errors=True)


def _sentence(problem: BaseException, journal: _Journal) -> str:
    """What went wrong, for the admin; what nobody foresaw leaves its traceback in the log."""
    if isinstance(problem, EngineError | RecommenderError):
        journal.note(str(problem))
        return str(problem)
    for line in traceback.format_exception(problem):
        journal.note(line.rstrip())
    what = " ".join(str(problem).split())[:500]
    if "No space left on device" in what:
        return f"The disk of BUNDLE_ROOT, {settings.BUNDLE_ROOT}, is full. Make room, then start the run again."
    return f"Training broke on {type(problem).__name__}{f': {what}' if what else ''}. The log says where."


def _judge(run: TrainingRun, report: Report, decision: Decision, journal: _Journal) -> Exception | None:
    """Write version, promotion and end of the run together, or none of them, as the gate decided.

    Back comes what came in between. A database that is away raises: then it may be judged again.
    """
    try:
        run.refresh_from_db(fields=["state"])  # where it is judged again, what the first time set was rolled back
        _follow(run, TrainingRun.State.EVALUATING)
        with transaction.atomic():
            now = TrainingRun.objects.select_for_update().get(pk=run.pk)
            if ModelVersion.objects.filter(name=_name(run)).exists():
                return None  # it was written, and only the database's answer was lost
            if now.cancel_requested or not TrainingRun.objects.active().filter(_ours(run), pk=run.pk).exists():
                return TrainingCancelled("The run was cancelled, or another process has taken it over.")
            told = report.to_dict()
            version = _new_version(run, {**told, "samples": learnable_samples(told["samples"])}, decision)
            if decision.promote:
                promote(version=version, by=run.started_by, reason=decision.reason)
            else:
                tell_of_refusal(version)
            journal.progress, journal.phase = 1.0, "Promoted" if decision.promote else "Refused"
            move(
                run,
                TrainingRun.State.PROMOTED if decision.promote else TrainingRun.State.REFUSED,
                metrics=metrics_of(version.report),
                fingerprint=report.fingerprint,
                finished=timezone.now(),
                **{**journal.row(), "counts": report.counts, "curve": _storable(report.curve)},
            )
    except (OperationalError, InterfaceError):
        raise
    except (DatabaseError, RecommenderError, ValidationError) as error:
        return error
    log.info("run_ended", run=run.pk, state=str(run.state), reason=decision.reason)
    return None


def _new_version(run: TrainingRun, report: dict[str, Any], decision: Decision) -> ModelVersion:
    version = ModelVersion(
        name=_name(run),
        run=run,
        report=_storable(report),
        fingerprint=report["fingerprint"],
        passed_gate=decision.promote,
        gate_reason=decision.reason,
    )
    version.full_clean()
    version.save()
    return version


def metrics_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """What a report says in numbers: a row for each model by its name, the paired differences, the ratings."""
    rows = {row["model"]: {n: v for n, v in row.items() if n != "model"} for row in report["models"]}
    return {
        **rows,
        "paired": report["paired"],
        "ratings": report["ratings"],
        "unmeasured": report.get("unmeasured", []),
    }


def _name(run: TrainingRun) -> str:
    """Of the version. Each attempt has its own: one taken for dead never touches what another one wrote."""
    started: datetime = run.started or run.created
    again = f"-{run.attempt}" if run.attempt > 1 else ""
    return f"{started:%Y%m%d-%H%M%S}-{run.pk}{again}"


def _storable(value: Any) -> Any:
    """The same with None for what is not a number: JSON has no nan, and PostgreSQL takes none."""
    if isinstance(value, Mapping):
        return {str(key): _storable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value
