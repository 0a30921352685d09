"""The cold ends beside the peers, on tastes that were planted."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cold, splits
from recommender.engine.data.splits import TEST, TRAIN, VALID
from recommender.engine.data.tables import read_snapshot
from tests import planted

ROOT = Path(__file__).resolve().parents[2]
QUICK = '{"dim": 16, "profile_rank": 4, "rating_dim": 4, "epochs": 2, "learning_rate": 0.01, "batch_targets": 512}'


def test_planted_tastes_are_found_at_every_cold_end(tmp_path: Path):
    planted.tastes(tmp_path, users=300)
    models = "popularity,two_tower"

    # In a process of its own: the harness forks, and a child of one in which torch has run already waits for ever.
    asked = ["--data", str(tmp_path), "--models", models, "--config", QUICK, "--draws", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cold", *asked], cwd=ROOT, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr
    rows = {(r["part"], r["metric"], r["model"]): r for r in json.loads(done.stdout)}
    assert {part for part, _, _ in rows} == {"profiles", "few", "products"}
    for metric in ("ndcg_10", "ndcg_20"):  # gender tells two kinds of four
        assert rows["profiles", metric, "popularity"]["paired"]["low"] > 0
    assert rows["few", "ndcg_10", "popularity"]["paired"]["low"] > 0.2  # one purchase tells the kind
    # Of 60 products 6 are new, one or two of each kind: whoever knows the kind finds them in the full list, too.
    assert rows["products", "recall_20", "popularity"]["paired"]["low"] > 0


def test_new_products_are_found_by_what_they_say(tmp_path: Path):
    planted.described(tmp_path, users=300, sold=400, each=20, new=0)
    asked = ["--data", str(tmp_path), "--parts", "products", "--models", "two_tower,without_content", "--draws", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cold", *asked, "--config", QUICK, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows = {(r["metric"], r["model"]): r for r in json.loads(done.stdout)}
    assert rows["recall_20_new", "without_content"]["mean"] < 0.7  # twenty of forty
    assert rows["recall_20_new", "two_tower"]["mean"] > 0.9


def test_a_peer_takes_over_what_it_chose_before(tmp_path: Path):
    planted.tastes(tmp_path)
    chosen = {"model": "ease", "settings": {"l2": 77.0}, "trials": 8, "tuning_seconds": 1, "validation_ndcg_10": 0.1}
    (tmp_path / "rows.json").write_text(json.dumps([chosen]))
    asked = ["--data", str(tmp_path), "--parts", "few", "--models", "popularity,ease", "--draws", "1", "--json"]
    asked += ["--settings", str(tmp_path / "rows.json")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cold", *asked], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert {row["model"]: row["settings"] for row in json.loads(done.stdout)}["ease"] == [{"l2": 77.0}]


def test_newcomers_are_held_out_whole(tmp_path: Path):
    tables = read_snapshot(planted.tastes(tmp_path))
    role = splits.newcomers(tables, 1)
    for user in range(len(tables.user_keys)):
        assert len(set(role[tables.user == user])) == 1
    assert {TRAIN, VALID, TEST} == set(role.tolist())
    assert (splits.newcomers(tables, 2) != role).any()


def test_few_event_people_keep_their_first_purchases(tmp_path: Path):
    tables = read_snapshot(planted.tastes(tmp_path))
    role = splits.few_events(tables, 1)
    held_out = np.unique(tables.user[role == TEST])
    kept = [int((role[tables.user == user] == TRAIN).sum()) for user in held_out]
    assert set(kept) <= {1, 2, 3, 4, 5}
    assert len(set(kept)) > 2
    for user in held_out:
        learned = role[tables.user == user] == TRAIN
        assert (np.diff(learned.astype(int)) <= 0).all(), "what is learned from comes first"


def test_new_products_are_held_out_whole(tmp_path: Path):
    tables = read_snapshot(planted.tastes(tmp_path))
    role = splits.new_products(tables, 1)
    held_out = np.unique(tables.item[role == TEST])
    assert 0 < len(held_out) < 20
    assert not np.isin(tables.item[role != TEST], held_out).any()


def test_our_training_holds_out_the_test_and_validates_on_last_purchases(tmp_path: Path):
    tables = read_snapshot(planted.tastes(tmp_path))
    role = splits.newcomers(tables, 1)
    ours = splits.for_our_training(tables, role)
    assert ((ours == TEST) == (role == TEST)).all()
    last = tables.first_row[tables.user[ours == VALID] + 1] - 1
    assert (np.flatnonzero(ours == VALID) == last).all()


def test_an_unknown_part_is_one_clear_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    planted.tastes(tmp_path)
    assert cold.main(["--data", str(tmp_path), "--parts", "people"]) == 1
    assert capsys.readouterr().err == "error: There is no part 'people'; there are profiles, few, products.\n"
