"""How a run ends: promoted or refused, as the gate decides, else cancelled or failed."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.utils import timezone

from recommender.engine.errors import EngineError, TrainingCancelled
from recommender.engine_words import error_words
from recommender.errors import NothingChanged, RecommenderError
from recommender.feedback import learnable_samples
from recommender.models import ModelVersion, TrainingRun
from recommender.notifications import notify_failure, notify_refusal
from recommender.registry import bundle_root, promote, remove_bundle
from recommender.training.gate import Decision, decide, max_data_loss, max_quality_drop
from recommender.training.journal import Journal, storable
from recommender.training.learning import Learned
from recommender.training.outages import retry_while_away
from recommender.training.runs import advance, is_own, move, remove_work, version_name
from recommender.words import Words, columns, message_of

if TYPE_CHECKING:
    from recommender.engine.evaluation.report import Report

log = structlog.get_logger("recommender.training.outcome")

State = TrainingRun.State


def finish(run: TrainingRun, learning: Future[Learned], journal: Journal) -> None:
    """Write the end of a run, and remove its working files.

    Where the database stays away, DatabaseError; the files stay, and the next attempt goes on from them.
    """
    problem = learning.exception()
    if problem is None:
        learned = learning.result()
        decision = decide(
            learned.report.to_dict(),
            live_report=learned.live_report,
            max_data_loss=max_data_loss(),
            max_quality_drop=max_quality_drop(),
            mismatches=learned.mismatches,
        )
        journal.note(str(decision.reason))
        try:
            problem = retry_while_away(partial(_store_version, run, learned.report, decision, journal))
        except DatabaseError as error:
            problem = error
    if problem is not None:
        retry_while_away(partial(_finish_without_version, run, problem, journal))
    remove_work(run)
    run.refresh_from_db()


def _finish_without_version(run: TrainingRun, problem: BaseException, journal: Journal) -> None:
    if isinstance(problem, TrainingCancelled | NothingChanged):
        state, error = State.CANCELLED, ""
        phase = message_of(problem) if isinstance(problem, NothingChanged) else Words("Cancelled")
    else:
        state, phase, error = State.FAILED, Words("Failed"), _error_sentence(problem, journal)
    with transaction.atomic():
        changes = {**journal.columns(), "finished": timezone.now(), **columns(phase=phase, error=error)}
        if move(run, state, only=is_own(run), **changes) and state == State.FAILED:
            run.error, run.error_parts = changes["error"], changes["error_parts"]
            log.error("run_failed", run=run.pk, error=str(error))
            notify_failure(run)
    if not ModelVersion.objects.filter(name=version_name(run)).exists():
        remove_bundle(version_name(run))


def _error_sentence(problem: BaseException, journal: Journal) -> str | Words:
    """The problem for the admin. An unforeseen one leaves its traceback in the log."""
    if isinstance(problem, EngineError | RecommenderError):
        journal.note(str(problem))
        return error_words(problem)
    for line in traceback.format_exception(problem):
        journal.note(line.rstrip())
    message = " ".join(str(problem).split())[:500]
    if "No space left on device" in message:
        return Words(
            "The disk of BUNDLE_ROOT, {folder}, is full. Make room, then start the run again.",
            folder=str(bundle_root()),
        )
    what = f"{type(problem).__name__}: {message}" if message else type(problem).__name__
    return Words("Training broke on {problem}. The log says where.", problem=what)


def _store_version(run: TrainingRun, report: Report, decision: Decision, journal: Journal) -> Exception | None:
    """Write version, promotion and end of the run together, or none of them; back comes what prevented it.

    A database that is away raises: then it may be called again.
    """
    try:
        run.refresh_from_db(fields=["state"])  # in a second call, what the first set was rolled back
        advance(run, State.EVALUATING)
        with transaction.atomic():
            row = TrainingRun.objects.select_for_update().get(pk=run.pk)
            if ModelVersion.objects.filter(name=version_name(run)).exists():
                return None  # the first call wrote it, and only the database's answer was lost
            if row.cancel_requested or not TrainingRun.objects.active().filter(is_own(run), pk=run.pk).exists():
                return TrainingCancelled("The run was cancelled, or another process has taken it over.")
            version = _new_version(run, report, decision)
            if decision.promote:
                promote(version=version, by=run.started_by, reason=decision.reason)
            else:
                notify_refusal(version)
            journal.progress, journal.phase = 1.0, Words("Promoted") if decision.promote else Words("Refused")
            changes = {**journal.columns(), "counts": report.counts, "curve": storable(report.curve)}
            move(
                run,
                State.PROMOTED if decision.promote else State.REFUSED,
                metrics=metrics_of(version.report),
                fingerprint=report.fingerprint,
                finished=timezone.now(),
                **changes,
            )
    except (OperationalError, InterfaceError):
        raise
    except (DatabaseError, RecommenderError, ValidationError) as error:
        return error
    log.info("run_ended", run=run.pk, state=str(run.state), reason=str(decision.reason))
    return None


def _new_version(run: TrainingRun, report: Report, decision: Decision) -> ModelVersion:
    version = ModelVersion(
        name=version_name(run),
        run=run,
        report=storable({**report.to_dict(), "samples": learnable_samples(report.samples)}),
        fingerprint=report.fingerprint,
        passed_gate=decision.promote,
        **columns(gate_reason=decision.reason),
    )
    version.full_clean()
    version.save()
    return version


def metrics_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a report: a row for each model by its name, the paired differences, the ratings."""
    return {
        **{row["model"]: {name: value for name, value in row.items() if name != "model"} for row in report["models"]},
        "paired": report["paired"],
        "ratings": report["ratings"],
        "unmeasured": report.get("unmeasured", []),
    }
