"""The vector that predicts a user's ratings, solved from what they rated: rating_path.py's closed form, in numpy.

Training measures with it and serving answers with it; nothing of it is learned by gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recommender.engine.data.inputs import Rows, UserInputs


@dataclass(frozen=True)
class Rater:
    """d = rank of the factors + 1; the last coordinate is the generosity.

    precision : float32 [d], of the prior, times the noise; [0] where the model was taught no ratings.
    profile : float32 [ids of all fields, d], what the values of the profile add to the prior's mean.
    first_id : int64 [fields], where each field's ids begin therein.
    """

    precision: np.ndarray
    profile: np.ndarray
    first_id: np.ndarray

    @classmethod
    def of(cls, precision: np.ndarray, tables: Sequence[np.ndarray]) -> Rater:
        """tables : what the values add, one [ids, d] for each field of the profile."""
        first_id = np.cumsum([0, *(len(table) for table in tables)])[:-1].astype(np.int64)
        none = np.zeros((0, len(precision)), np.float32)
        return cls(precision, np.concatenate([none, *tables]) if len(precision) else none, first_id)

    @classmethod
    def open(cls, path: Path) -> Rater:
        with np.load(path, allow_pickle=False) as saved:
            return cls(*(saved[name] for name in ("precision", "profile", "first_id")))

    def save(self, path: Path) -> None:
        np.savez(path, **vars(self))

    @property
    def has_ratings(self) -> bool:
        """Whether the model learned from any rating. A model that did not predicts none."""
        return len(self.precision) > 0

    def vectors(self, users: UserInputs, items: Rows) -> np.ndarray:
        """The rating vectors of users, float32 [B, as wide as `items`]; all zeros where no ratings were learned.

        items : the rating vectors that the rows of histories mean: factors [d], bias, trace [d].
        """
        if not self.has_ratings:
            return np.zeros((len(users), items.shape[1]), np.float32)
        d = len(self.precision)
        bought = items[users.items]  # [B, R, 2 d + 1]
        factors, bias, trace = bought[..., :d], bought[..., d], bought[..., d + 1 :]
        here = (np.arange(users.items.shape[1]) < users.length[:, None]).astype(np.float32)  # [B, R]
        mean = (here[:, None] @ trace)[:, 0] / np.sqrt(users.length.clip(min=1, dtype=np.float32))[:, None]
        mean += self.profile[users.ids + self.first_id].sum(1)  # [B, d]
        expected = 5 / (1 + np.exp(-(bias + (factors @ mean[:, :, None])[..., 0])))
        # The sigmoid is replaced by its tangent (Gauss & Newton); what was bought without a rating has no slope.
        slope = np.where(np.isfinite(users.rating), expected * (1 - expected / 5), 0)
        surprise = np.where(np.isfinite(users.rating), users.rating - expected, 0)
        seen = factors * slope[..., None]
        gram = seen.transpose(0, 2, 1) @ seen + np.diag(self.precision)  # [B, d, d]
        pull = seen.transpose(0, 2, 1) @ surprise[..., None]
        vector = mean + np.linalg.solve(gram, pull)[..., 0]
        one, nothing = np.ones((len(vector), 1), np.float32), np.zeros_like(vector)
        return np.concatenate([vector, one, nothing], axis=1, dtype=np.float32)
