"""Goes on from an earlier model: what it learned, over today's people, items and purchases.

What is known in closed form (the linear path, popularity, the profile path, ratings) is made anew of today's purchases,
and what training added to it by gradient is kept, row by row: items by their key, features and profile fields by their
value (a value it never met starts as the unknown one, as which it has been served). An item stands at today's linear
path, turned into the coordinates of the earlier one, plus most of what training had moved it away from that. An epoch
goes over what is new and over a part, drawn anew, of what the earlier model has learned already.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recommender.engine.bundle.comparison import learned_by
from recommender.engine.bundle.manifest import WEIGHTS, read_manifest
from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.encoders import Encoders, Vocabulary
from recommender.engine.data.numbers import FIRST
from recommender.engine.data.splits import LEFT_OUT, TEST, VALID
from recommender.engine.data.tables import Tables
from recommender.engine.errors import WarmStartError
from recommender.engine.files import under
from recommender.engine.model.linear import LinearSettings
from recommender.engine.model.towers import ItemTower, TowerSizes, TwoTowerHybrid, UserTower

ORIGIN = "origin.safetensors"
SHAPE = ("interaction", "dim", "rating_dim")  # settings with which the weights would mean something else
FEATURES = ("user_categorical", "user_numerical", "item_categorical")  # the rest is read by closed forms alone
PATIENCE = 1  # epochs without a better one: most is learned already
FASTER = 2  # times the first rate of a cold start: what is new has a few epochs to be learned in
REPEATED, REPLAYED = 3, 0.3  # times an epoch sees a window with something new in it; the share it sees of the others
KEPT = 0.7  # of what training had added to an item's linear path: the rest was the old data's alone
MUST_REMAIN = 0.5  # of the held-out purchases: with fewer, nothing judges the model
# Of the user tower: what the closed forms make, validation chooses or the end of training sets.
MADE_ANEW = ("profile.", "history_weight", "popularity_weight", "vote_weight_short", "rate_")


@dataclass(frozen=True)
class Warm:
    """An earlier model to go on from.

    items, users : the tensors of its towers by name.   row_of : its row of each item that it saw sold, by key.
    origin : the linear path that it began from, as `ItemTower.linear`.
    learned : bool [n], of which of the purchases to learn from now it has learned.
    encoders : what its ids mean.   linear, rating_noise : what validation chose.
    pace : the share of its setting that a cold start's first rate was, None where no epoch was worth keeping.
    """

    items: dict[str, Tensor]
    users: dict[str, Tensor]
    origin: dict[str, Tensor]
    row_of: dict[str, int]
    learned: np.ndarray
    encoders: Encoders
    linear: LinearSettings
    rating_noise: float | None
    pace: float | None

    @classmethod
    def open(cls, bundle: Path, weights: str, config: TrainConfig, tables: Tables) -> Warm:
        """From a bundle. weights : "served" or "judged". Raises WarmStartError where a training on these tables with
        these settings cannot go on from it.
        """
        manifest = read_manifest(bundle)
        if f"{WEIGHTS[weights]}/{ORIGIN}" not in manifest["files"]:
            raise WarmStartError("it was made by an earlier version, which did not keep what this takes.")
        before = settings_of(bundle, {})
        encoders = Encoders.read(bundle / "artifacts.json")
        for thing, names, its, ours in (
            ("setting", SHAPE, before, config),
            ("features", FEATURES, encoders.schema, tables.schema),
        ):
            for name in names:
                if getattr(its, name) != getattr(ours, name):
                    raise WarmStartError(f"its {thing} {name} was {getattr(its, name)}, and is {getattr(ours, name)}.")
        tensors, origin = (load_file(bundle / WEIGHTS[weights] / name) for name in ("weights.safetensors", ORIGIN))
        table = pq.read_table(bundle / "assets" / "items.parquet", columns=["item", "purchases"])
        chosen = _read(bundle / "training.json")
        if not _fits(tensors, len(table), chosen["linear"]["rank"], encoders, before):
            raise WarmStartError("its towers were built by another version of the engine.")
        keys = table["item"].to_pylist()
        sold = np.flatnonzero(table["purchases"].to_numpy() > 0).tolist()
        row_of = {keys[row]: row for row in sold}
        if row_of.keys().isdisjoint(tables.item_keys.tolist()):
            raise WarmStartError("it knows none of the items.")
        return cls(
            items=under("items.", tensors),
            users=under("users.", tensors),
            origin={name: origin[name].float() for name in ("items", "history")},
            row_of=row_of,
            learned=learned_by(bundle, tables, weights),
            encoders=encoders,
            linear=LinearSettings(**chosen["linear"]),
            rating_noise=chosen["rating_noise"],
            pace=chosen["pace"],
        )

    @torch.no_grad()
    def continue_in(self, model: TwoTowerHybrid, data: TwoTowerDataset) -> dict[str, Tensor]:
        """Put what was learned into `model`, which stands at the closed forms of `data`; gives back the linear path
        that it stands beside from here on."""
        origin = self._continue_items(model.items, data)
        self._continue_users(model.users, data.encoders)
        return origin

    def _continue_items(self, tower: ItemTower, data: TwoTowerDataset) -> dict[str, Tensor]:
        rows = torch.tensor([self.row_of.get(key, -1) for key in data.tables.item_keys])
        known, features = rows >= 0, torch.from_numpy(data.item_features)
        rows = rows[known]
        today = tower.linear(features)
        turn = _turn(*(torch.cat([v[of] for v in path.values()]) for path, of in ((today, known), (self.origin, rows))))
        origin = {name: vectors @ turn for name, vectors in today.items()}
        of_features = torch.zeros_like(origin["items"])
        fields = zip(data.encoders.schema.item_categorical, tower.features, strict=True)
        for f, (name, table) in enumerate(fields):
            ids = _ids(data.encoders.item[name], self.encoders.item[name])
            table.weight.copy_(self.items[f"features.{f}.weight"][ids])
            of_features += self.items[f"features.{f}.weight"][ids][features[:, f]]
        own = self.items["id.weight"][rows] + of_features[known]
        learned = {"items": own, "history": self.items["trace.weight"][rows]}
        now = {name: vectors.clone() for name, vectors in origin.items()}
        for name, vectors in now.items():
            vectors[known] += KEPT * (learned[name] - self.origin[name][rows])
        tower.id.weight[:-1] = (now["items"] - of_features).to(tower.id.weight.device)
        tower.trace.weight[:-1] = now["history"].to(tower.trace.weight.device)
        return origin

    def _continue_users(self, tower: UserTower, encoders: Encoders) -> None:
        now = tower.state_dict()
        for name, tensor in self.users.items():
            if not name.startswith((*MADE_ANEW, "fields.")):
                now[name].copy_(tensor)
        categorical = encoders.schema.user_categorical
        for f, name in enumerate(encoders.schema.user_fields):
            earlier = self.users[f"fields.{f}.weight"]
            ids = _ids(encoders.user[name], self.encoders.user[name]) if name in categorical else slice(None)
            now[f"fields.{f}.weight"].copy_(earlier[ids])


def save_origin(origin: dict[str, Tensor], folder: Path) -> None:
    """Beside the weights that came of it; half precision is closer than training ever stays to it."""
    save_file({name: vectors.half().contiguous() for name, vectors in origin.items()}, folder / ORIGIN)


def settings_of(bundle: Path, given: Mapping[str, Any]) -> TrainConfig:
    """The settings a bundle was trained with, but for its time limit, with those `given` in place of its own."""
    known = {f.name for f in fields(TrainConfig)} - {"minutes"}
    return TrainConfig.from_dict(
        {n: v for n, v in read_manifest(bundle)["settings"].items() if n in known} | dict(given)
    )


def hold_out_unlearned(role: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """The roles int8 [n] of a split, less what judged weights have learned already (bool [n]): that is LEFT_OUT.

    Little of it is held out as a rule: what is held out is the latest, and came later. Where another split, deleted
    purchases or the like make it more than half, WarmStartError is raised.
    """
    held_out = (role == VALID) | (role == TEST)
    learned = held_out & learned
    if learned.sum() > (1 - MUST_REMAIN) * held_out.sum():
        raise WarmStartError(f"it learned from {learned.sum():,} of the {held_out.sum():,} purchases to be held out.")
    return np.where(learned, LEFT_OUT, role).astype(np.int8)


def _ids(now: Vocabulary, earlier: Vocabulary) -> np.ndarray:
    """int64 [values now]: the earlier id of each id."""
    return np.concatenate([np.arange(FIRST), earlier.encode(now.values)])


def _turn(now: Tensor, earlier: Tensor) -> Tensor:
    """[width, width]: the rotation that brings `now` [n, width] next to `earlier` (orthogonal Procrustes; Schoenemann
    1966). Of two closed forms of nearly the same data, the coordinates are all that may differ much."""
    left, _, right = torch.linalg.svd(now.T @ earlier)
    return left @ right


def _fits(tensors: dict[str, Tensor], items: int, width: int, encoders: Encoders, config: TrainConfig) -> bool:
    """Whether these are the tensors of a model of this shape."""
    numbers = 2 * len(encoders.schema.user_numerical)
    sizes = TowerSizes(items, width, encoders.item_sizes, encoders.field_sizes, numbers, True, encoders.content.width)
    with torch.device("meta"):
        expected = TwoTowerHybrid(sizes, config).state_dict()
    return {n: t.shape for n, t in tensors.items()} == {n: t.shape for n, t in expected.items()}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
