"""The cost of training, measured on a shop small enough for a test."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import datasets, training
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TEST, split
from recommender.engine.evaluation.metrics import rank_targets, user_metrics
from tests import planted

ROOT = Path(__file__).resolve().parents[2]
QUICK = '{"dim": 16, "profile_rank": 4, "rating_dim": 4, "epochs": 3, "learning_rate": 0.01, "batch_targets": 512}'


def test_every_part_is_measured(tmp_path: Path):
    folder = planted.tastes(tmp_path / "tastes")

    # In a process of its own: the harness forks, and a child of one in which torch has run already waits for ever.
    asked = ["--data", str(folder), "--sizes", "1000", "2000", "--config", QUICK, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.training", *asked], cwd=ROOT, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    row = found["passing"]
    assert row["peer"] in training.PEERS
    if row["epochs"] is not None:
        assert row["validation_when_passed"] > row["peer_validation"]
        assert row["ratio"] == pytest.approx(row["seconds"] / row["peer_seconds"])
    if row["epochs"] == 0:
        assert 0 < row["path_seconds"] < row["seconds"]
    seconds = found["phases"]["seconds"]
    assert {*training.PHASES, "the rest", "refit on everything"} == set(seconds)
    assert all(seconds[phase] > 0 for phase in training.PHASES)
    assert seconds["the rest"] >= 0
    assert 0 < sum(o["share"] for o in found["operators"]) <= 1
    assert [g["purchases"] for g in found["growth"]] == [1000, 2000]


@pytest.mark.parametrize("purchases", [1_000, 20_000])
def test_the_generated_shop_has_the_size_asked_for_and_tastes_to_find(purchases: int):
    tables = datasets.shop(purchases)
    assert len(tables) == purchases
    data = TwoTowerDataset.build(tables, split(tables, "last-out", 1))
    cases = data.cases(TEST, 500)

    class OfTheLastKind:
        def scores(self, data, cases):
            kind = data.item_features[:, 0]
            last = data.item[np.maximum(cases.context, 0)]
            return (kind[None, :] == kind[last][:, None]) + 1e-6 * data.item_counts()

    class Popular:
        def scores(self, data, cases):
            return np.tile(data.item_counts(), (len(cases), 1))

    kind, popular = (
        user_metrics(rank_targets(model(), data, cases))["recall_20"].mean() for model in (OfTheLastKind, Popular)
    )
    assert kind > 1.5 * popular


def test_a_folder_of_no_known_layout_is_one_clear_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert training.main(["--data", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'nowhere'} holds none of schema.json")
