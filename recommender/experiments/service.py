"""Experiments: plan one, start it, stop it, and promote the better arm. Every process follows within seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from recommender import registry
from recommender.engine.bundle.manifest import read_manifest
from recommender.engine.errors import BundleError
from recommender.errors import ExperimentError, TrainingError
from recommender.experiments.exposures import record_exposures, settle_exposures
from recommender.models import Arm, Experiment, ModelVersion, Promotion

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
                raise ValidationError(f"{setting} of arm {arm.name} is {value:g}; it must be from 0 to 1.")
        if (arm.model == Arm.Model.VERSION) != (arm.version is not None):
            raise ValidationError(f"Arm {arm.name} needs a version, or none where it is not of one version.")
    if (a.model, a.version, a.settings) == (b.model, b.version, b.settings):
        raise ValidationError("Both arms are the same. Give one of them another version or other settings.")
    with transaction.atomic():
        experiment.save()
        for arm in (a, b):
            arm.experiment = experiment
            arm.save()
    return experiment


def start_experiment(*, experiment: Experiment, by: User | None = None) -> Experiment:
    """Start a planned experiment. ExperimentError when another one runs, or when a version of an arm cannot serve."""
    if experiment.state != State.PLANNED:
        raise ExperimentError(f"{experiment} is {experiment.state}; only a planned experiment can be started.")
    try:
        with transaction.atomic():
            for arm in experiment.arms.select_related("version"):
                if arm.version is not None:
                    _check_serves(arm.version, arm.name)
            now = timezone.now()
            changes = {"state": State.RUNNING, "started": now, "started_by": by, "exposed_until": now}
            if not Experiment.objects.filter(pk=experiment.pk, state=State.PLANNED).update(**changes):
                raise ExperimentError(f"{experiment} was started or removed meanwhile.")
    except IntegrityError:
        raise ExperimentError(
            f"{Experiment.objects.filter(state=State.RUNNING).first()} is running; one experiment runs at a time."
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
        raise ExperimentError(f"{experiment} is {experiment.state}; only a running experiment can be stopped.")
    log.info("experiment_stopped", experiment=experiment.name, by=by.pk if by else None, reason=reason)
    experiment.refresh_from_db()
    settle_exposures(experiment)
    return experiment


def stop_and_promote(*, arm: Arm, by: User | None = None, reason: str = "", findings: str = "") -> Promotion:
    """Stop the experiment and promote the version of an arm; the promotion is stored as any other.

    findings : the results in words. ExperimentError when the arm has no version of its own, or that version serves
    already or cannot; the experiment then goes on.
    """
    version = arm.version
    if version is None:
        raise ExperimentError(f"Arm {arm.name} is of {arm}: there is no version to promote.")
    why = " ".join(filter(None, (f"Experiment {arm.experiment}, arm {arm.name}.", findings, reason.strip())))
    try:
        with transaction.atomic():
            stop_experiment(experiment=arm.experiment, by=by, reason=reason)
            # The result of an experiment outweighs the gate. Where that refused, the promotion's action says so.
            return registry.promote(version=version, by=by, reason=why, override=True)
    except TrainingError as error:
        arm.experiment.refresh_from_db()
        raise ExperimentError(str(error)) from None


def remove_experiment(*, experiment: Experiment) -> None:
    """Delete a planned experiment. ExperimentError for one that ran: its results are kept."""
    if not Experiment.objects.filter(pk=experiment.pk, state=State.PLANNED).delete()[0]:
        raise ExperimentError(f"{experiment} is {experiment.state}; only a planned experiment can be removed.")


def _check_serves(version: ModelVersion, arm: str) -> None:
    """ExperimentError if the bundle of an arm's version cannot be opened."""
    # Pruning locks the same row: no bundle of a running experiment is ever removed.
    version = ModelVersion.objects.select_for_update().get(pk=version.pk)
    try:
        if version.pruned:
            raise BundleError(f"its bundle was removed on {version.pruned:%Y-%m-%d}.")
        read_manifest(registry.bundle_folder(version.name))
    except BundleError as error:
        raise ExperimentError(f"Version {version.name} of arm {arm} cannot serve: {error}") from None
