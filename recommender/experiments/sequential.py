"""Statistics for experiments that are watched while they run, and stopped when the result is clear. An ordinary 95 %
interval that is looked at every day is wrong far more often than one time in twenty.

Confidence sequences are intervals that all hold the truth together, with the given probability, however often one looks
and whenever one stops.

- Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, Time-uniform central limit theory and asymptotic confidence sequences,
  Annals of Statistics 52 (6), 2024: theorem 2.2 (the boundary), and appendix B.2 (where it is narrowest).
- Lindon & Malek, Anytime-valid inference for multinomial count data, NeurIPS 2022: shares that are not as planned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MIN_PEOPLE = 100  # in each arm: the boundary is right in the limit, not for a handful
MIN_EVENTS = 50  # of them with anything but 0: a mean of few large sums is not near normal yet
PRIOR_PEOPLE = 100.0  # the weight of the planned shares in the alternative of `mismatch`


@dataclass(frozen=True)
class Moments:
    """Sums over some people's numbers y. n : people.   total, squares : sums of y and y^2.   events : y not 0."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    events: int = 0

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        """The sample variance of one person's number."""
        if self.n < 2:
            return 0.0
        return max(self.squares - self.n * self.mean**2, 0.0) / (self.n - 1)

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.n + other.n, self.total + other.total, self.squares + other.squares, self.events + other.events
        )


@dataclass(frozen=True)
class Difference:
    """How much more an arm has than another, on average. low, high : None where there are too few people."""

    value: float
    low: float | None
    high: float | None

    @property
    def is_clear(self) -> bool:
        """Whether 0 is outside: one of the arms is better."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def difference(before: Moments, after: Moments, *, alpha: float, narrowest_at: float) -> Difference:
    """Mean of `after` less mean of `before`, with an interval that holds the truth at all looks, in all but a share
    alpha of experiments.

    narrowest_at : the number of people, both arms together, at which the interval is narrowest; settled before the
    first look. The interval is right at any number, and somewhat wider elsewhere.
    """
    value = after.mean - before.mean
    if min(before.n, after.n) < MIN_PEOPLE or min(before.events, after.events) < MIN_EVENTS:
        return Difference(value, None, None)
    error = math.sqrt(before.variance / before.n + after.variance / after.n)
    margin = error * boundary(before.n + after.n, alpha=alpha, narrowest_at=narrowest_at)
    return Difference(value, value - margin, value + margin)


def boundary(people: float, *, alpha: float, narrowest_at: float) -> float:
    """Half the width of the interval at so many people, in standard errors. An ordinary interval has 1.96."""
    rho_squared = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / narrowest_at
    scaled = people * rho_squared
    return math.sqrt((scaled + 1) / scaled * (math.log(scaled + 1) - 2 * math.log(alpha)))


def mismatch(counts: tuple[int, int], share: float) -> float:
    """The chance of counts of two arms as uneven as these, at any look: a p-value that is always valid.

    share : of the people that the first arm was to have, between 0 and 1. The reciprocal of a Bayes factor of shares
    drawn from a beta distribution around the planned one against that share itself; by Ville's inequality a p-value.
    """
    first, second = PRIOR_PEOPLE * share, PRIOR_PEOPLE * (1 - share)
    n, m = counts
    log_factor = _log_beta(first + n, second + m) - _log_beta(first, second)
    log_factor -= n * math.log(share) + m * math.log(1 - share)
    return min(1.0, math.exp(-log_factor)) if log_factor > -700 else 1.0


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
