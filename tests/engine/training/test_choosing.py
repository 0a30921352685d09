"""The one rule by which validation chooses."""

import numpy as np
import pytest

from recommender.engine.training.choosing import choose, is_better

NOISE = np.tile([-1.0, 1.0], 50)  # of 100 cases, a standard error of 0.1


def test_another_candidate_is_chosen_where_it_is_better_by_a_standard_error():
    quality = {"first": np.zeros(100), "within chance": 0.09 + NOISE, "better": 0.11 + NOISE, "best": 0.12 + NOISE}
    assert choose(["first", "within chance"], quality.__getitem__) == "first"
    assert choose(["first", "better", "within chance"], quality.__getitem__) == "better"
    assert choose(["first", "better", "best"], quality.__getitem__) == "best"


def test_a_candidate_that_is_higher_by_chance_does_not_hide_one_that_is_better():
    quality = {"first": np.zeros(100), "by chance": 0.3 + 10 * NOISE, "better": 0.2 + NOISE}
    assert choose(["first", "by chance", "better"], quality.__getitem__) == "better"


def test_more_errors_ask_for_more():
    quality = {"first": np.zeros(100), "other": 0.22 + NOISE}
    assert choose(["first", "other"], quality.__getitem__, errors=2.0) == "other"
    assert choose(["first", "other"], quality.__getitem__, errors=2.5) == "first"


def test_of_equals_the_first_is_chosen():
    quality = {"first": np.ones(20), "equal": np.ones(20), "also": np.ones(20)}
    assert choose(["first", "equal"], quality.__getitem__) == "first"
    quality["first"] = np.zeros(20)
    assert choose(["first", "equal", "also"], quality.__getitem__) == "equal"


def test_the_difference_is_taken_case_by_case():
    """Cases differ by far more than candidates do: the same small gain in each is no chance."""
    hard_and_easy = 100 * NOISE
    assert choose([0.0, 0.01], lambda gain: hard_and_easy + gain) == 0.01


def test_a_single_candidate_is_not_measured():
    assert choose(["only"], lambda _: pytest.fail("It was measured.")) == "only"


@pytest.mark.parametrize(("people", "enough"), [(0, False), (1, False), (19, False), (20, True)])
def test_a_gain_of_few_people_proves_nothing(people, enough):
    assert is_better(np.ones(people)) is enough
