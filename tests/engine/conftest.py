from pathlib import Path

import pytest

from recommender.engine.config import TrainConfig
from tests import planted

QUICK = TrainConfig(
    dim=16, profile_rank=4, rating_dim=4, epochs=8, learning_rate=1e-2, batch_targets=512, bootstrap=200
)


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted.tastes(tmp_path_factory.mktemp("data") / "tastes")


@pytest.fixture(scope="session")
def bundle(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained on the planted tastes, to be read and never changed."""
    from recommender.engine.pipeline import build_bundle

    out = tmp_path_factory.mktemp("bundles") / "b"
    build_bundle(snapshot, out, config=QUICK)
    return out
