"""From the shop's rows to a bundle: export, train and measure. Runs in a thread of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from django.db import connections

from recommender import extras
from recommender.engine.config import TrainConfig
from recommender.engine.errors import BundleError, TrainingCancelled
from recommender.errors import NothingChanged
from recommender.models import TrainingRun
from recommender.registry import anchor_version, bundle_folder, live_version, send_vectors
from recommender.source import get_source
from recommender.training.journal import Journal
from recommender.training.outages import retry_while_away
from recommender.training.parameters import RunParameters, read_parameters
from recommender.training.runs import version_name, work_folder
from recommender.words import Words

if TYPE_CHECKING:  # at run time the engine is imported where it is used: it imports torch
    from recommender.engine.evaluation.report import Report


@dataclass(frozen=True)
class Learned:
    """What the gate judges. mismatches : answers of the bundle that are not the trainer's, a sentence each."""

    report: Report
    live_report: Mapping[str, Any] | None
    mismatches: list[str]


def learn(run: TrainingRun, journal: Journal, stop: Event) -> Learned:
    """Make the bundle of a run. It never touches the run's row: the executing thread writes that."""
    extras.require("train")
    from recommender.engine.data.tables import read_snapshot
    from recommender.engine.training.pipeline import build_bundle
    from recommender.engine.training.samples import other_answers

    parameters = read_parameters(run.parameters)
    bundle, snapshot = bundle_folder(version_name(run)), work_folder(run) / "snapshot"
    try:
        version, anchor = retry_while_away(live_version), retry_while_away(anchor_version)
        if snapshot.exists():
            journal.note("Going on with what an earlier attempt left.")
            journal.counts, journal.curve = dict(run.counts), list(run.curve)
        else:
            _export(snapshot, journal, stop)
    finally:
        connections.close_all()  # this thread's own; training may take hours and needs none
    if parameters.only_if_changed and version and read_snapshot(snapshot).fingerprint() == version.fingerprint:
        raise NothingChanged(Words("Skipped: nothing changed since version {version} learned.", version=version.name))
    live = None if version is None else bundle_folder(version.name)
    report = build_bundle(
        snapshot,
        bundle,
        config=_config(parameters, live),
        live=live,
        anchor=None if anchor is None or anchor == version else bundle_folder(anchor.name),
        warm_start=parameters.warm_start,
        tune=parameters.tune,
        progress=journal.on_engine,
        should_stop=stop.is_set,
        work=work_folder(run) / "checkpoints",
    )
    if stop.is_set():  # somebody cancelled the run while the bundle was being written
        raise TrainingCancelled("The run was cancelled.")
    mismatches = other_answers(bundle, report.samples)
    journal.note(send_vectors(bundle))
    return Learned(report, version.report if version else None, mismatches)


def _export(snapshot: Path, journal: Journal, stop: Event) -> None:
    from recommender.training.export import export_snapshot

    export = partial(export_snapshot, progress=journal.on_export, should_stop=stop.is_set)
    counts = retry_while_away(partial(export, source=get_source(), folder=snapshot))
    journal.counts = {"users": counts.customers, "items": counts.items, "interactions": counts.interactions}
    journal.note(f"Read {counts.customers:,} customers, {counts.items:,} items, {counts.interactions:,} interactions.")


def _config(parameters: RunParameters, live: Path | None) -> TrainConfig:
    """The settings of a run. A warm start takes those of the live bundle where none are given."""
    from recommender.engine.training.warm_start import settings_of

    if parameters.warm_start and live is not None:
        with suppress(BundleError):  # the run says so: it starts cold
            return settings_of(live, parameters.settings)
    return TrainConfig.from_dict(parameters.settings)
