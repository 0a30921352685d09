"""What is bought next, bought before or not: the two towers beside what people come back to, and two yardsticks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.engine.bundle.repeats import BoughtBefore, Repeats
from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.evaluation.metrics import Scorer, scores_of


class PersonalFrequency:
    """Items by how often the user bought them; of items bought as often, and of all others, the popular first."""

    def __init__(self, data: TwoTowerDataset):
        popular = data.item_counts()
        self.tie_break = popular / (popular.sum() + 1)

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        scores = np.tile(self.tie_break, (len(cases), 1))
        for row, bought in enumerate(cases.bought(data)):
            np.add.at(scores[row], bought, 1)
        return scores


@dataclass(frozen=True)
class NextBaskets:
    """The two towers, with what was bought before where `repeats` put it."""

    towers: Scorer
    repeats: Repeats | None

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        scores = scores_of(self.towers, data, cases)
        if self.repeats is not None:
            first = data.first_row[cases.users]
            when = data.time[cases.rows]
            for own, a, b, now in zip(scores, first, cases.context + 1, when, strict=True):
                bought = BoughtBefore.of((data.item[a:b], data.time[a:b]))
                own[bought.rows] = self.repeats.beside(own.max(), bought, now)
        return scores
