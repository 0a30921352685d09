"""The same ten for a day, not for ever; and the best are still the likeliest."""

from datetime import date, timedelta

import numpy as np
import pytest

from recommender.serving.catalog import digest
from recommender.serving.ranking import rotated

TODAY = date(2026, 11, 25)
DIGESTS = np.array([digest(f"P{n}") for n in range(50)], dtype=np.uint64)
SCORES = np.linspace(3.0, 1.0, 50)


def order(day: date = TODAY, visitor: str = "C0", rotation: float = 1.0, part: slice = slice(None)) -> list[int]:
    return rotated(SCORES[part], DIGESTS[part], rotation, visitor, day).tolist()


def test_a_day_and_a_visitor_have_one_order_and_others_have_theirs():
    assert order() == order()
    assert sorted(order()) == list(range(50))
    assert len({tuple(order(TODAY + timedelta(days=n))[:10]) for n in range(30)}) == 30
    assert len({tuple(order(visitor=f"C{n}")[:10]) for n in range(30)}) == 30


def test_who_comes_every_day_sees_more_items_and_the_best_ones_most_often():
    shown = np.zeros(50)
    for n in range(200):
        shown[order(TODAY + timedelta(days=n))[:10]] += 1
    assert (shown > 0).sum() > 20  # without rotation it would be ten
    assert shown[:10].sum() > 2 * shown[10:20].sum() > 4 * shown[40:].sum()
    assert shown[0] > 100


@pytest.mark.parametrize(("rotation", "least", "most"), [(0.05, 6.5, 10), (1.0, 2, 8.5)])
def test_a_little_rotation_moves_little(rotation, least, most):
    kept = [len(set(order(TODAY + timedelta(days=n), rotation=rotation)[:10]) & set(range(10))) for n in range(50)]
    assert least < np.mean(kept) <= most


def test_equal_scores_are_left_as_they_are():
    assert rotated(np.ones(5), DIGESTS[:5], 1.0, "C0", TODAY).tolist() == [0, 1, 2, 3, 4]
