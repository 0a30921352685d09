"""Trains the towers: one pass over all purchases an epoch, early stopping on validation NDCG@10, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TRAIN, VALID, NegativeSampler, TwoTowerDataset, Window, batches, windows
from recommender.engine.data.inputs import UserInputs, Vectors, rating_bucket
from recommender.engine.errors import SnapshotError, TrainingCancelled
from recommender.engine.evaluation.metrics import case_inputs, proven
from recommender.engine.model.linear import LinearPath, LinearSettings, fit_linear_path
from recommender.engine.model.list_weights import LONG, POPULARITIES, SHORT, HeldOut, ListWeights, choose_weights
from recommender.engine.model.profile import fit_profile_path
from recommender.engine.model.rating import RatingSettings, fit_rating_path
from recommender.engine.model.towers import TowerSizes, TwoTowerHybrid, means_by_value
from recommender.engine.training import distributed, losses
from recommender.engine.training.warm_start import FASTER, PATIENCE, REPEATED, REPLAYED, Warm

SLOWER = 2  # halvings of the rate where the first epoch is worse than the closed forms
EpochCallback = Callable[[dict[str, float]], None]


@dataclass
class Trained:
    """A trained model and how it came about. curve : an entry an epoch. rates : the learning rates of those kept, none
    where the closed forms alone served validation best. start : validation NDCG@10 of the closed forms alone.
    weights : of popularity and of the history in a list.
    linear, ratings : what was chosen for the linear path and for the rating vectors (None: nothing is rated).
    pace : the share of its setting that the first rate of a cold start was, None where no epoch was kept.
    origin : the linear path that training began from, as `ItemTower.linear`; none in processes that only help.
    """

    model: TwoTowerHybrid
    linear: LinearSettings = LinearSettings()  # noqa: RUF009 (frozen)
    start: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    ratings: RatingSettings | None = None
    weights: ListWeights = ListWeights()  # noqa: RUF009 (frozen)
    pace: float | None = None
    origin: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0

    def decided(self) -> dict[str, Any]:
        """What another training takes to repeat or to continue this one, as JSON."""
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("model", "curve", "origin")}
        chosen = {"linear": asdict(self.linear), "weights": asdict(self.weights)}
        return {**kept, **chosen, "ratings": self.ratings and asdict(self.ratings)}


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
    should_stop : asked before each batch; TrainingCancelled is raised when it says yes.
    checkpoint : a file written after each epoch; where it exists already, training goes on from there.
    like : an earlier run on part of the data; its number of epochs, rates and weights are repeated with no validation
        (for refitting on everything). Above `repeat_up_to` purchases its weights are continued for one epoch instead,
        unless they are closed forms, which are quickly had of everything.
    warm : an earlier model, on part of the data, to go on from.
    """
    started = time.perf_counter()
    full_rate = config.learning_rate
    if warm is not None:
        pace = 0.5**SLOWER if warm.pace is None else FASTER * warm.pace
        config = replace(config, patience=min(config.patience, PATIENCE), learning_rate=pace * full_rate)
    torch.manual_seed(config.seed)
    run = _Run(data, config, should_stop, None if like is None else like.linear, warm)
    start, closed_forms = (run.validate() if like is None else like.start), run.averaged()
    at_start = run.served
    rates = None if like is None else like.rates
    if like is not None and like.rates and warm is None and len(data) > config.repeat_up_to:
        run.start_from(like)
        rates = like.rates[-1:]
    state = _Progress()
    if checkpoint is not None and checkpoint.exists():
        state = run.load(checkpoint)
    epoch_began = epoch_took = 0.0
    while not _finished(state, config, rates, distributed.the_firsts(time.perf_counter() - started + epoch_took)):
        epoch_began = time.perf_counter()
        rate = state.rate(config) if rates is None else rates[state.epoch]
        loss = run.epoch(rate, state.epoch)
        state.epoch += 1
        ndcg = run.validate() if rates is None else float("nan")
        entry = {"epoch": state.epoch, "loss": loss, "ndcg_10": ndcg, "learning_rate": rate}
        state.record(entry, run.averaged() if rates is None and ndcg > state.best else None)
        if state.epoch == 1 and rates is None and warm is None and run.serves_worse_than(at_start):
            # A step that is too long for this data breaks more of the closed forms than it finds.
            run.begin_again(closed_forms)
            state.begin_again()
        if checkpoint is not None and distributed.is_first():
            run.save(checkpoint, state)
        if on_epoch is not None:
            on_epoch(entry)
        epoch_took = time.perf_counter() - epoch_began
    best_rates, best_weights = state.best_rates, state.best_weights
    if rates is not None:
        best_rates, best_weights = rates, run.averaged()
    elif best_weights is None or state.best <= start:  # no epoch was worth it
        best_rates, best_weights = [], closed_forms
    run.model.load_state_dict(best_weights)
    weights = run.choose_weights() if like is None else like.weights
    run.model.users.weigh(weights)
    earlier = like or warm
    ratings = run.fit_ratings(None if earlier is None else earlier.ratings) if distributed.is_first() else None
    run.finish(weights.popularity)
    return Trained(
        model=run.model,
        linear=run.linear,
        start=start,
        curve=state.curve,
        rates=best_rates,
        ratings=ratings,
        weights=weights,
        pace=_pace(best_rates, full_rate, warm),
        origin=run.origin,
        seconds=time.perf_counter() - started,
    )


@dataclass
class _Progress:
    """Where a run stands: what a checkpoint must hold beside the weights."""

    epoch: int = 0
    best: float = -1.0
    since_best: int = 0
    halvings: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    tried_rates: list[float] = field(default_factory=list)
    best_rates: list[float] = field(default_factory=list)
    best_weights: dict[str, Tensor] | None = None

    def rate(self, config: TrainConfig) -> float:
        return config.learning_rate * 0.5**self.halvings

    def record(self, entry: dict[str, float], better: dict[str, Tensor] | None) -> None:
        """Note an epoch; `better` holds the weights when they are the best so far."""
        self.curve.append(entry)
        self.tried_rates.append(entry["learning_rate"])
        if better is not None:
            self.best, self.since_best, self.best_weights = entry["ndcg_10"], 0, better
            self.best_rates = list(self.tried_rates)
        elif not np.isnan(entry["ndcg_10"]):
            self.since_best += 1
            self.halvings += 1

    def begin_again(self) -> None:
        """Forget the epochs so far, but for the curve, and be slower from here on."""
        self.best, self.since_best, self.halvings = -1.0, 0, SLOWER
        self.tried_rates, self.best_rates, self.best_weights = [], [], None


def _pace(rates: list[float], full: float, warm: Warm | None) -> float | None:
    if warm is not None and warm.pace is not None:
        return warm.pace
    return rates[0] / full if rates else None


def _finished(state: _Progress, config: TrainConfig, rates: list[float] | None, seconds: float) -> bool:
    if rates is not None:
        return state.epoch >= len(rates)
    return state.epoch >= config.epochs or state.since_best >= config.patience or seconds > 60 * config.minutes


class _Run:
    """The moving parts of one training: model, optimiser, batches."""

    def __init__(
        self,
        data: TwoTowerDataset,
        config: TrainConfig,
        should_stop: Callable[[], bool] | None,
        linear: LinearSettings | None,
        warm: Warm | None,
    ):
        if not (data.role == TRAIN).any():
            raise SnapshotError("No purchase is left to learn from after the split.")
        self.data, self.config = data, config
        self.should_stop = should_stop or (lambda: False)
        self.device = distributed.device()
        path = None
        if distributed.is_first():
            path = fit_linear_path(data, config.dim, linear if warm is None else warm.linear)
        width = int(distributed.the_firsts(path.settings.rank if path else 0))
        self.linear = path.settings if path else LinearSettings(rank=width)
        self.model = TwoTowerHybrid(tower_sizes(data, width), config).to(self.device)
        self.counts = data.item_counts()
        self.origin: dict[str, Tensor] = {}
        if path:
            self._start_from_closed_forms(path)
            self.origin = self.model.items.linear(torch.from_numpy(data.item_features))
            if warm is not None:
                self.origin = warm.continue_in(self.model, data)
        distributed.share(self.model)
        self.windows = windows(data, config.max_history)
        self.new: list[bool] | None = None
        if warm is not None:
            unlearned = (data.role == TRAIN) & ~warm.learned
            self.new = [bool(unlearned[w.target_from : w.stop].any()) for w in self.windows]
        self.cases = data.cases(VALID, config.eval_users, seed=0)
        self.sampler = NegativeSampler.fit(self.counts)
        self.features = torch.from_numpy(data.item_features).to(self.device)
        # Half the time on processors that have it; NDCG@10 on validation was the same within noise.
        self.half = self.device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
        # Popularity is known, let it move slowly; what is one number has a longer way to go.
        own_pace = {"items.bias.weight": 0.1, "users.recency": 5.0, "users.loudness": 5.0}
        named = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.learned = list(named.values())
        self.optimiser = torch.optim.AdamW(
            [
                {"params": [p for n, p in named.items() if n not in own_pace], "scale": 1.0},
                *({"params": [named[n]], "scale": pace, "weight_decay": 0.0} for n, pace in own_pace.items()),
            ],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )

        self.served = np.zeros(0)  # NDCG@10 of each validation case, when last validated
        self.average = self.weights()
        self.steps = 0 if warm is None else 2 * config.average_steps  # what is gone on from is an average already

    @torch.no_grad()
    def _start_from_closed_forms(self, linear: LinearPath) -> None:
        items, users = self.model.items, self.model.users
        rest, features = torch.from_numpy(linear.items).clone(), torch.from_numpy(self.data.item_features)
        for f, table in enumerate(items.features):  # an item is what its features say, and its own rest
            table.weight.copy_(means_by_value(rest, features[:, f], table.num_embeddings))
            rest -= table.weight.cpu()[features[:, f]]
        items.id.weight[:-1] = rest
        items.trace.weight[:-1] = torch.from_numpy(linear.history)
        for table in (items.bias, items.popular):
            table.weight[:-1, 0] = torch.from_numpy(linear.popular)
        users.recency.fill_(linear.settings.recency)
        users.loudness.fill_(linear.loudness)
        path = fit_profile_path(self.data, self.config.profile_rank, self.config.seed)
        items.profile.weight[:-1] = torch.from_numpy(path.items)
        for table, values in zip(users.profile, path.users, strict=True):
            table.weight.copy_(torch.from_numpy(values))

    # --- ranking ---

    def epoch(self, rate: float, number: int) -> float:
        """One pass over the TRAIN purchases, or the part of them that is to be seen; gives back the mean loss."""
        self.model.train()
        for settings in self.optimiser.param_groups:
            settings["lr"] = rate * settings["scale"]
        rng = np.random.default_rng((self.config.seed, number))
        # An epoch draws the same after a resume as without one; no two processes do.
        torch.manual_seed(int(rng.integers(2**62)) + distributed.rank())
        total = targets = 0.0
        for group in batches(self._to_see(rng), self.config.batch_targets, rng):
            if distributed.sum_of(self.should_stop()):
                raise TrainingCancelled("The run was cancelled.")
            batch = _Batch.of(distributed.my_share(group), self.data, self.device, self.config.later)
            self.optimiser.zero_grad(set_to_none=True)
            if len(batch.target):
                with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half):
                    loss = self._loss(batch, rng)
                loss.backward()
                total += loss.item() * len(batch.target)
            learned = distributed.average_gradients(self.learned, len(batch.target))
            if not learned:
                continue
            torch.nn.utils.clip_grad_norm_(self.learned, 5.0)
            self.optimiser.step()
            self._add_to_average()
            targets += learned
        return distributed.sum_of(total) / max(targets, 1)

    def _to_see(self, rng: np.random.Generator) -> list[Window]:
        """The windows of an epoch: all, but for a warm start, which has seen most of them before."""
        if self.new is None:
            return self.windows
        times = np.where(self.new, REPEATED, rng.random(len(self.windows)) < REPLAYED).tolist()
        return [window for window, n in zip(self.windows, times, strict=True) for _ in range(n)]

    @torch.no_grad()
    def _add_to_average(self) -> None:
        """A running average of the weights, over fewer steps in the beginning (Polyak & Juditsky 1992)."""
        self.steps += 1
        share = 1 / min(self.config.average_steps, 1 + self.steps / 2)
        for name, now in self.model.state_dict().items():
            self.average[name].lerp_(now, share)

    def averaged(self) -> dict[str, Tensor]:
        return {n: t.clone() for n, t in self.average.items()}

    def _loss(self, batch: _Batch, rng: np.random.Generator) -> Tensor:
        config, n = self.config, self.data.n_items
        full = config.loss == "softmax" and n <= config.full_softmax_items
        if full:
            rows = torch.arange(n, device=self.device)
        else:
            sampled = torch.from_numpy(np.unique(self.sampler.draw(config.negatives, rng))).to(self.device)
            rows = torch.unique(torch.cat([batch.items.flatten(), sampled]))
        dropped = config.item_id_dropout if self.model.sizes.item_features else 0.0
        known = (torch.rand(len(rows), device=self.device) >= dropped).float()
        sequence = self.model.items.sequence(rows, self.features[rows], known)  # [m, dim]
        items = self.model.items
        vectors = torch.cat([sequence, items.profile(rows), items.popular(rows), items.bias(rows)], -1)
        here = torch.searchsorted(rows, batch.items)  # [B, L] places among `rows`
        query = self._query(batch, sequence[here], self.model.items.trace(batch.items))  # [P, D]
        target = torch.searchsorted(rows, batch.target)
        if full:
            return losses.softmax_loss(query, vectors, target, batch.bought())
        if config.loss == "softmax":
            likely = torch.from_numpy(self.sampler.inclusion(config.negatives)).to(self.device)[sampled]
            return losses.sampled_softmax_loss(
                query, vectors[target], batch.target, vectors[torch.searchsorted(rows, sampled)], sampled,
                likely.log().float(), batch.bought(),
            )  # fmt: skip
        own = (query * vectors[target]).sum(-1)  # [P]
        each = max(config.negatives // 64, 1)
        drawn = sampled[torch.randint(len(sampled), (len(target), each), device=self.device)]  # [P, K]
        others = torch.einsum("pd,pkd->pk", query, vectors[torch.searchsorted(rows, drawn)])
        return (losses.bpr_loss if config.loss == "bpr" else losses.bce_loss)(own, others)

    def _query(self, batch: _Batch, history: Tensor, trace: Tensor) -> Tensor:
        users = self.model.users
        said = torch.cat([users.states(history, batch.bucket, batch.gap), users.votes(trace)], -1)  # [B, L, d + width]
        flat = torch.cat([said.new_zeros(1, said.shape[-1]), said.flatten(0, 1)])
        state, votes = flat[batch.state].split([said.shape[-1] - trace.shape[-1], trace.shape[-1]], -1)
        return users.query(state, votes, batch.known, batch.ids, batch.numbers)

    # --- validation ---

    def scorer(self) -> TorchScorer:
        return TorchScorer(self.model, self.data)

    def validate(self) -> float:
        """Mean NDCG@10 of the averaged weights over the validation cases, popularity weighing what serves them best; 0
        where there are none."""
        ndcg = 0.0
        if len(self.cases) and distributed.is_first():
            latest = self.weights()
            self.model.load_state_dict(self.average)
            held_out = HeldOut(self.scorer(), self.data, self.cases)
            self.model.load_state_dict(latest)
            self.served = max((held_out.ndcg(weight) for weight in self._popularities()), key=np.mean)
            ndcg = float(self.served.mean())
        return distributed.the_firsts(ndcg)

    def serves_worse_than(self, before: np.ndarray) -> bool:
        """Whether the lists last validated are worse than those of `before`, by more than a standard error of the
        paired difference."""
        return bool(distributed.the_firsts(proven(before - self.served)))

    def _popularities(self) -> list[float]:
        """Never none: of items that a history says nothing of, the popular come first."""
        return sorted({*POPULARITIES, self.linear.popularity} - {0.0})

    def choose_weights(self) -> ListWeights:
        if not distributed.is_first():
            return ListWeights()
        scorer = self.scorer()
        # What meets in a cosine is no sum: there the votes cannot be weighed apart.
        without_votes = None if self.model.users.normalised else scorer.without_votes()
        return choose_weights(scorer, self.data, self.cases, self._popularities(), without_votes)

    # --- ratings ---

    def fit_ratings(self, settings: RatingSettings | None) -> RatingSettings | None:
        """Set the rating vectors in closed form; gives back what was chosen for them, None where nothing is rated."""
        if not self.model.sizes.rated:
            self._standardise_scores()
            return None
        path = fit_rating_path(self.data, self.config.rating_dim, self.config.seed, settings)
        self.model.rate_by(path)
        return path.settings

    def _standardise_scores(self) -> None:
        """Where nothing is rated, a rating is the score's place among all scores of a sample of people."""
        sample = self.data.cases(VALID, 256, seed=1)
        if len(sample) == 0:
            return
        scorer = self.scorer()
        scores = scorer.users(case_inputs(self.data, sample, self.config.max_history)).rank @ scorer.items.rank.T
        std = float(scores.std()) or 1.0
        self.model.users.standard.data.copy_(torch.tensor([1 / std, -float(scores.mean()) / std]))

    # --- keeping ---

    def begin_again(self, weights: dict[str, Tensor]) -> None:
        """From these weights, and with nothing remembered of earlier steps."""
        self.model.load_state_dict(weights)
        self.average, self.steps = self.weights(), 0
        self.optimiser.state.clear()

    def start_from(self, earlier: Trained) -> None:
        """Go on from the weights of a model of the same shape, popularity and history in full as in all training."""
        self.model.load_state_dict(earlier.model.state_dict())
        self.origin = earlier.origin
        self.model.users.weigh(ListWeights())
        distributed.share(self.model)
        self.average = self.weights()

    def finish(self, popularity: float) -> None:
        """Place unknown items by what known ones of like features have.

        Training found how much their popularity counts beside a history. In lists popularity counts for less, and so
        does the history where it meets an item known by features alone: else new items come in no good order.
        """
        bought = torch.from_numpy(self.counts > 0).to(self.device)
        self.model.items.learn_cold(self.features, bought, trust=popularity if popularity > POPULARITIES[0] else 1.0)
        self.model.eval()

    def weights(self) -> dict[str, Tensor]:
        return {n: t.detach().clone() for n, t in self.model.state_dict().items()}

    def save(self, path: Path, state: _Progress) -> None:
        """Write a checkpoint under a temporary name and rename it: a killed writer leaves the one before."""
        tensors = {f"model.{n}": t for n, t in self.weights().items()}
        for number, of_parameter in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{n}": torch.as_tensor(v) for n, v in of_parameter.items()}
        tensors |= {f"average.{n}": t for n, t in self.averaged().items()}
        if state.best_weights is not None:
            tensors |= {f"best.{n}": t for n, t in state.best_weights.items()}
        progress = [state.epoch, state.best, state.since_best, state.halvings, self.steps]
        tensors["progress"] = torch.tensor(progress, dtype=torch.float64)
        for name, rates in (("tried", state.tried_rates), ("kept", state.best_rates)):
            tensors[f"rates.{name}"] = torch.tensor(rates, dtype=torch.float64)
        tensors["curve"] = torch.tensor(
            [[e["epoch"], e["loss"], e["ndcg_10"], e["learning_rate"]] for e in state.curve], dtype=torch.float64
        )
        temporary = path.with_suffix(".part")
        save_file({n: t.contiguous() for n, t in tensors.items()}, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> _Progress:
        tensors = load_file(path)

        def under(prefix: str) -> dict[str, Tensor]:
            return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}

        self.model.load_state_dict(under("model."))
        optimiser: dict[str, Any] = self.optimiser.state_dict()
        for name, value in under("optimiser.").items():
            number, key = name.split(".", 1)
            optimiser["state"].setdefault(int(number), {})[key] = value
        self.optimiser.load_state_dict(optimiser)
        self.average = under("average.")
        epoch, best, since, halvings, steps = tensors["progress"].tolist()
        self.steps = int(steps)
        names = ("epoch", "loss", "ndcg_10", "learning_rate")
        return _Progress(
            epoch=int(epoch),
            best=best,
            since_best=int(since),
            halvings=int(halvings),
            curve=[dict(zip(names, row, strict=True)) for row in tensors["curve"].tolist()],
            tried_rates=tensors["rates.tried"].tolist(),
            best_rates=tensors["rates.kept"].tolist(),
            best_weights=under("best.") or None,
        )


@dataclass(frozen=True)
class _Batch:
    """B windows padded to L purchases, of which P are predicted.

    items, bucket, gap : int64 [B, L].
    state : int64 [P], 1 + the flat place of the last known purchase, 0 when nothing is known.
    target : int64 [P] item rows.   known : float32 [P].   ids [P, F], numbers [P, N].
    """

    items: Tensor
    bucket: Tensor
    gap: Tensor
    state: Tensor
    target: Tensor
    known: Tensor
    ids: Tensor
    numbers: Tensor

    def bought(self) -> Tensor:
        """int64 [2, m]: (number of the target, item row) of every purchase of its window that came before it."""
        length = self.items.shape[1]
        last = self.state - 1
        place = torch.where(last >= 0, last % length, last)
        before = torch.arange(length, device=last.device) <= place[:, None]  # [P, L]
        target, k = before.nonzero(as_tuple=True)
        window = torch.div(last, length, rounding_mode="floor")[target]
        return torch.stack([target, self.items[window, k]])

    @classmethod
    def of(cls, group: Sequence[Window], data: TwoTowerDataset, device: torch.device, later: int) -> _Batch:
        """later : purchases of each person that are predicted from the first few, too."""
        start = np.array([w.start for w in group], dtype=np.int64)
        stop = np.array([w.stop for w in group], dtype=np.int64)
        target_from = np.array([w.target_from for w in group], dtype=np.int64)
        rows = start[:, None] + np.arange((stop - start).max(initial=1))  # [B, L]
        inside = rows < stop[:, None]
        rows = np.where(inside, rows, start[:, None])
        first = data.first_row[data.user[start]]
        read = _shuffled_orders(rows, inside, data)  # [B, L]
        wanted = inside & (rows >= target_from[:, None]) & (data.role[read] == TRAIN) & ~data.repeat[read]
        b, _ = np.nonzero(wanted)
        moment, row = rows[wanted], read[wanted]  # [P]
        place = data.context[moment] - start[b]
        known = data.context[moment] - first[b] + 1
        if later:
            window, after, much_later = _later(start, stop, read, later, data)
            b, place = np.append(b, window), np.append(place, after - 1)
            known, row = np.append(known, after), np.append(row, much_later)
            moment = np.append(moment, start[window] + after)
        tensors = (
            data.item[read].astype(np.int64),
            rating_bucket(data.rating[read]),
            data.gap[rows],
            np.where(place >= 0, 1 + b * rows.shape[1] + place, 0),
            data.item[row].astype(np.int64),
            known.astype(np.float32),
            data.profile_ids[moment],
            data.profile_numbers[moment],
        )
        return cls(*(torch.from_numpy(np.ascontiguousarray(t)).to(device) for t in tensors))


def _shuffled_orders(rows: np.ndarray, inside: np.ndarray, data: TwoTowerDataset) -> np.ndarray:
    """int64 [B, L]: the rows with those of a first basket in a new order: any part of it predicts any other."""
    users = data.user[rows[:, 0]]
    first_order = inside & (rows < data.first_order_end[users][:, None])
    first_order &= (rows[:, 0] == data.first_row[users])[:, None]  # a window that begins later reads on from another
    if not first_order.any():
        return rows
    keys = np.where(first_order, torch.rand(rows.shape).numpy(), 1.0 + np.arange(rows.shape[1]))
    return np.take_along_axis(rows, np.argsort(keys, axis=1), axis=1)


def _later(
    start: np.ndarray, stop: np.ndarray, read: np.ndarray, most: int, data: TwoTowerDataset
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Purchases predicted from the first few of their person: number of the window [B] that opens the history, how many
    purchases are known, one to five, and the row of one after those, wherever it is.

    read : int64 [B, L], the rows in the order in which the windows read them.
    most : so many are drawn of a person with a long history, fewer of others: little comes much later there. Left out
        is what is bought again, or held out.
    """
    first, last = data.first_row[data.user[start]], data.first_row[data.user[start] + 1] - 1
    bought = last - first + 1
    often = np.where(start == first, most * bought / (bought + LONG), 0) + torch.rand(len(start)).numpy()
    window = np.repeat(np.arange(len(start)), often.astype(np.int64))
    start, stop, last = start[window], stop[window], last[window]
    known = 1 + (SHORT * torch.rand(len(window)).numpy()).astype(np.int64)
    there = start + known <= np.minimum(stop, last)
    window, start, stop, last, known = (each[there] for each in (window, start, stop, last, known))
    row = start + known + ((last - start - known + 1) * torch.rand(len(window)).numpy()).astype(np.int64)
    row = np.where(row < stop, read[window, (row - start).clip(max=read.shape[1] - 1)], row)
    learned = (data.role[row] == TRAIN) & ~data.repeat[row]
    return window[learned], known[learned], row[learned]


class TorchScorer:
    """A model in training, seen as what evaluation needs: vectors of people and of all items."""

    def __init__(self, model: TwoTowerHybrid, data: TwoTowerDataset):
        self.model, self.max_history = model.eval(), model.reads
        self.device = next(model.parameters()).device
        vectors = model.item_vectors(torch.from_numpy(data.item_features).to(self.device))
        self.items, self.rater = Vectors(*(part.cpu().numpy() for part in vectors)), model.users.rater()

    def without_votes(self) -> TorchScorer:
        """The same model, in which what was bought does not vote."""
        silent = copy(self)
        silent.items = replace(self.items, trace=np.zeros_like(self.items.trace))
        return silent

    @torch.no_grad()
    def users(self, inputs: UserInputs) -> Vectors:
        feed = inputs.latest(self.model.config.max_history).feed(self.items)
        rank = self.model.users(**{n: torch.from_numpy(a).to(self.device) for n, a in feed.items()}).cpu().numpy()
        return Vectors.of_people(rank, self.rater.vectors(rank, inputs, self.items.rate))


def tower_sizes(data: TwoTowerDataset, width: int) -> TowerSizes:
    return TowerSizes(
        items=data.n_items,
        width=width,
        item_features=data.encoders.item_sizes,
        profile_fields=data.encoders.field_sizes,
        profile_numbers=data.profile_numbers.shape[1],
        rated=bool(np.isfinite(data.rating[data.role == TRAIN]).any()),
    )
