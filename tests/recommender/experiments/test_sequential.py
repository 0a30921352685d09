"""Intervals that may be looked at any time: false alarms stay at what was promised, and real effects are found."""

import math

import numpy as np
import pytest

from recommender.experiments.sequential import MIN_EVENTS, MIN_PEOPLE, Moments, boundary, difference, mismatch

PEOPLE, LOOKS, TRIALS = 20_000, 200, 400


def arms(rng, trials=TRIALS, effect=0.0, share=0.5):
    """Revenue of people as it is in shops: nine in ten buy nothing, the others sums with a long tail."""
    second = rng.random((trials, PEOPLE)) < share
    buys = rng.random((trials, PEOPLE)) < np.where(second, 0.1 * (1 + effect), 0.1)
    return np.where(buys, rng.lognormal(3.0, 1.0, (trials, PEOPLE)), 0.0), second


def moments(values):
    return Moments(len(values), float(values.sum()), float(values @ values), int(np.count_nonzero(values)))


def looks(revenue, second, z):
    """bool [trials, looks]: whether 0 is outside the interval at each of many looks. z : standard errors by people."""
    at = np.unique(np.geomspace(2 * MIN_PEOPLE, PEOPLE, LOOKS).astype(int)) - 1

    def sums(values):
        return np.cumsum(values, axis=1)[:, at]

    n1, s1, q1 = sums(second), sums(revenue * second), sums(revenue**2 * second)
    n0, s0, q0 = at + 1 - n1, sums(revenue * ~second), sums(revenue**2 * ~second)
    variance = [(q - s**2 / n) / (n - 1) for n, s, q in ((n0, s0, q0), (n1, s1, q1))]
    error = np.sqrt(variance[0] / n0 + variance[1] / n1)
    events = np.minimum(sums((revenue > 0) & second), sums((revenue > 0) & ~second))
    known = (np.minimum(n0, n1) >= MIN_PEOPLE) & (events >= MIN_EVENTS)
    return known & (np.abs(s1 / n1 - s0 / n0) > error * np.array([z(n + 1) for n in at]))


@pytest.mark.parametrize("share", [0.5, 0.2])
@pytest.mark.parametrize("narrowest_at", [1_000, 10_000])
def test_looking_all_the_time_finds_no_more_false_differences_than_promised(share, narrowest_at):
    """Of two arms that are the same: 5 % of experiments at most, where an ordinary interval fails in a third."""
    revenue, second = arms(np.random.default_rng(1), share=share)
    alarms = looks(revenue, second, lambda n: boundary(n, alpha=0.05, narrowest_at=narrowest_at)).any(axis=1).mean()
    ordinary = looks(revenue, second, lambda n: 1.96).any(axis=1).mean()
    assert alarms <= 0.05
    assert ordinary > 0.2


def test_a_planted_effect_is_found_long_before_the_end():
    """A third more buyers, among 20,000 people of whom one in ten buys: found in nine of ten experiments, and in half
    of them by a third of these people."""
    revenue, second = arms(np.random.default_rng(2), effect=1 / 3)
    found = looks(revenue, second, lambda n: boundary(n, alpha=0.05, narrowest_at=10_000))
    people = np.unique(np.geomspace(2 * MIN_PEOPLE, PEOPLE, LOOKS).astype(int))
    assert found.any(axis=1).mean() > 0.9
    assert found[:, people <= PEOPLE / 3].any(axis=1).mean() > 0.35


def test_the_module_says_what_the_simulation_computes():
    rng = np.random.default_rng(5)
    a, b = rng.lognormal(1, 1, 500), rng.lognormal(1, 1, 300) + 3
    found = difference(moments(a), moments(b), alpha=0.05, narrowest_at=1_000)
    error = math.sqrt(a.var(ddof=1) / 500 + b.var(ddof=1) / 300)
    margin = error * boundary(800, alpha=0.05, narrowest_at=1_000)
    assert found.value == pytest.approx(b.mean() - a.mean())
    assert (found.low, found.high) == pytest.approx((found.value - margin, found.value + margin))
    assert found.is_clear


def test_the_boundary_is_that_of_the_paper_and_least_where_it_is_asked_to_be():
    """Theorem 2.2 of Waudby-Smith et al., written as it stands there, for one choice of rho."""
    alpha, t, at = 0.05, 300, 1_000
    rho = math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / at)
    theirs = math.sqrt(2 * (t * rho**2 + 1) / (t**2 * rho**2) * math.log(math.sqrt(t * rho**2 + 1) / alpha))
    assert boundary(t, alpha=alpha, narrowest_at=at) / math.sqrt(t) == pytest.approx(theirs)
    here = boundary(at, alpha=alpha, narrowest_at=at)
    for other in (10, 100, 500, 2_000, 10_000):
        assert here < boundary(at, alpha=alpha, narrowest_at=other)
    assert 2.5 < here < 3.5  # the price of looking any time, beside 1.96


def test_of_few_people_or_few_buyers_nothing_is_said():
    many, few = moments(np.ones(500)), moments(np.ones(MIN_PEOPLE - 1))
    assert difference(many, few, alpha=0.05, narrowest_at=1_000).low is None
    idle = moments(np.r_[np.ones(5), np.zeros(495)])
    assert difference(many, idle, alpha=0.05, narrowest_at=1_000).low is None
    assert not difference(many, idle, alpha=0.05, narrowest_at=1_000).is_clear


def test_moments_add_up():
    values = np.random.default_rng(0).normal(5, 2, 100)
    both = moments(values[:40]) + moments(values[40:])
    assert both.mean == pytest.approx(values.mean())
    assert both.variance == pytest.approx(values.var(ddof=1))
    assert Moments().mean == Moments(1, 3.0, 9.0, 1).variance == 0.0


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_shares_as_asked_for_raise_no_alarm_however_often_one_looks(share):
    rng = np.random.default_rng(4)
    first = np.cumsum(rng.random((300, 5_000)) < share, axis=1)
    alarms = 0
    for row in first:
        alarms += any(mismatch((int(row[n]), n + 1 - int(row[n])), share) < 0.05 for n in range(0, 5_000, 50))
    assert alarms <= 0.05 * 300


def test_shares_that_are_not_as_asked_for_are_noticed():
    assert mismatch((5_300, 4_700), 0.5) < 0.001
    assert mismatch((5_030, 4_970), 0.5) > 0.5
    assert mismatch((0, 0), 0.5) == 1.0
    assert mismatch((500_000, 400_000), 0.5) == pytest.approx(0.0, abs=1e-9)
