"""Experiments: plan one, start it, stop it, and promote the better arm. Every process follows within seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from recommender import registry
from recommender.engine.bundle.manifest import read_manifest
from recommender.engine.errors import BundleError
from recommender.engine_words import error_words
from recommender.errors import ExperimentError, TrainingError
from recommender.experiments.exposures import record_exposures, settle_exposures
from recommender.models import Arm, Experiment, ModelVersion, Promotion
from recommender.words import Words, in_words, joined, message_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger("recommender.experiments.service")

State = Experiment.State


def plan_experiment(*, arms: Sequence[Mapping[str, Any]], **fields: Any) -> Experiment:
    """A new experiment of two arms, A and B, that does not run yet. ValidationError names the field that is wrong."""
    experiment = Experiment(**fields)
    experiment.full_clean()
    a, b = (Arm(name=name, **fields) for name, fields in zip("AB", arms, strict=True))
    for arm in (a, b):
        for setting, value in arm.settings.items():
            if not 0 <= value <= 1:
                words = Words(
                    "{setting} of arm {arm} is {value:g}; it must be from 0 to 1.",
                    setting=setting,
                    arm=arm.name,
                    value=value,
                )
                raise ValidationError(in_words(words))
        if (arm.model == Arm.Model.VERSION) != (arm.version is not None):
            raise ValidationError(
                in_words(Words("Arm {arm} needs a version, or none where it is not of one version.", arm=arm.name))
            )
    if (a.model, a.version, a.settings) == (b.model, b.version, b.settings):
        raise ValidationError(_("Both arms are the same. Give one of them another version or other settings."))
    with transaction.atomic():
        experiment.save()
        for arm in (a, b):
            arm.experiment = experiment
            arm.save()
    return experiment


def start_experiment(*, experiment: Experiment, by: User | None = None) -> Experiment:
    """Start a planned experiment. ExperimentError when another one runs, or when a version of an arm cannot serve."""
    if experiment.state != State.PLANNED:
        raise ExperimentError(
            Words(
                "{experiment} is {state}; only a planned experiment can be started.",
                experiment=experiment,
                state=experiment.state_words,
            )
        )
    try:
        with transaction.atomic():
            for arm in experiment.arms.select_related("version"):
                if arm.version is not None:
                    _check_serves(arm.version, arm.name)
            now = timezone.now()
            changes = {"state": State.RUNNING, "started": now, "started_by": by, "exposed_until": now}
            if not Experiment.objects.filter(pk=experiment.pk, state=State.PLANNED).update(**changes):
                raise ExperimentError(Words("{experiment} was started or removed meanwhile.", experiment=experiment))
    except IntegrityError:
        raise ExperimentError(
            Words(
                "{experiment} is running; one experiment runs at a time.",
                experiment=Experiment.objects.filter(state=State.RUNNING).first(),
            )
        ) from None
    log.info("experiment_started", experiment=experiment.name, by=by.pk if by else None)
    experiment.refresh_from_db()
    return experiment


def stop_experiment(*, experiment: Experiment, by: User | None = None, reason: str = "") -> Experiment:
    """Stop a running experiment: from the next list on everybody is served alike. Else ExperimentError."""
    record_exposures(experiment)
    changes = {"state": State.STOPPED, "stopped": timezone.now(), "stopped_by": by, "reason": reason.strip()}
    if not Experiment.objects.filter(pk=experiment.pk, state=State.RUNNING).update(**changes):
        experiment.refresh_from_db()
        raise ExperimentError(
            Words(
                "{experiment} is {state}; only a running experiment can be stopped.",
                experiment=experiment,
                state=experiment.state_words,
            )
        )
    log.info("experiment_stopped", experiment=experiment.name, by=by.pk if by else None, reason=reason)
    experiment.refresh_from_db()
    settle_exposures(experiment)
    return experiment


def stop_and_promote(*, arm: Arm, by: User | None = None, reason: str = "", findings: Words | str = "") -> Promotion:
    """Stop the experiment and promote the version of an arm; the promotion is stored as any other.

    findings : the results in words. ExperimentError when the arm has no version of its own, or that version serves
    already or cannot; the experiment then goes on.
    """
    version = arm.version
    if version is None:
        raise ExperimentError(
            Words("Arm {arm} is of {kind}: there is no version to promote.", arm=arm.name, kind=arm.words)
        )
    why = joined(
        [
            part
            for part in (
                Words("Experiment {experiment}, arm {arm}.", experiment=arm.experiment.name, arm=arm.name),
                findings,
                reason.strip(),
            )
            if part
        ]
    )
    try:
        with transaction.atomic():
            stop_experiment(experiment=arm.experiment, by=by, reason=reason)
            # The result of an experiment outweighs the gate. Where that refused, the promotion's action says so.
            return registry.promote(version=version, by=by, reason=why, override=True)
    except TrainingError as error:
        arm.experiment.refresh_from_db()
        raise ExperimentError(message_of(error)) from None


def remove_experiment(*, experiment: Experiment) -> None:
    """Delete a planned experiment. ExperimentError for one that ran: its results are kept."""
    if not Experiment.objects.filter(pk=experiment.pk, state=State.PLANNED).delete()[0]:
        raise ExperimentError(
            Words(
                "{experiment} is {state}; only a planned experiment can be removed.",
                experiment=experiment,
                state=experiment.state_words,
            )
        )


def _check_serves(version: ModelVersion, arm: str) -> None:
    """ExperimentError if the bundle of an arm's version cannot be opened."""
    # Pruning locks the same row: no bundle of a running experiment is ever removed.
    version = ModelVersion.objects.select_for_update().get(pk=version.pk)
    try:
        if version.pruned:
            raise BundleError(Words("its bundle was removed on {day:date}.", day=version.pruned))
        read_manifest(registry.bundle_folder(version.name))
    except BundleError as error:
        raise ExperimentError(
            Words(
                "Version {version} of arm {arm} cannot serve: {error}",
                version=version.name,
                arm=arm,
                error=error_words(error),
            )
        ) from None
