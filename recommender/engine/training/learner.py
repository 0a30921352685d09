"""One model in training: it starts at the closed forms, learns an epoch at a time, and keeps an average of its weights.

The running average is what is judged and served (Polyak & Juditsky 1992).
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TRAIN
from recommender.engine.errors import SnapshotError, TrainingCancelled
from recommender.engine.model.linear import LinearPath, LinearSettings
from recommender.engine.model.towers import ListWeights, TowerSizes, TwoTowerHybrid
from recommender.engine.training import distributed, losses
from recommender.engine.training.batches import Batch, NegativeSampler, Window, batches, windows
from recommender.engine.training.choosing import LIST_POPULARITIES, choose_linear_path, choose_profile_path
from recommender.engine.training.content import ContentRegression
from recommender.engine.training.warm_start import REPEATED, REPLAYED, Warm

# Of the learning rate, where it is not 1: popularity is known and shall move slowly; single numbers have farther to go.
RATES = {"items.bias.weight": 0.1, "users.recency": 5.0, "users.vote_scale": 5.0}
LARGEST_GRADIENT = 5.0
# Compiled products that torch and oneDNN remember, at most (1,024 each by default): of the shapes of a batch's steps,
# which come a hundred times in a row. No two batches have the same, and of 40 MB an epoch none is used again.
KERNELS_REMEMBERED = {"LRU_CACHE_CAPACITY": "1", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16"}


class Learner:
    """Model, optimiser and running average. linear : the settings of the linear path.

    origin : the linear path that training began from, as `ItemTower.linear`; empty in processes of a rank above zero.
    """

    def __init__(self, data: TwoTowerDataset, config: TrainConfig, linear: LinearSettings | None, warm: Warm | None):
        """linear : settings to repeat; None: they are chosen on validation."""
        if not (data.role == TRAIN).any():
            raise SnapshotError("No purchase is left to learn from after the split.")
        for variable, most in KERNELS_REMEMBERED.items():  # read at the first product of the process
            os.environ.setdefault(variable, most)
        self.data, self.config, self.device = data, config, distributed.device()
        self.features = torch.from_numpy(data.item_features).to(self.device)
        self.origin: dict[str, Tensor] = {}
        if distributed.is_rank_zero():
            path = LinearPath.fit(data, config.dim, linear) if linear else choose_linear_path(data, config.dim)
            distributed.broadcast_from_rank_zero(path.settings.rank)
            self.linear = path.settings
            self.model = TwoTowerHybrid(TowerSizes.of(data, self.linear.rank), config).to(self.device)
            profile = choose_profile_path(data, config.profile_rank, config.seed)
            self.model.start_from(path, profile, self.features)
            self.origin = self.model.items.linear(self.features)
            if warm is not None:
                self.origin = warm.continue_in(self.model, data)
        else:
            self.linear = LinearSettings(rank=int(distributed.broadcast_from_rank_zero(0)))
            self.model = TwoTowerHybrid(TowerSizes.of(data, self.linear.rank), config).to(self.device)
        distributed.broadcast_weights(self.model)
        self.windows = windows(data, config.max_history)
        self.new: list[bool] | None = None  # of each window, in a warm start: whether the earlier model has not seen it
        if warm is not None:
            unlearned = (data.role == TRAIN) & ~warm.learned
            self.new = [bool(unlearned[w.target_from : w.stop].any()) for w in self.windows]
        self.sampler = NegativeSampler.fit(data.item_counts())
        # Half the time on processors that have it; NDCG@10 on validation was the same within noise.
        self.half = self.device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
        named = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.parameters = list(named.values())
        groups = [{"params": [p for n, p in named.items() if n not in RATES], "scale": 1.0}]
        groups += [{"params": [named[n]], "scale": scale, "weight_decay": 0.0} for n, scale in RATES.items()]
        self.optimiser = torch.optim.AdamW(
            groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.average = self.weights()
        # The weights that a warm start goes on from are an average already.
        self.steps = 0 if warm is None else 2 * config.average_steps

    def weights(self) -> dict[str, Tensor]:
        return {n: t.detach().clone() for n, t in self.model.state_dict().items()}

    def averaged(self) -> dict[str, Tensor]:
        return {n: t.clone() for n, t in self.average.items()}

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Go on from these weights, and with nothing remembered of earlier steps."""
        self.model.load_state_dict(weights)
        self.model.users.set_list_weights(ListWeights())  # lists may weigh otherwise, training does not
        distributed.broadcast_weights(self.model)
        self.average, self.steps = self.weights(), 0
        self.optimiser.state.clear()

    def place_new_items(self, popularity: float) -> None:
        """Place unknown items by what known ones of like features have.

        Training found how much their popularity counts beside a history. In lists popularity counts for less, and so
        does the history where it meets an item known by features alone: else new items come in no good order.
        """
        bought = torch.from_numpy(self.data.item_counts() > 0).to(self.device)
        history = popularity if popularity > LIST_POPULARITIES[-1] else 1.0
        if self.model.sizes.item_content:
            sold = bought.cpu().numpy()
            regression = ContentRegression(self.data.item_content[sold], self.data.item_counts()[sold])

            def regress(*vectors: Tensor) -> Tensor:
                return torch.from_numpy(regression(*(v.cpu().numpy() for v in vectors))).to(self.device)

            content = torch.from_numpy(self.data.item_content).to(self.device)
            self.model.items.learn_cold(self.features, bought, history, content, regress)
        else:
            self.model.items.learn_cold(self.features, bought, history)
        self.model.eval()

    # --- an epoch ---

    def epoch(self, rate: float, number: int, should_stop: Callable[[], bool] | None) -> float:
        """One pass over the TRAIN purchases, or the part of them that is to be seen; gives back the mean loss."""
        self.model.train()
        for settings in self.optimiser.param_groups:
            settings["lr"] = rate * settings["scale"]
        rng = np.random.default_rng((self.config.seed, number))
        # An epoch draws the same after a resume as without one; no two processes do.
        torch.manual_seed(int(rng.integers(2**62)) + distributed.rank())
        total = targets = 0.0
        for group in batches(self._windows_of_epoch(rng), self.config.batch_targets, rng):
            if distributed.sum_of(should_stop is not None and should_stop()):
                raise TrainingCancelled("The run was cancelled.")
            batch = Batch.of(distributed.my_share(group), self.data, self.device, self.config.later)
            self.optimiser.zero_grad(set_to_none=True)
            if len(batch.target):
                with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half):
                    loss = self._loss(batch, rng)
                loss.backward()
                total += loss.item() * len(batch.target)
            learned = distributed.average_gradients(self.parameters, len(batch.target))
            if not learned:
                continue
            torch.nn.utils.clip_grad_norm_(self.parameters, LARGEST_GRADIENT)
            self.optimiser.step()
            self._add_to_average()
            targets += learned
        return distributed.sum_of(total) / max(targets, 1)

    def _windows_of_epoch(self, rng: np.random.Generator) -> list[Window]:
        """All windows; in a warm start new ones several times and a part of those that were seen before."""
        if self.new is None:
            return self.windows
        times = np.where(self.new, REPEATED, rng.random(len(self.windows)) < REPLAYED).tolist()
        return [window for window, n in zip(self.windows, times, strict=True) for _ in range(n)]

    @torch.no_grad()
    def _add_to_average(self) -> None:
        """Over fewer steps in the beginning."""
        self.steps += 1
        share = 1 / min(self.config.average_steps, 1 + self.steps / 2)
        for name, now in self.model.state_dict().items():
            self.average[name].lerp_(now, share)

    def _is_full_cheaper(self) -> bool:
        """Whether every item is compared with, not a sample: its cost grows with items x width."""
        n, config = self.data.n_items, self.config
        return n <= max(config.full_softmax_items * config.dim // self.linear.rank, 2 * config.negatives)

    def _loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        config, n, tower = self.config, self.data.n_items, self.model.items
        full = config.loss == "softmax" and self._is_full_cheaper()
        if full:
            rows = torch.arange(n, device=self.device)
        else:
            sampled = torch.from_numpy(np.unique(self.sampler.draw(config.negatives, rng))).to(self.device)
            rows = torch.unique(torch.cat([batch.items.flatten(), sampled]))
        dropped = config.item_id_dropout if self.model.sizes.item_features else 0.0
        known = (torch.rand(len(rows), device=self.device) >= dropped).float()
        sequence = tower.sequence(rows, self.features[rows], known)  # [m, width]
        vectors = torch.cat([sequence, tower.profile(rows), tower.popular(rows), tower.bias(rows)], -1)  # [m, D]
        place = torch.searchsorted(rows, batch.items)  # [B, L], among `rows`
        query = self._query(batch, F.embedding(place, sequence), tower.trace(batch.items))  # [P, D]
        target = torch.searchsorted(rows, batch.target)  # [P]
        own = (query * F.embedding(target, vectors)).sum(-1)  # [P]
        if full:
            return losses.softmax_loss(query, own, vectors, target, batch.bought())
        if config.loss == "softmax":
            likely = torch.from_numpy(self.sampler.inclusion(config.negatives)).to(self.device)[sampled]
            negative, bought = F.embedding(torch.searchsorted(rows, sampled), vectors), batch.bought()
            column = losses.places_among(sampled, bought[1])
            bought = torch.stack([bought[0], column])[:, column >= 0]
            wanted = losses.places_among(sampled, batch.target)
            return losses.softmax_loss(query, own, negative, wanted, bought, likely.log().float())
        drawn = sampled[torch.randint(len(sampled), (len(target), max(config.negatives // 64, 1)), device=self.device)]
        others = torch.einsum("pd,pkd->pk", query, vectors[torch.searchsorted(rows, drawn)])  # [P, K]
        others = losses.without_known(others, drawn, batch.target, batch.bought())
        return (losses.bpr_loss if config.loss == "bpr" else losses.bce_loss)(own, others)

    def _query(self, batch: Batch, history: Tensor, trace: Tensor) -> Tensor:
        """[P, D], the ranking vector of each prediction. history, trace [B, L, width]"""
        users, width = self.model.users, trace.shape[-1]
        states, votes = users.states(history, batch.bucket, batch.gap), users.votes(trace, batch.moment)
        known = torch.cat([states, votes], -1)  # [B, L, d + width]
        flat = torch.cat([known.new_zeros(1, known.shape[-1]), known.flatten(0, 1)])
        state, votes = F.embedding(batch.state, flat).split([flat.shape[-1] - width, width], -1)
        return users.query(state, votes, batch.known, batch.ids, batch.numbers)
