"""The measure of drift on spreads whose right answer is known."""

import json

import numpy as np
import pytest

from recommender.engine.data.distribution import Distribution, Spread, spread_of_profiles, stability
from recommender.engine.data.encoders import Encoders, Vocabulary
from recommender.engine.data.numbers import Standardizer
from recommender.engine.data.schema import Schema
from recommender.engine.errors import BundleError


def spread(unknown=0, missing=0, **values):
    return Spread(values, 0, unknown, missing)


def test_the_same_spread_is_stable_however_many_are_counted():
    assert stability(spread(a=300, b=700), spread(a=30, b=70))[0] == pytest.approx(0, abs=1e-4)


def test_a_known_shift_has_the_known_index():
    """(q - p) ln(q / p) over .3 and .7 becoming .5 and .5."""
    psi, chance = stability(spread(a=30_000, b=70_000), spread(a=50_000, b=50_000))
    assert psi == pytest.approx(0.2 * np.log(0.5 / 0.3) + 0.2 * np.log(0.7 / 0.5), rel=1e-3)
    assert chance < 1e-6


def test_what_chance_makes_of_few_is_not_called_a_shift():
    """Samples of one spread: about one in twenty has a chance below .05, though their PSI looks large."""
    rng = np.random.default_rng(0)
    before = Spread({str(n): 1_000 for n in range(10)}, 0, 0, 0)
    found = []
    for _ in range(300):
        drawn = np.bincount(rng.integers(0, 10, 80), minlength=10)
        found.append(stability(before, Spread({str(n): int(c) for n, c in enumerate(drawn)}, 0, 0, 0)))
    assert max(psi for psi, _ in found) > 0.25
    assert 0.01 < np.mean([chance < 0.05 for _, chance in found]) < 0.1


def test_values_that_appear_and_vanish_count():
    psi, chance = stability(spread(a=500, b=500), spread(a=500, unknown=500))
    assert psi > 1
    assert chance < 1e-6


def test_nothing_to_compare_is_no_shift():
    assert stability(spread(), spread()) == (0.0, 1.0)
    assert stability(spread(a=5), spread(a=9)) == (0.0, 1.0)


def test_profiles_are_counted_by_what_the_model_makes_of_them():
    encoders = Encoders(
        schema=Schema(user_categorical=("country",), user_numerical=("age",)),
        user={"country": Vocabulary(("UK", "France"))},
        number={"age": Standardizer.fit(np.array([20.0, 30, 40, 50]), bins=2)},
        item={},
    )
    people = [{"country": "UK", "age": 20}, {"country": "Mars", "age": 99}, {"age": 60}, {"country": "UK"}]
    found = spread_of_profiles(encoders, encoders.profile_columns(people))
    assert found["country"] == Spread({"UK": 2}, other=0, unknown=1, missing=1)
    assert found["country"].unknown_share == pytest.approx(1 / 3)
    assert found["age"] == Spread({"to 35": 1, "35 to": 2}, other=0, unknown=0, missing=1)


def test_what_is_written_is_read_again_and_what_is_missing_says_so(tmp_path):
    made = Distribution({"country": spread(UK=3, missing=1)}, {"category": spread(Books=5, unknown=2)})
    made.write(tmp_path)
    assert Distribution.read(tmp_path) == made
    with pytest.raises(BundleError, match="train again"):
        Distribution.read(tmp_path / "older")
    (tmp_path / "distribution.json").write_text(json.dumps({"profiles": {}}))
    with pytest.raises(BundleError, match="cannot be read"):
        Distribution.read(tmp_path)
