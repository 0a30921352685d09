"""Settings chosen by trials: Optuna (Akiba et al., KDD 2019) over the same trainer, on validation alone.

The first trial has the settings that were given; the others lie around them. A tree-structured Parzen estimator
(Bergstra et al., NeurIPS 2011) proposes them, and a trial that is below the median of the others after as many epochs
is given up.

`study.json` in the run's folder holds a row for each trial and is written after every epoch. A run that was killed
reads it again: what has ended counts, and the trial it was in goes on from its own checkpoint.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from recommender.engine.config import INTERACTIONS, TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import VALID
from recommender.engine.errors import EngineError, SnapshotError
from recommender.engine.files import replacing
from recommender.engine.training import distributed
from recommender.engine.training.trainer import train_two_tower_model
from recommender.engine.training.warm_start import SHAPE, Warm

STATES = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED}


@dataclass
class Trial:
    """One attempt. settings : those of the space.   curve : validation NDCG@10 after each epoch.

    ndcg_10 : the best of the curve and of the closed forms alone.   state : "running", "done" or "pruned".
    """

    number: int
    settings: dict[str, Any]
    curve: list[float] = field(default_factory=list)
    ndcg_10: float | None = None
    state: str = "running"
    seconds: float = 0.0


TrialCallback = Callable[[Trial, dict[str, float]], None]


@dataclass(frozen=True)
class Study:
    """config : the settings that served validation best.   checkpoint : what their trial left, from which training
    takes its model without learning again.   trials : all that were made.
    """

    config: TrainConfig
    checkpoint: Path
    trials: list[Trial]


def tune(
    data: TwoTowerDataset,
    config: TrainConfig,
    trials: int,
    *,
    work: Path,
    on_epoch: TrialCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
    warm: Warm | None = None,
) -> Study:
    """The best of so many `trials` by validation NDCG@10.

    work : the folder of study.json and of checkpoints. Called again with the same one, it goes on.
    on_epoch : called after each epoch with its trial and what `train_two_tower_model` says of it.
    warm : an earlier model that every trial goes on from; what would change its shape is not tried.
    Raises SnapshotError where nobody is there to validate on, and TrainingCancelled.
    """
    if trials < 1:
        raise EngineError(f"There shall be {trials} trials; tuning takes 1 or more.")
    if not len(data.cases(VALID, 1)):
        raise SnapshotError("No purchase is held out for validation: there is nothing to choose settings by.")
    space, known = _space(config, data, warm), _read(work)
    ended = [trial for trial in known if trial.state in STATES]
    interrupted = next((trial for trial in known if trial.state not in STATES), None)
    study = _study(config, space, ended)
    if interrupted is not None:
        study.enqueue_trial(interrupted.settings)
    elif not ended:
        study.enqueue_trial({name: getattr(config, name) for name in space})
    while len(ended) < trials:
        proposal = study.ask(space)
        trial = replace(interrupted or Trial(len(ended) + 1, {}), settings=dict(proposal.params))
        interrupted = None
        watch = _Watch(trial, proposal, partial(_write, work, [*ended, trial]), on_epoch)
        try:
            trained = train_two_tower_model(
                data,
                replace(config, **trial.settings),
                on_epoch=watch,
                should_stop=should_stop,
                checkpoint=_checkpoint(work, trial),
                warm=warm,
            )
            trial.state, trial.ndcg_10 = "done", max([trained.start, *trial.curve])
        except optuna.TrialPruned:
            trial.state, trial.ndcg_10 = "pruned", max(trial.curve)
        study.tell(proposal, trial.ndcg_10 if trial.state == "done" else None, STATES[trial.state])
        ended.append(trial)
        _write(work, ended)
        for other in ended:
            if other is not best_of(ended) and distributed.is_rank_zero():
                _checkpoint(work, other).unlink(missing_ok=True)
    best = best_of(ended)
    return Study(replace(config, **best.settings), _checkpoint(work, best), ended)


def best_of(trials: Sequence[Trial]) -> Trial:
    return max(trials, key=lambda trial: trial.ndcg_10 or 0.0)


class _Watch:
    """Called after each epoch of a trial: notes it, and gives the trial up where it has no hope."""

    def __init__(self, trial: Trial, proposal: optuna.Trial, save: Callable[[], None], on_epoch: TrialCallback | None):
        self.trial, self.proposal, self.save, self.on_epoch = trial, proposal, save, on_epoch
        self.started = time.perf_counter() - trial.seconds
        for epoch, ndcg in enumerate(trial.curve, 1):
            proposal.report(ndcg, epoch)

    def __call__(self, entry: dict[str, float]) -> None:
        self.trial.curve.append(entry["ndcg_10"])
        self.trial.seconds = time.perf_counter() - self.started
        self.proposal.report(entry["ndcg_10"], len(self.trial.curve))
        self.save()
        if self.on_epoch is not None:
            self.on_epoch(self.trial, entry)
        if not isfinite(entry["loss"]) or self.proposal.should_prune():
            raise optuna.TrialPruned


def _space(config: TrainConfig, data: TwoTowerDataset, warm: Warm | None) -> dict[str, BaseDistribution]:
    """What is tried, around the settings given."""
    space: dict[str, BaseDistribution] = {
        "learning_rate": FloatDistribution(config.learning_rate / 4, min(config.learning_rate * 4, 0.5), log=True),
        "dropout": FloatDistribution(0.0, max(config.dropout, 0.6)),
        "average_steps": IntDistribution(max(config.average_steps // 4, 1), config.average_steps * 4, log=True),
        "batch_targets": CategoricalDistribution(_half_and_double(config.batch_targets)),
        "dim": CategoricalDistribution(_half_and_double(config.dim)),
        "interaction": CategoricalDistribution(INTERACTIONS),
    }
    if config.weight_decay > 0:
        space["weight_decay"] = FloatDistribution(config.weight_decay / 10, config.weight_decay * 10, log=True)
    if data.encoders.item_sizes:
        space["item_id_dropout"] = FloatDistribution(0.0, max(config.item_id_dropout, 0.4))
    return {name: values for name, values in space.items() if warm is None or name not in SHAPE}


def _half_and_double(value: int) -> list[int]:
    return sorted({max(value // 2, 1), value, value * 2})


def _study(config: TrainConfig, space: dict[str, BaseDistribution], ended: Sequence[Trial]) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=config.seed + len(ended), n_startup_trials=5),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=2),
    )
    for trial in ended:
        study.add_trial(
            optuna.trial.create_trial(
                state=STATES[trial.state],
                value=trial.ndcg_10 if trial.state == "done" else None,
                params=trial.settings,
                distributions=space,
                intermediate_values=dict(enumerate(trial.curve, 1)),
            )
        )
    return study


def _checkpoint(work: Path, trial: Trial) -> Path:
    return work / f"trial-{trial.number}.safetensors"


def _read(work: Path) -> list[Trial]:
    path = work / "study.json"
    return [Trial(**row) for row in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def _write(work: Path, trials: list[Trial]) -> None:
    if distributed.is_rank_zero():
        with replacing(work / "study.json") as file:
            file.write_text(json.dumps([asdict(trial) for trial in trials]) + "\n", encoding="utf-8")
