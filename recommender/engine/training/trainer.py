"""Trains the towers: one pass over all purchases an epoch, early stopping on validation NDCG@10, checkpoints."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.splits import VALID
from recommender.engine.evaluation.metrics import affordable
from recommender.engine.files import replacing, under
from recommender.engine.model.linear import LinearSettings
from recommender.engine.model.rating import fit_rating_paths
from recommender.engine.model.scorer import TorchScorer
from recommender.engine.model.towers import ListWeights, TwoTowerHybrid
from recommender.engine.training import distributed
from recommender.engine.training.choosing import (
    LIST_POPULARITIES,
    EncodedCases,
    choose_list_weights,
    choose_rating_path,
    is_better,
)
from recommender.engine.training.learner import Learner
from recommender.engine.training.warm_start import FASTER, PATIENCE, Warm

SLOWER = 2  # halvings of the rate where the first epoch is worse than the closed forms
EpochCallback = Callable[[dict[str, float]], None]


@dataclass
class Trained:
    """A trained model and how it came about. curve : an entry an epoch. rates : the learning rates of those kept, none
    where the closed forms alone served validation best. start : validation NDCG@10 of the closed forms alone.
    linear, weights, rating_noise : what was chosen for the linear path, lists and ratings (None: nothing is rated).
    pace : the share of its setting that the first rate of a cold start was, None where no epoch was kept.
    origin : the linear path that training began from, as `ItemTower.linear`; empty in processes of a rank above zero.
    out_of_time : whether `minutes` ended it.
    """

    model: TwoTowerHybrid
    linear: LinearSettings = LinearSettings()  # noqa: RUF009 (frozen)
    start: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    weights: ListWeights = ListWeights()  # noqa: RUF009 (frozen)
    rating_noise: float | None = None
    pace: float | None = None
    origin: dict[str, Tensor] = field(default_factory=dict)
    out_of_time: bool = False
    seconds: float = 0.0

    def decided(self) -> dict[str, Any]:
        """What another training takes to repeat or to continue this one, as JSON."""
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("model", "curve", "origin")}
        return {**kept, "linear": asdict(self.linear), "weights": asdict(self.weights)}

    @classmethod
    def from_decided(cls, saved: Mapping[str, Any]) -> Trained:
        """The same without a model."""
        chosen = {"linear": LinearSettings(**saved["linear"]), "weights": ListWeights(**saved["weights"])}
        return cls(model=None, **{**saved, **chosen})  # type: ignore[arg-type]


def train_two_tower_model(
    data: TwoTowerDataset,
    config: TrainConfig = TrainConfig(),  # noqa: B008 (frozen)
    *,
    on_epoch: EpochCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
    checkpoint: Path | None = None,
    like: Trained | None = None,
    warm: Warm | None = None,
) -> Trained:
    """Train on the TRAIN purchases, stopping early on the VALID ones, and give back the best model.

    on_epoch : called after each epoch with its epoch, loss, ndcg_10 and learning_rate.
    should_stop : called before each batch; where it returns True, TrainingCancelled is raised.
    checkpoint : a file written after each epoch; where it exists already, training goes on from there.
    like : an earlier run on part of the data; its number of epochs, rates and weights are repeated with no validation
        (for refitting on everything). Above `repeat_up_to` purchases its weights are continued for one epoch instead,
        unless they are closed forms, which are quickly had of everything.
    warm : an earlier model, on part of the data, to go on from.
    """
    began = time.perf_counter()
    full_rate = config.learning_rate
    if warm is not None:
        pace = 0.5**SLOWER if warm.pace is None else FASTER * warm.pace
        config = replace(config, patience=min(config.patience, PATIENCE), learning_rate=pace * full_rate)
    torch.manual_seed(config.seed)
    earlier = warm or like
    learner = Learner(data, config, None if earlier is None else earlier.linear, warm)
    closed_forms, rates = learner.averaged(), None if like is None else like.rates
    start, at_start = (0.0, np.zeros(0)) if like else _validate(learner)
    if like is not None:
        start = like.start
        if like.rates and warm is None and len(data) > config.repeat_up_to:
            learner.restart(like.model.state_dict())
            learner.origin, rates = like.origin, like.rates[-1:]
    progress = TrainingState()
    if checkpoint is not None and checkpoint.exists():
        progress = load_checkpoint(checkpoint, learner)
    began -= progress.seconds
    out_of_time, epoch_seconds = False, 0.0
    while not progress.is_finished(config, rates):
        epoch_began = time.perf_counter()
        expected = distributed.broadcast_from_rank_zero(epoch_began - began + epoch_seconds)
        if rates is None and config.minutes is not None and expected > 60 * config.minutes:
            out_of_time = True
            break
        rate = config.learning_rate * 0.5**progress.halvings if rates is None else rates[progress.epoch]
        loss = learner.epoch(rate, progress.epoch, should_stop)
        ndcg, by_case = _validate(learner) if rates is None else (float("nan"), np.zeros(0))
        entry = {"epoch": progress.epoch + 1, "loss": loss, "ndcg_10": ndcg, "learning_rate": rate}
        proven = bool(distributed.broadcast_from_rank_zero(rates is None and is_better(by_case - at_start)))
        progress.record(entry, learner.averaged() if ndcg > progress.best else None, proven)
        first = progress.epoch == 1 and rates is None and warm is None
        if first and distributed.broadcast_from_rank_zero(is_better(at_start - by_case)):
            # A step that is too long for this data breaks more of the closed forms than it finds.
            learner.restart(closed_forms)
            progress.start_again()
        progress.seconds = time.perf_counter() - began
        if checkpoint is not None and distributed.is_rank_zero():
            save_checkpoint(checkpoint, learner, progress)
        if on_epoch is not None:
            on_epoch(entry)
        epoch_seconds = time.perf_counter() - epoch_began
    if rates is not None:
        weights = learner.averaged()
    # A warm start goes on from trained weights, and by little every night.
    elif progress.best_weights is not None and (progress.proven if warm is None else progress.best > start):
        rates, weights = progress.best_rates, progress.best_weights
    else:  # no epoch was worth it
        rates, weights = [], closed_forms
    learner.model.load_state_dict(weights)
    list_weights = like.weights if like else _choose_list_weights(learner)
    learner.model.users.set_list_weights(list_weights)
    noise = None if earlier is None else earlier.rating_noise
    if learner.model.sizes.rated and distributed.is_rank_zero():
        if noise is None:
            ratings = choose_rating_path(data, config.rating_dim, config.seed, learner.model.reads)
        else:
            (ratings,) = fit_rating_paths(data, config.rating_dim, config.seed, [noise])
        learner.model.rate_by(ratings)
        noise = ratings.noise
    learner.place_new_items(list_weights.popularity)
    return Trained(
        model=learner.model,
        linear=learner.linear,
        start=start,
        curve=progress.curve,
        rates=rates,
        weights=list_weights,
        rating_noise=noise,
        pace=warm.pace if warm and warm.pace is not None else rates[0] / full_rate if rates else None,
        origin=learner.origin,
        out_of_time=out_of_time,
        seconds=time.perf_counter() - began,
    )


# --- validation -------------------------------------------------------------------------------------------------------


def _validate(learner: Learner) -> tuple[float, np.ndarray]:
    """NDCG@10 of the averaged weights on validation, under the weight of popularity that serves it best: the mean, 0
    where nobody is held out, and float64 [cases], which only the process of rank zero has. The same people each time,
    fewer of them where the catalog is large."""
    by_case, cases = np.zeros(0), _cases(learner, affordable(learner.config.eval_users, learner.data.n_items))
    if len(cases) and distributed.is_rank_zero():
        latest = learner.weights()
        learner.model.load_state_dict(learner.average)
        encoded = EncodedCases.of(TorchScorer(learner.model, learner.data), learner.data, cases)
        learner.model.load_state_dict(latest)
        found = encoded.ndcg([(weight, 1.0, 1.0) for weight in popularities(learner.linear)])
        by_case = max(found.values(), key=np.mean)
    return distributed.broadcast_from_rank_zero(float(by_case.mean()) if len(by_case) else 0.0), by_case


def _choose_list_weights(learner: Learner) -> ListWeights:
    if not distributed.is_rank_zero():
        return ListWeights()
    scorer = TorchScorer(learner.model, learner.data)
    # What meets in a cosine is no sum: there the votes cannot be weighed apart.
    voteless = None if learner.model.users.normalised else scorer.voteless()
    cases = _cases(learner, learner.config.eval_users)
    return choose_list_weights(scorer, learner.data, cases, popularities(learner.linear), voteless)


def _cases(learner: Learner, at_most: int) -> Cases:
    return learner.data.cases(VALID, at_most, seed=0)


def popularities(linear: LinearSettings) -> list[float]:
    """Weights of popularity in lists to choose from; never none: of items that a history says nothing of, the popular
    come first."""
    return [weight for weight in dict.fromkeys([*LIST_POPULARITIES, linear.popularity]) if weight > 0]


# --- progress and checkpoints -----------------------------------------------------------------------------------------


@dataclass
class TrainingState:
    """Where a run stands: what a checkpoint must hold beside the weights."""

    epoch: int = 0
    best: float = -1.0
    proven: bool = False
    since_best: int = 0
    halvings: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    tried_rates: list[float] = field(default_factory=list)
    best_rates: list[float] = field(default_factory=list)
    best_weights: dict[str, Tensor] | None = None

    def is_finished(self, config: TrainConfig, rates: list[float] | None) -> bool:
        """rates : of the epochs to repeat, where they are known."""
        if rates is not None:
            return self.epoch >= len(rates)
        return self.epoch >= config.epochs or self.since_best >= config.patience

    def record(self, entry: dict[str, float], better: dict[str, Tensor] | None, proven: bool) -> None:
        """Note an epoch; `better` holds the weights when they are the best so far. proven : better than the start."""
        self.epoch += 1
        self.curve.append(entry)
        self.tried_rates.append(entry["learning_rate"])
        if better is not None:
            self.best, self.proven, self.since_best, self.best_weights = entry["ndcg_10"], proven, 0, better
            self.best_rates = list(self.tried_rates)
        elif not np.isnan(entry["ndcg_10"]):
            self.since_best += 1
            self.halvings += 1

    def start_again(self) -> None:
        """Forget the epochs so far, but for the curve, and be slower from here on."""
        self.best, self.proven, self.since_best, self.halvings = -1.0, False, 0, SLOWER
        self.tried_rates, self.best_rates, self.best_weights = [], [], None


def save_checkpoint(path: Path, learner: Learner, progress: TrainingState) -> None:
    parts = {"model": learner.weights(), "average": learner.average, "best": progress.best_weights or {}}
    tensors = {f"{part}.{n}": t.contiguous() for part, named in parts.items() for n, t in named.items()}
    for number, state in learner.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{n}": torch.as_tensor(v) for n, v in state.items()}
    facts = asdict(replace(progress, best_weights=None)) | {"steps": learner.steps}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"progress": json.dumps(facts)})


def load_checkpoint(path: Path, learner: Learner) -> TrainingState:
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["progress"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)

    learner.model.load_state_dict(under("model.", tensors))
    optimiser: dict[str, Any] = learner.optimiser.state_dict()
    for name, value in under("optimiser.", tensors).items():
        number, key = name.split(".", 1)
        optimiser["state"].setdefault(int(number), {})[key] = value
    learner.optimiser.load_state_dict(optimiser)
    learner.average, learner.steps = under("average.", tensors), facts.pop("steps")
    return TrainingState(**facts | {"best_weights": under("best.", tensors) or None})
