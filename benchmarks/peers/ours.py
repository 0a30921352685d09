"""Our two towers, with the defaults that every shop gets; nothing is tuned but what training chooses by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from recommender.engine.config import TrainConfig
from recommender.engine.data.content import ContentEncoder
from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.evaluation.metrics import case_inputs
from recommender.engine.model.scorer import TorchScorer
from recommender.engine.training.trainer import Trained, train_two_tower_model


class TwoTowers:
    def __init__(self, config: dict[str, Any] | None = None, like: dict[str, Any] | None = None):
        self.config, self.like = TrainConfig.from_dict(config or {}), like
        self.decided: dict[str, Any] = {"config": config or {}, "like": like}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [{}]

    def fit(self, data: TwoTowerDataset) -> None:
        """Early stopping on validation the first time; what it chose is repeated the second."""
        like, config = None, self.config
        if self.like is not None:
            # The judged weights stayed in another process, so large data is refitted by the same training again, too.
            config = replace(config, repeat_up_to=len(data))
            like = Trained.from_decided(self.like)
        trained = train_two_tower_model(data, config, like=like)
        self.decided["like"] = trained.decided()
        self.scorer = TorchScorer(trained.model, data)

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        users = self.scorer.users(case_inputs(data, cases, self.scorer.max_history))
        return users.rank @ self.scorer.items.rank.T


class WithoutContent(TwoTowers):
    """The same of items that say nothing beside categories."""

    def fit(self, data: TwoTowerDataset) -> None:
        encoders = replace(data.encoders, content=ContentEncoder())
        super().fit(replace(data, encoders=encoders, item_content=np.zeros((data.n_items, 0), np.float32)))
