"""The layouts that benchmarks read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import datasets
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TEST, VALID, split
from recommender.engine.errors import SnapshotError


def test_of_a_file_of_sequences_the_last_item_is_the_test_and_the_one_before_validation(tmp_path: Path) -> None:
    (tmp_path / "Beauty.txt").write_text("1 10 11 12 13\n2 13 10 11\n", encoding="utf-8")

    tables = datasets.read(str(tmp_path / "Beauty.txt"))
    data = TwoTowerDataset.build(tables, split(tables, "last-out", 1))

    def held_out(role: int) -> list[tuple[str, str]]:
        rows = np.flatnonzero(data.role == role)
        return [(str(tables.user_keys[data.user[r]]), str(tables.item_keys[data.item[r]])) for r in rows]

    assert held_out(TEST) == [("1", "13"), ("2", "11")]
    assert held_out(VALID) == [("1", "12"), ("2", "10")]
    assert not data.baskets


def test_a_file_without_a_purchase_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("1\n", encoding="utf-8")
    with pytest.raises(SnapshotError, match=r"empty\.txt"):
        datasets.read(str(tmp_path / "empty.txt"))
