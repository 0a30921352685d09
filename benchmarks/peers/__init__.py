"""The models that ours is measured beside, each behind the same small interface.

A peer is a class with `grid(data)`, the settings that validation chooses among (at most TRIALS), and, once made with
one of them, `fit(data)`, which learns from the TRAIN purchases, and `scores(data, cases)`, float [cases, items].
`decided` holds the settings that repeat the fit with no validation (for refitting on everything): where a fit chose
something itself, such as its number of epochs, it is noted there. It travels as JSON.

A module is loaded only in the process that measures its peer: what it imports may be missing elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from recommender.engine.data.dataset import Cases, TwoTowerDataset

TRIALS = 8
OURS, WITHOUT_CONTENT = "two_tower", "without_content"
HOME = {
    "popularity": ("popularity", "Popularity"),
    "recent_popularity": ("popularity", "RecentPopularity"),
    "segment_popularity": ("popularity", "SegmentPopularity"),
    "co_purchase": ("neighbours", "CoPurchase"),
    "ease": ("ease", "EASE"),
    "implicit_als": ("factors", "ImplicitALS"),
    "implicit_bpr": ("factors", "ImplicitBPR"),
    "lightfm_warp": ("lightfm_warp", "LightFMWarp"),
    "sasrec": ("sasrec", "SASRec"),
    OURS: ("ours", "TwoTowers"),
}
COLD = {  # for whom or what nothing is known of but features
    "pair_popularity": ("popularity", "PairPopularity"),
    "category_popularity": ("popularity", "CategoryPopularity"),
    "random": ("popularity", "Random"),
    WITHOUT_CONTENT: ("ours", "WithoutContent"),
}
BASKETS = {  # the whole next basket, bought before or not
    "popularity": ("popularity", "Popularity"),
    "personal_frequency": ("baskets", "PersonalFrequency"),
    "tifu_knn": ("baskets", "TIFUKNN"),
    OURS: ("baskets", "TwoTowers"),
}
ITEMS = {  # what comes next after one item
    "popularity": ("items", "Popularity"),
    "co_purchase": ("items", "CoPurchase"),
    "item_knn": ("items", "ItemKNN"),
    "item_vectors": ("items", "ItemVectors"),
    OURS: ("items", "TwoTowers"),
}
RATERS = {
    "global_mean": ("raters", "GlobalMean"),
    "bias": ("surprise_raters", "Bias"),
    "svd": ("surprise_raters", "SVD"),
    "svd_plus_plus": ("surprise_raters", "SVDPlusPlus"),
    OURS: ("raters", "TwoTowers"),
}


class Peer(Protocol):
    decided: dict[str, Any]

    def __init__(self, **settings: Any): ...

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]: ...

    def fit(self, data: TwoTowerDataset) -> None: ...

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray: ...


def load(name: str, peers: Mapping[str, tuple[str, str]] = HOME | COLD) -> Any:
    """The class of one of the peers; ImportError where the package that it needs is not installed."""
    module, of_class = peers[name]
    return getattr(import_module(f"{__name__}.{module}"), of_class)
