"""Statistics that may be looked at any time: for experiments that are watched while they run, and stopped when it is
clear. An ordinary interval of 95 % that is looked at every day is wrong far more often than one time in twenty.

Confidence sequences: intervals that, with the promised probability, all hold the truth, however often one looks and
whenever one stops. Numbers and numpy only.

- Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, Time-uniform central limit theory and asymptotic confidence sequences,
  Annals of Statistics 52 (6), 2024: theorem 2.2 (the boundary), and appendix B.2 (where it is narrowest).
- Lindon & Malek, Anytime-valid inference for multinomial count data, NeurIPS 2022: shares that are not what was asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LEAST = 100  # people in each arm before anything is said: the boundary is right in the limit, not for a handful
LEAST_EVENTS = 50  # of them with anything but 0: a mean of few large sums is not near normal yet
PRIOR_PEOPLE = 100.0  # how sure the alternative of `mismatch` is of shares near those asked for


@dataclass(frozen=True)
class Moments:
    """What is kept of some people's numbers y. n : people.   total, squares : sums of y and y^2.   events : y not 0."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    events: int = 0

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        """Of one person's number; that of a sample."""
        if self.n < 2:
            return 0.0
        return max(self.squares - self.n * self.mean**2, 0.0) / (self.n - 1)

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.n + other.n, self.total + other.total, self.squares + other.squares, self.events + other.events
        )


@dataclass(frozen=True)
class Difference:
    """How much more an arm has than another, on average. low, high : None until enough people are known of."""

    value: float
    low: float | None
    high: float | None

    @property
    def is_clear(self) -> bool:
        """Whether 0 is outside: one of the arms is better."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def difference(before: Moments, after: Moments, *, alpha: float, narrowest_at: float) -> Difference:
    """Mean of `after` less mean of `before`, with an interval that holds the truth at all looks, but for a share alpha
    of experiments.

    narrowest_at : the number of people, both arms together, at which the interval is to be as narrow as can be. It
    must be settled before the first look. The interval is right at any number; elsewhere it is somewhat wider.
    """
    value = after.mean - before.mean
    if min(before.n, after.n) < LEAST or min(before.events, after.events) < LEAST_EVENTS:
        return Difference(value, None, None)
    error = math.sqrt(before.variance / before.n + after.variance / after.n)
    margin = error * boundary(before.n + after.n, alpha=alpha, narrowest_at=narrowest_at)
    return Difference(value, value - margin, value + margin)


def boundary(people: float, *, alpha: float, narrowest_at: float) -> float:
    """How many standard errors to either side the interval reaches at so many people. An ordinary one has 1.96."""
    scaled = people * rho_squared(alpha, narrowest_at)
    return math.sqrt((scaled + 1) / scaled * (math.log(scaled + 1) - 2 * math.log(alpha)))


def rho_squared(alpha: float, narrowest_at: float) -> float:
    """The parameter of the boundary that makes it least at so many people."""
    return (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / narrowest_at


def mismatch(counts: tuple[int, int], share: float) -> float:
    """How likely so uneven counts of two arms are by chance, at any look: a p-value that is always valid.

    share : of the people that the first arm was to have, between 0 and 1. The reciprocal of a Bayes factor of shares
    drawn from a beta distribution around the one asked for against that share itself; by Ville's inequality a p-value.
    """
    first, second = PRIOR_PEOPLE * share, PRIOR_PEOPLE * (1 - share)
    n, m = counts
    log_factor = _log_beta(first + n, second + m) - _log_beta(first, second)
    log_factor -= n * math.log(share) + m * math.log(1 - share)
    return min(1.0, math.exp(-log_factor)) if log_factor > -700 else 1.0


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def moments(values: np.ndarray) -> Moments:
    """Of numbers, one a person."""
    return Moments(len(values), float(values.sum()), float(values @ values), int(np.count_nonzero(values)))
