"""A torch model behind the interface that evaluation measures."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import torch

from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.inputs import UserInputs, Vectors
from recommender.engine.model.towers import TwoTowerHybrid


class TorchScorer:
    """A model in training, seen as what evaluation needs: vectors of users and of all items."""

    def __init__(self, model: TwoTowerHybrid, data: TwoTowerDataset):
        self.model, self.max_history = model.eval(), model.reads
        self.device = next(model.parameters()).device
        vectors = model.item_vectors(torch.from_numpy(data.item_features).to(self.device))
        self.items, self.rater = Vectors(*(part.cpu().numpy() for part in vectors)), model.users.rater()

    def voteless(self) -> TorchScorer:
        """The same model, in which purchases do not vote."""
        silent = copy(self)
        silent.items = replace(self.items, trace=np.zeros_like(self.items.trace))
        return silent

    @torch.no_grad()
    def users(self, inputs: UserInputs) -> Vectors:
        feed = inputs.latest(self.model.config.max_history).feed(self.items)
        rank = self.model.users(**{n: torch.from_numpy(a).to(self.device) for n, a in feed.items()}).cpu().numpy()
        return Vectors.of_people(rank, self.rater.vectors(inputs, self.items.rate))
