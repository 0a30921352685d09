"""Ratings beside the peers, on tastes that were planted."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ratings, splits
from benchmarks.peers.raters import rated_rows
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TEST, TRAIN
from recommender.engine.data.tables import read_snapshot
from tests import planted


def tables_of_tastes(folder: Path):
    return read_snapshot(planted.write_shop(folder, planted.even_and_odd(users=80, items=30, each=15)))


def test_ours_finds_planted_tastes_and_is_calibrated(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    tables_of_tastes(tmp_path)
    models = ["--models", "global_mean,two_tower", "--draws", "2"]

    assert ratings.main(["--data", str(tmp_path), *models, "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    for how in ("random", "date"):
        rows = {row["model"]: row for row in found[how]["rows"]}
        assert rows["two_tower"]["rmse"] < 0.7 * rows["global_mean"]["rmse"]
        low, high = rows["global_mean"]["paired"]["low"], rows["global_mean"]["paired"]["high"]
        assert low < rows["global_mean"]["paired"]["difference"] < high < 0
    tenths = found["random"]["calibration"]
    assert tenths[0]["actual"] < 1.5 < 4.5 < tenths[-1]["actual"]
    assert [t["predicted"] for t in tenths] == sorted(t["predicted"] for t in tenths)


def test_no_held_out_rating_tells_of_another(tmp_path: Path):
    """Each is predicted from the training ratings alone, whenever it was given."""
    tables = tables_of_tastes(tmp_path)
    role = splits.at_random(tables, 1)
    data = splits.known_first(tables, role)
    assert (data.role == TEST).sum() == (role == TEST).sum()
    assert rated_rows(data, TEST).size > 50
    for row in rated_rows(data, TEST):
        known = np.arange(data.first_row[data.user[row]], data.context[row] + 1)
        assert (data.role[known] == TRAIN).all()
        assert len(known) == ((role == TRAIN) & (tables.user == data.user[row])).sum()


def test_an_unknown_rater_is_one_clear_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert ratings.main(["--data", str(tmp_path), "--models", "svdd"]) == 1
    assert capsys.readouterr().err.startswith("error: There is no rater 'svdd'; there are global_mean, ")


def test_data_without_ratings_is_one_clear_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    planted.leaking_label(tmp_path)
    assert ratings.main(["--data", str(tmp_path), "--models", "global_mean"]) == 1
    assert capsys.readouterr().err == "error: Nothing is rated there.\n"


def test_the_date_split_of_the_harness_keeps_the_engines_order(tmp_path: Path):
    """Where nothing is held out in between, `known_first` changes nothing."""
    tables = tables_of_tastes(tmp_path)
    role = np.where(np.arange(len(tables)) == tables.first_row[tables.user + 1] - 1, TEST, TRAIN).astype(np.int8)
    plain, known_first = TwoTowerDataset.build(tables, role), splits.known_first(tables, role)
    assert (plain.item == known_first.item).all()
    assert (plain.context == known_first.context).all()
