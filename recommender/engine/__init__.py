"""The recommender itself: two towers, trained with torch, served with onnxruntime and numpy. No Django.

The names that need torch load when they are first used, so that serving never imports it.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "StandaloneRecommender": "standalone",
    "Recommendation": "standalone",
    "TwoTowerDataset": "dataset",
    "TwoTowerHybrid": "towers",
    "train_two_tower_model": "trainer",
    "TrainConfig": "config",
    "build_bundle": "pipeline",
    "read_snapshot": "tables",
    "from_frame": "tables",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
