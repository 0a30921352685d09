"""The benchmark of warm starts, on planted tastes: what it prints is what was measured, cold beside warm."""

import json

import pytest

from benchmarks import warm_start
from tests import planted


def test_a_warm_start_stands_beside_a_cold_one_and_the_live_model(tmp_path, capsys):
    planted.tastes(tmp_path / "data")
    assert warm_start.main(["--data", str(tmp_path / "data"), "--seeds", "1", "--json"]) == 0
    live, cold, warm = json.loads(capsys.readouterr().out)
    assert [row["start"] for row in (live, cold, warm)] == ["live", "cold", "warm"]
    assert (cold["test_less_cold"], cold["processor_seconds_by_cold"]) == (0, 1)
    assert warm["test_less_cold"] == pytest.approx(warm["test_ndcg_10"] - cold["test_ndcg_10"])
    assert warm["epochs"] < cold["epochs"]
    assert warm["test_ndcg_10"] > 0.4  # at random .13: 10 of 51 items, one of them bought


def test_data_that_is_not_there_is_one_sentence(tmp_path, capsys):
    assert warm_start.main(["--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path} holds none of")
