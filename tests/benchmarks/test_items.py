"""What goes with an item, beside item-kNN: on a shop in which everybody buys one kind of four."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import items
from benchmarks.peers import ITEMS, load
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TEST, split
from recommender.engine.data.tables import read_snapshot
from tests import planted

ROOT = Path(__file__).resolve().parents[2]


def test_items_of_the_kind_asked_for_are_found_by_all_but_popularity(tmp_path: Path):
    folder = planted.tastes(tmp_path / "tastes")
    models = "popularity,item_knn,co_purchase"

    # In a process of its own: the harness forks, and a child of one in which torch has run already waits for ever.
    asked = ["--data", str(folder), "--models", models, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.items", *asked], cwd=ROOT, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr
    rows = {row["model"]: row for row in json.loads(done.stdout)}
    assert ",".join(rows) == models
    assert rows["popularity"]["hr_10"] < 0.5 < 0.95 < rows["item_knn"]["hr_10"]
    assert rows["co_purchase"]["hr_10"] > 0.95
    assert rows["popularity"]["most_listed"] > 0.9, "what sells best stands in every list but its own"
    assert rows["item_knn"]["most_listed"] < 0.5


def test_the_question_is_the_last_item_known_and_people_without_one_are_no_question(tmp_path: Path):
    tables = read_snapshot(planted.tastes(tmp_path / "tastes"))
    data = TwoTowerDataset.build(tables, split(tables, "last-out", 1))
    cases = items.questions(data, TEST)
    assert len(cases) == 120
    knn = load("item_knn", ITEMS)()
    knn.fit(data)
    last = np.array([bought[-1] for bought in cases.bought(data)])
    np.testing.assert_array_equal(knn.scores(data, cases), knn.of(last))


def test_a_model_that_nobody_knows_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert items.main(["--data", str(tmp_path), "--models", "item_knn,oracle"]) == 1
    assert "no model 'oracle'" in capsys.readouterr().err
