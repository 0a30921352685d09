"""Training, from the button to the live model: start, execute, cancel, promote, roll back.

The row of a run is what is believed, never the broker. While a run learns in a thread of its own, the thread that
called `execute_run` writes its heartbeat and progress every second and looks whether somebody wants it to stop; a run
whose heartbeat stopped has died with its process. The live model is changed by one new row of Promotion, at the very
end, so nothing that happens before can hurt what serves.
"""

from __future__ import annotations

import shutil
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from math import isfinite
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from recommender.engine.bundle import read_manifest
from recommender.engine.config import TrainConfig
from recommender.engine.errors import BundleError, EngineError, TrainingCancelled
from recommender.errors import RecommenderError, TrainingError
from recommender.gate import Decision, decide
from recommender.models import ModelVersion, Promotion, TrainingRun
from recommender.retrieval import send
from recommender.source import get_source

if TYPE_CHECKING:  # at run time the engine is imported where it is used: it brings torch along
    from django.contrib.auth.models import User

    from recommender.engine.pipeline import Progress
    from recommender.engine.report import Report

log = structlog.get_logger("recommender.training")

TICK = 1.0  # seconds between two signs of life
STALE_AFTER = timedelta(minutes=2)  # without a sign of life, a run that was being executed is dead
PATIENCE_WITH_WORKER = timedelta(minutes=15)  # and one that waits for a worker waits in vain
LOG_LINES = 200
MOST_TRIALS = 1_000
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


# --- starting and stopping --------------------------------------------------------------------------------------------


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
    waiting = TrainingRun.objects.filter(pk=run.pk).filter(Q(state=TrainingRun.State.QUEUED) | _stale())
    now = timezone.now()
    if waiting.update(state=TrainingRun.State.CANCELLED, phase="Cancelled", cancel_requested=True, finished=now):
        _remove(work_folder(run))
    elif not _active().filter(pk=run.pk).update(cancel_requested=True):
        run.refresh_from_db()
        raise TrainingError(f"Run {run.pk} is {run.state}; only a run that has not ended can be cancelled.")
    run.refresh_from_db()
    log.info("run_cancelled", run=run.pk, state=str(run.state))
    return run


def fail_run(*, run: TrainingRun, error: str) -> None:
    """End an active run that cannot go on."""
    now = timezone.now()
    _active().filter(pk=run.pk).update(state=TrainingRun.State.FAILED, phase="Failed", error=error, finished=now)
    run.refresh_from_db()
    log.error("run_failed", run=run.pk, error=error)


def fail_stale_runs() -> int:
    """Mark runs failed whose process died or whom no worker took up. How many there were."""
    runs = list(TrainingRun.objects.filter(_stale()))
    for run in runs:
        seen = timezone.localtime(run.heartbeat).strftime("%H:%M:%S")
        if run.state == TrainingRun.State.QUEUED:
            why = "No worker took the run up. Start one: celery -A recsite worker -Q training --pool=solo."
        else:
            why = f"The process that executed the run died: its last sign of life was at {seen}."
        fail_run(run=run, error=why)
        _remove(work_folder(run))
    return len(runs)


def active_run() -> TrainingRun | None:
    """The run that is queued or being executed."""
    return _active().first()


@dataclass(frozen=True)
class Plan:
    """What a run's parameters ask for. settings : those of TrainConfig that are not to take their defaults.

    tune : so many trials of other settings first.   warm_start : go on from the live version, its weights and settings.
    """

    settings: dict[str, Any]
    tune: int = 0
    warm_start: bool = False


def plan_of(parameters: Mapping[str, Any]) -> Plan:
    """TrainingError names the parameter that is unknown, of the wrong type or out of range."""
    options = {"tune": int, "warm_start": bool}
    kinds = {f.name: type(f.default) for f in fields(TrainConfig)} | options
    for name, value in parameters.items():
        if name not in kinds:
            raise TrainingError(f"{name!r} is no training parameter; there are {', '.join(kinds)}.")
        kind = kinds[name]
        if not (type(value) is kind or (kind is float and type(value) is int)):
            raise TrainingError(f"{name} is {value!r}; it must be {_A[kind]}.")
    plan = Plan(
        settings={name: value for name, value in parameters.items() if name not in options},
        **{name: value for name, value in parameters.items() if name in options},
    )
    if not 0 <= plan.tune <= MOST_TRIALS:
        raise TrainingError(f"tune is {plan.tune}; it must lie between 0 and {MOST_TRIALS:,}.")
    try:
        TrainConfig.from_dict(plan.settings)
    except EngineError as error:
        raise TrainingError(str(error)) from None
    return plan


_A = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def _active() -> Any:
    return TrainingRun.objects.filter(state__in=TrainingRun.ACTIVE)


def _stale() -> Q:
    now = timezone.now()
    executed = [state for state in TrainingRun.ACTIVE if state != TrainingRun.State.QUEUED]
    return Q(state__in=executed, heartbeat__lt=now - STALE_AFTER) | Q(
        state=TrainingRun.State.QUEUED, heartbeat__lt=now - PATIENCE_WITH_WORKER
    )


# --- executing --------------------------------------------------------------------------------------------------------


def execute_run(*, run: TrainingRun, tell: Tell | None = None) -> TrainingRun:
    """Export, train, evaluate, judge, and promote or refuse; back comes the run in the state it ended in.

    Whatever goes wrong ends in the run's state, error and log, not in an exception; only a run that is not there to
    be executed raises TrainingError. A run whose process died goes on from its snapshot and its last checkpoint.

    tell : told progress (0 to 1) and phase once a second.
    """
    _claim(run)
    stop, journal = Event(), _Journal(phase="Reading the shop's data", lines=deque(run.log.splitlines(), LOG_LINES))
    log.info("run_starts", run=run.pk)
    with ThreadPoolExecutor(1, thread_name_prefix="training") as pool:
        learning = pool.submit(_learn, run, journal, stop)
        try:
            while not wait([learning], timeout=TICK).done:
                _beat(run, journal, stop)
                if tell is not None:
                    tell(journal.progress, journal.phase)
        finally:
            stop.set()  # only Ctrl-C and the like get here while it learns
            wait([learning])
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
    claimable = TrainingRun.objects.filter(pk=run.pk).filter(Q(state=TrainingRun.State.QUEUED) | _stale())
    claimed = claimable.update(state=TrainingRun.State.EXPORTING, heartbeat=now, started=Coalesce("started", now))
    run.refresh_from_db()
    if not claimed:
        raise TrainingError(f"Run {run.pk} is {run.state}; only a queued run can be executed.")


def _learn(run: TrainingRun, journal: _Journal, stop: Event) -> Report:
    """From the shop's rows to a bundle. Runs in a thread of its own, with its own database connection."""
    from recommender.engine.pipeline import build_bundle
    from recommender.export import export_snapshot

    folder, plan = work_folder(run), plan_of(run.parameters)
    snapshot = folder / "snapshot"
    try:
        version = live_version()
        live = None if version is None else bundle_folder(version.name)
        if snapshot.exists():
            journal.note("Going on with what an earlier attempt left.")
            journal.curve = list(run.curve)
        else:
            counts = export_snapshot(
                source=get_source(), folder=snapshot, progress=journal.exported, should_stop=stop.is_set
            )
            journal.counts = {"users": counts.customers, "items": counts.items, "interactions": counts.interactions}
            journal.note(
                f"Read {counts.customers:,} customers, {counts.items:,} items, {counts.interactions:,} interactions."
            )
    finally:
        connections.close_all()  # this thread's own; training may take hours and needs none
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
    journal.note(send(bundle_folder(_name(run))))
    return report


def _config(plan: Plan, live: Path | None) -> TrainConfig:
    """The settings of a run. A warm start takes those of the live bundle where none are given."""
    from recommender.engine.warm_start import settings_of

    if plan.warm_start and live is not None:
        with suppress(BundleError):  # the run says so: it starts cold
            return settings_of(live, plan.settings)
    return TrainConfig.from_dict(plan.settings)


def _beat(run: TrainingRun, journal: _Journal, stop: Event) -> None:
    """Write how far the run is, and see whether it shall stop. A database that is away for a while stops nothing."""
    try:
        _follow(run, journal.state)
        alive = _active().filter(pk=run.pk).update(heartbeat=timezone.now(), **journal.row())
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
    for following in way[way.index(run.state) + 1 : way.index(state) + 1]:  # type: ignore[arg-type]
        if not _move(run, following):
            return


def _move(run: TrainingRun, state: str, **changes: Any) -> bool:
    """Change the state of a run. False when somebody else did so meanwhile: then theirs holds."""
    if state not in TrainingRun.NEXT.get(run.state, ()):  # type: ignore[call-overload]
        raise TrainingError(f"Run {run.pk} is {run.state}; it cannot become {state}.")
    if not TrainingRun.objects.filter(pk=run.pk, state=run.state).update(state=state, **changes):
        return False
    run.state = state
    return True


def _end(run: TrainingRun, learning: Future[Report], journal: _Journal) -> None:
    """Write how it ended, and clear away what only the run needed."""
    problem = learning.exception()
    try:
        if problem is None:
            _follow(run, TrainingRun.State.EVALUATING)
            problem = _judge(run, learning.result(), journal)
        if isinstance(problem, TrainingCancelled):
            ended = {"state": TrainingRun.State.CANCELLED, "phase": "Cancelled"}
        elif problem is not None:
            ended = {"state": TrainingRun.State.FAILED, "phase": "Failed", "error": _sentence(problem, journal)}
            log.error("run_failed", run=run.pk, error=ended["error"])
        if problem is not None:
            _active().filter(pk=run.pk).update(**{**journal.row(), "finished": timezone.now(), **ended})
            _remove(bundle_folder(_name(run)))
    finally:
        _remove(work_folder(run))
    run.refresh_from_db()


def _sentence(problem: BaseException, journal: _Journal) -> str:
    """What went wrong, for the admin; what nobody foresaw leaves its traceback in the log."""
    if isinstance(problem, EngineError | RecommenderError):
        journal.note(str(problem))
        return str(problem)
    for line in traceback.format_exception(problem):
        journal.note(line.rstrip())
    what = " ".join(str(problem).split())[:500]
    return f"Training broke on {type(problem).__name__}{f': {what}' if what else ''}. The log says where."


def _judge(run: TrainingRun, report: Report, journal: _Journal) -> Exception | None:
    """Let the gate decide, and write version, promotion and end of the run together, or none of them."""
    measured = report.to_dict()
    decision = decide(measured)
    journal.note(decision.reason)
    try:
        with transaction.atomic():
            now = TrainingRun.objects.select_for_update().get(pk=run.pk)
            if now.cancel_requested or not now.is_active:
                return TrainingCancelled("The run was cancelled.")
            version = _new_version(run, measured, decision)
            if decision.promote:
                promote(version=version, by=run.started_by, reason=decision.reason)
            journal.progress, journal.phase = 1.0, "Promoted" if decision.promote else "Refused"
            _move(
                run,
                TrainingRun.State.PROMOTED if decision.promote else TrainingRun.State.REFUSED,
                metrics=metrics_of(version.report),
                fingerprint=report.fingerprint,
                finished=timezone.now(),
                **{**journal.row(), "counts": report.counts, "curve": _storable(report.curve)},
            )
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


# --- the live model ---------------------------------------------------------------------------------------------------


def live_version() -> ModelVersion | None:
    """The version that serves; None before the first promotion."""
    newest = Promotion.objects.select_related("version").order_by("-pk").first()
    return newest.version if newest else None


def promote(*, version: ModelVersion, by: User | None = None, reason: str = "", override: bool = False) -> Promotion:
    """Make a version live. TrainingError when the gate refused it, unless `override` says why it shall serve anyway."""
    overrides = override and not version.passed_gate
    if not version.passed_gate and not override:
        raise TrainingError(
            f"Version {version.name} was not let through: {version.gate_reason or 'it was not judged.'}"
        )
    if overrides and not reason.strip():
        raise TrainingError(f"Say why version {version.name}, which was not let through, shall serve anyway.")
    if live_version() == version:
        raise TrainingError(f"Version {version.name} serves already.")
    action = Promotion.Action.OVERRIDE if overrides else Promotion.Action.PROMOTE
    return _make_live(version, action, by, reason)


def roll_back(*, by: User | None = None, reason: str = "") -> Promotion:
    """Make the version live that served before the present one; again, the one before that. TrainingError if none."""
    served = _versions_below()
    if not served:
        raise TrainingError("There is no earlier version to roll back to.")
    return _make_live(served[-1], Promotion.Action.ROLL_BACK, by, reason)


def version_below() -> ModelVersion | None:
    """The version that a roll back would make live."""
    return next(reversed(_versions_below()), None)


def _versions_below() -> list[ModelVersion]:
    """What served before the live version, oldest first: promotions put a version on top, a roll back takes it off."""
    pile: list[ModelVersion] = []
    for promotion in Promotion.objects.select_related("version").order_by("pk"):
        if promotion.action == Promotion.Action.ROLL_BACK:
            pile = pile[:-1] or [promotion.version]
        else:
            pile.append(promotion.version)
    return pile[:-1]


def _make_live(version: ModelVersion, action: str, by: User | None, reason: str) -> Promotion:
    try:
        read_manifest(bundle_folder(version.name))
    except BundleError as error:
        raise TrainingError(f"Version {version.name} cannot serve: {error}") from None
    promotion = Promotion(version=version, action=action, by=by, reason=reason.strip())
    promotion.full_clean()
    promotion.save()
    log.info("promotion", version=version.name, action=str(action), by=str(by) if by else None, reason=reason)
    return promotion


# --- where things lie, and how they are stored ------------------------------------------------------------------------


def bundle_folder(version: str) -> Path:
    return Path(settings.BUNDLE_ROOT) / version


def work_folder(run: TrainingRun) -> Path:
    """Snapshot and checkpoints of a run, kept until it ends: a run whose process died goes on from them."""
    return Path(settings.BUNDLE_ROOT) / ".work" / str(run.pk)


def metrics_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """What a report says in numbers: a row for each model by its name, the paired differences, the ratings."""
    rows = {row["model"]: {n: v for n, v in row.items() if n != "model"} for row in report["models"]}
    return {**rows, "paired": report["paired"], "ratings": report["ratings"]}


def _name(run: TrainingRun) -> str:
    started: datetime = run.started or run.created
    return f"{started:%Y%m%d-%H%M%S}-{run.pk}"


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _storable(value: Any) -> Any:
    """The same with None for what is not a number: JSON has no nan, and PostgreSQL takes none."""
    if isinstance(value, Mapping):
        return {str(key): _storable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value
