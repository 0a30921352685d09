"""How people come back to what they bought, on shops where it is planted."""

import numpy as np

from recommender.engine.bundle.repeats import BoughtBefore
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import split
from recommender.engine.data.tables import read_snapshot
from recommender.engine.model import repeats as repeats_module
from recommender.engine.model.repeats import _logistic, fit_repeats
from tests import planted


def data_of(folder) -> TwoTowerDataset:
    tables = read_snapshot(folder)
    return TwoTowerDataset.build(tables, split(tables, "last-out"))


def test_staples_are_told_from_what_is_bought_once(tmp_path):
    data = data_of(planted.staples(tmp_path / "staples"))
    repeats = fit_repeats(data)
    item = data.tables.item_keys.tolist().index
    bought_once = np.array([item("s1"), item("o1")]), np.array([1.7e9, 1.7e9])

    staple, novelty = repeats.likelihood(BoughtBefore.of(bought_once))[np.argsort([item("s1"), item("o1")]).argsort()]

    assert np.exp(staple) > 0.5
    assert np.exp(novelty) < 0.05
    assert 10 < repeats.interval[item("s1")] / 86_400 < 20


def test_so_many_purchases_are_looked_at_and_no_more(tmp_path, monkeypatch):
    data = data_of(planted.staples(tmp_path / "staples"))
    everything = fit_repeats(data)
    monkeypatch.setattr(repeats_module, "PAIRS", 2_000)

    first, stop = repeats_module._questions(data, 0)
    some = fit_repeats(data)

    assert 1_000 < (first - data.first_row[data.user[first]]).sum() <= 2_000
    assert ((stop - first) >= 3).all(), "whole baskets are asked about"
    np.testing.assert_allclose(some.weights[0], everything.weights[0], atol=1)


def test_nothing_is_learned_where_nothing_is_bought_twice(tmp_path):
    assert fit_repeats(data_of(planted.tastes(tmp_path / "tastes"))) is None


def test_the_regression_finds_the_weights_that_made_the_answers():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(3, 2, 20_000), rng.normal(0, 0.5, 20_000)])
    y = (rng.random(20_000) < 1 / (1 + np.exp(-(x @ [1.0, -2.0] - 3)))).astype(float)

    weights = _logistic(x, y, np.ones(20_000))

    np.testing.assert_allclose(weights, [1.0, -2.0, -3.0], atol=0.15)
