from pathlib import Path

import numpy as np
import pytest

from recommender.engine.bundle.inference import Interaction, Person
from recommender.engine.config import TrainConfig
from recommender.engine.data.tables import read_snapshot
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
    from recommender.engine.training.pipeline import build_bundle

    out = tmp_path_factory.mktemp("bundles") / "b"
    build_bundle(snapshot, out, config=QUICK)
    return out


def person_of(snapshot, user: str) -> Person:
    """A user of the snapshot with all of their purchases, put together by hand."""
    tables = read_snapshot(snapshot)
    row = tables.user_keys.tolist().index(user)
    rows = np.flatnonzero(tables.user == row)
    history = [
        Interaction(
            tables.item_keys[tables.item[k]], tables.time[k], None if np.isnan(r := tables.rating[k]) else float(r)
        )
        for k in rows
    ]
    return Person({name: column[row] for name, column in tables.users.items()}, history, len(rows))
