"""The recommender itself: two towers, trained with torch, served with onnxruntime and numpy. No Django.

The names that need torch load when they are first used, so that serving never imports it.
"""

import os
from importlib import import_module
from typing import Any

# Torch's threads spin while they wait for each other. Where other processes share the cores, as a shop's do, that took
# a training of 9 seconds to 143 and more; asleep they lose nothing. Read once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Onnxruntime, from 1.29 on, tells Microsoft of every model that it opens, by a thread and a file of its own, unless it
# finds this when it is loaded. What a shop serves is nobody's business.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOME = {
    "StandaloneRecommender": "bundle.standalone",
    "Recommendation": "bundle.standalone",
    "TwoTowerDataset": "data.dataset",
    "TwoTowerHybrid": "model.towers",
    "train_two_tower_model": "training.trainer",
    "TrainConfig": "config",
    "build_bundle": "training.pipeline",
    "read_snapshot": "data.tables",
    "from_frame": "data.tables",
    "Derived": "data.schema",
    "split": "data.splits",
    "save_model": "training.writing",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("recommender"):
            raise
        raise ImportError(f"{name} needs {error.name}: pip install 'django-two-towers[train]'") from None


def __dir__() -> list[str]:
    return __all__
