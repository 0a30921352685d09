"""What the content of items says of values that only items with purchases have: a ridge regression.

A linear map from what an item is to what was learned of it (Gantner et al., "Learning attribute-to-feature mappings for
cold-start recommendations", ICDM 2010), in closed form. Each ridge is judged by items left out of it, one at a time, as
new products are.
"""

from __future__ import annotations

import numpy as np

from recommender.engine.training.choosing import choose

RIDGES = (np.inf, 1.0, 0.1, 0.3, 3.0, 10.0, 30.0, 100.0, 300.0)  # the first: content says nothing
LEFT_OUT_ITEMS = 20_000  # items that are left out to judge a ridge, at most


class ContentRegression:
    """From the content of items, float32 [n, C]. An item weighs as the root of its buyers, int or float [n]."""

    def __init__(self, content: np.ndarray, buyers: np.ndarray):
        weight = np.sqrt(np.maximum(buyers, 1.0))
        self.root = np.sqrt(weight / weight.mean())[:, None]
        values, turn = np.linalg.eigh((weighted := content * self.root).T @ weighted)
        self.values, self.turn = np.maximum(values, 0), turn
        self.turned = weighted @ turn  # [n, C]
        self.judged = slice(None, None, -(-len(content) // LEFT_OUT_ITEMS))

    def __call__(self, targets: np.ndarray, met: np.ndarray | None = None) -> np.ndarray:
        """float32 [C, d]: what content adds to targets [n, d], with the ridge that foretells left-out items best.

        met : float32 [n, d], of each item the vectors that targets meet in a dot product: an error counts as it changes
        that. Most directions of a vector hardly do.
        """
        own = targets * self.root
        of_errors = np.eye(targets.shape[1]) if met is None else (met * self.root).T @ (met * self.root)
        voted, turned, own = self.turned.T @ own, self.turned[self.judged], own[self.judged]

        def quality(ridge: float) -> np.ndarray:
            shrunk = 1 / (self.values + ridge)
            missed = (own - turned @ (shrunk[:, None] * voted)) / (1 - (turned**2) @ shrunk)[:, None]
            return -((missed @ of_errors) * missed).sum(1)

        ridge = choose(RIDGES, quality)
        return (self.turn @ (voted / (self.values + ridge)[:, None])).astype(np.float32)
