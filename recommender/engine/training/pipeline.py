"""From a snapshot to a bundle: read, split, train, evaluate, refit on everything, write."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from recommender.engine.bundle.comparison import open_for_comparison
from recommender.engine.bundle.manifest import WEIGHTS, new_bundle, write_manifest
from recommender.engine.bundle.repeats import Repeats
from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.distribution import of_training
from recommender.engine.data.splits import TRAIN, held_out_last, split
from recommender.engine.data.tables import Tables, read_snapshot
from recommender.engine.errors import BundleError, EngineError, InferenceError, TrainingCancelled, WarmStartError
from recommender.engine.evaluation.report import Report, evaluate
from recommender.engine.model.repeats import fit_repeats
from recommender.engine.model.scorer import TorchScorer
from recommender.engine.training import distributed, tuner
from recommender.engine.training.choosing import choose_repeats
from recommender.engine.training.samples import sample
from recommender.engine.training.trainer import Trained, train_two_tower_model
from recommender.engine.training.warm_start import Warm, hold_out_unlearned, save_origin
from recommender.engine.training.writing import save_model, save_towers


@dataclass(frozen=True)
class BuildOptions:
    """What to build.

    split : "last-out" or "date".
    live, anchor : the bundle that serves now and another earlier one, to be measured on the same held-out purchases
        (with their judged weights).
    warm_start : go on from the weights of `live` (warm_start.py); where that cannot be, a message says why and training
        starts cold.
    tune : so many trials of other settings than `config` (tuner.py); the best of them take its place.
    work : a folder for checkpoints; a run that was killed goes on from there when called with the same folder.
    """

    config: TrainConfig = TrainConfig()  # noqa: RUF009 (frozen)
    split: str = "last-out"
    live: Path | None = None
    anchor: Path | None = None
    warm_start: bool = False
    tune: int = 0
    work: Path | None = None


@dataclass(frozen=True)
class Progress:
    """How far a run is. done : 0 to 1 over the whole run. metrics : of the epoch that just ended, or empty."""

    phase: str
    done: float
    message: str
    metrics: dict[str, Any] = field(default_factory=dict)


ProgressCallback = Callable[[Progress], None]
StopCallback = Callable[[], bool]


def build_bundle(
    data: Path | Tables,
    out: Path,
    *,
    progress: ProgressCallback | None = None,
    should_stop: StopCallback | None = None,
    **options: Any,
) -> Report:
    """Train on a snapshot folder, or on its tables, and write the bundle `out`, whole or not at all.

    options : those of BuildOptions.
    Raises SnapshotError, BundleError or TrainingCancelled; `out` is then as it was.
    """
    started = time.perf_counter()
    plan = BuildOptions(**options)
    reporter = ProgressReporter(progress, plan.tune)
    tables = data if isinstance(data, Tables) else read_snapshot(data)
    learned = _learn(tables, plan, reporter, should_stop)
    reporter("evaluating", 0.0, "ranking the whole catalog for the held-out purchases")
    _stop_if(should_stop)
    report = _evaluate(learned, plan, reporter)
    _stop_if(should_stop)
    reporter("evaluating", 0.9, "making lists for a few users")
    report = replace(report, samples=_samples(learned, plan.live, reporter))
    reporter("writing", 0.0, "writing the bundle")
    report = replace(report, seconds=time.perf_counter() - started)
    with new_bundle(out) as folder:
        save_model(learned.served.model, learned.everything, folder, learned.repeats_served)
        save_towers(learned.judged.model, learned.data, folder / "judged", learned.repeats)
        for weights, trained in (("served", learned.served), ("judged", learned.judged)):
            save_origin(trained.origin, folder / WEIGHTS[weights])
        (folder / "training.json").write_text(json.dumps(learned.judged.decided()) + "\n", encoding="utf-8")
        report.write(folder / "report.json")
        of_training(learned.everything).write(folder)
        write_manifest(
            folder,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            fingerprint=report.fingerprint,
            settings=learned.config.to_dict(),
            metrics=report.metrics,
        )
    reporter("writing", 1.0, "done")
    return report


def follow_rank_zero(tables: Tables, **options: Any) -> None:
    """The part of the other processes where several train one model (distributed.py): they learn; the process of rank
    zero reports, measures and writes."""
    _learn(tables, plan := BuildOptions(**options), ProgressReporter(None, plan.tune), None)


# --- learning ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Learned:
    """config : with the settings that tuning chose.   judged, served : without and with the held-out purchases.
    data : what is held out of a basket stands at its end.   everything : in the order of the snapshot, as it is saved
    and served from, with the same roles.   start, study : as in the report.
    repeats, repeats_served : what people come back to, without and with the held-out purchases.
    """

    config: TrainConfig
    data: TwoTowerDataset
    everything: TwoTowerDataset
    judged: Trained
    served: Trained
    start: str
    study: list[dict[str, Any]]
    repeats: Repeats | None
    repeats_served: Repeats | None


def _learn(
    tables: Tables, plan: BuildOptions, reporter: ProgressReporter, should_stop: StopCallback | None
) -> _Learned:
    torch.set_num_threads(max(torch.get_num_threads(), 1))
    config, work = plan.config, plan.work
    reporter("reading", 0.5, f"{len(tables):,} purchases of {len(tables.item_keys):,} items")
    for part in tables.left_out:
        reporter("reading", 0.5, part.sentence())
    judging, role, order = held_out_last(tables, split(tables, plan.split, config.seed))
    warm: dict[str, Warm] = {}
    start = "cold"
    if plan.warm_start:
        try:
            warm, role = _open_warm(plan.live, config, {"judged": judging, "served": tables}, role)
            start = "warm"
        except (WarmStartError, BundleError) as error:
            start = f"cold, not from the live model: {error}"
        reporter("reading", 0.6, f"starts {start}")
    data = TwoTowerDataset.build(judging, role, number=warm["judged"].encoders.number if warm else None)
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)

    checkpoint, study = None if work is None else work / "judged.safetensors", []
    if plan.tune:
        with TemporaryDirectory() if work is None else nullcontext(work) as folder:
            tuned = tuner.tune(
                data,
                config,
                plan.tune,
                work=Path(folder),
                on_epoch=reporter.trial,
                should_stop=should_stop,
                warm=warm.get("judged"),
            )
        config, study = tuned.config, [asdict(trial) for trial in tuned.trials]
        checkpoint = None if work is None else tuned.checkpoint
    judged = train_two_tower_model(
        data,
        config,
        on_epoch=lambda entry: reporter.epoch("training", entry, config.epochs),
        should_stop=should_stop,
        checkpoint=checkpoint,
        warm=warm.get("judged"),
    )
    if judged.out_of_time:
        reporter("training", 1.0, f"the limit of {config.minutes:g} minutes ended training")
    repeats = choose_repeats(TorchScorer(judged.model, data), data) if distributed.is_rank_zero() else None
    served, everything, repeats_served = judged, data, repeats
    if judging is not tables:
        in_snapshot_order = np.empty_like(role)
        in_snapshot_order[order] = role
        everything = TwoTowerDataset.build(tables, in_snapshot_order, data.encoders)
    if config.refit:  # with nothing held out: what is promoted has learned from the latest purchases too
        nothing_held_out = everything.with_role(np.full(len(everything), TRAIN, dtype=np.int8))
        if repeats is not None and (again := fit_repeats(nothing_held_out)) is not None:
            repeats_served = replace(again, lift=repeats.lift)
        served = train_two_tower_model(
            nothing_held_out,
            config,
            on_epoch=lambda entry: reporter.epoch("refitting", entry, max(len(judged.rates), 1)),
            should_stop=should_stop,
            checkpoint=None if work is None else work / "served.safetensors",
            like=judged,
            warm=warm.get("served"),
        )
    return _Learned(config, data, everything, judged, served, start, study, repeats, repeats_served)


def _open_warm(
    live: Path | None, config: TrainConfig, tables: dict[str, Tables], role: np.ndarray
) -> tuple[dict[str, Warm], np.ndarray]:
    """The live bundle's weights, and the roles with nothing held out that they have seen. Raises WarmStartError."""
    if live is None:
        raise WarmStartError("there is none.")
    warm = {weights: Warm.open(live, weights, config, tables[weights]) for weights in WEIGHTS}
    return warm, hold_out_unlearned(role, warm["judged"].learned)


# --- measuring --------------------------------------------------------------------------------------------------------


def _evaluate(learned: _Learned, plan: BuildOptions, reporter: ProgressReporter) -> Report:
    """The report, beside the earlier models that can be measured. One that cannot is no reason to keep it."""
    data, config, judged = learned.data, learned.config, learned.judged
    bundles = {name: bundle for name, bundle in (("live", plan.live), ("anchor", plan.anchor)) if bundle}

    def not_compared(name: str, error: EngineError) -> None:
        label = "live model" if name == "live" else "best version so far,"
        reporter("evaluating", 0.5, f"the {label} {bundles[name].name} is not compared with: {error}")

    return evaluate(
        TorchScorer(judged.model, data),
        data,
        how=plan.split,
        at_most=config.eval_users,
        resamples=config.bootstrap,
        earlier={n: partial(open_for_comparison, b, data.tables, data.role) for n, b in bundles.items()},
        not_compared=not_compared,
        refit=None if learned.served is judged else TorchScorer(learned.served.model, data),
        curve=judged.curve,
        settings=config.to_dict(),
        start=learned.start,
        study=learned.study,
        out_of_time=judged.out_of_time,
        repeats=learned.repeats,
    )


def _samples(learned: _Learned, live: Path | None, reporter: ProgressReporter) -> list[dict[str, Any]]:
    """Lists of a few users, beside those that the live model makes of the same purchases, where it can."""
    data = learned.everything
    of_these = partial(sample, TorchScorer(learned.served.model, data), data)
    if live is not None:
        try:
            return of_these(live=open_for_comparison(live, data.tables, data.role, "served"))
        except (BundleError, InferenceError) as error:
            reporter("evaluating", 0.9, f"the lists of the live model {live.name} are not shown: {error}")
    return of_these(live=None)


def _stop_if(should_stop: StopCallback | None) -> None:
    """TrainingCancelled where the run is to end."""
    if should_stop is not None and should_stop():
        raise TrainingCancelled("The run was cancelled.")


# --- progress ---------------------------------------------------------------------------------------------------------

# The share of a run that each phase takes, as measured on data of three sizes: for the progress bar only.
SHARES = {"reading": 0.03, "tuning": 0.0, "training": 0.52, "refitting": 0.37, "evaluating": 0.05, "writing": 0.03}


class ProgressReporter:
    """Turns how far a phase is into how far the whole run is."""

    def __init__(self, progress: ProgressCallback | None, trials: int = 0):
        self.progress, self.trials = progress, trials
        # Most trials are given up early, and the best one's model is taken as it is.
        parts = SHARES | {"tuning": 0.5 * trials * SHARES["training"], "training": 0.01} if trials else SHARES
        self.ends = dict(zip(parts, np.cumsum([*parts.values()]) / sum(parts.values()), strict=True))
        self.starts = dict(zip(parts, [0.0, *self.ends.values()], strict=False))

    def __call__(self, phase: str, share: float, message: str, metrics: dict[str, Any] | None = None) -> None:
        if self.progress is not None:
            start, end = self.starts[phase], self.ends[phase]
            self.progress(Progress(phase, float(start + (end - start) * min(share, 1.0)), message, metrics or {}))

    def epoch(self, phase: str, entry: dict[str, float], of: int) -> None:
        message = f"epoch {entry['epoch']:.0f}, loss {entry['loss']:.3f}"
        if not np.isnan(entry["ndcg_10"]):
            message += f", validation NDCG@10 {entry['ndcg_10']:.4f}"
        self(phase, entry["epoch"] / of, message, entry if phase == "training" else {})

    def trial(self, trial: tuner.Trial, entry: dict[str, float]) -> None:
        message = f"trial {trial.number} of {self.trials}, epoch {entry['epoch']:.0f}, NDCG@10 {entry['ndcg_10']:.4f}"
        self("tuning", (trial.number - 0.5) / self.trials, message)
