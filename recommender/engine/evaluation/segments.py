"""Who is measured: how many people a difference takes, and the segments of users in a report, by purchases known."""

from __future__ import annotations

from math import inf

BY_PURCHASES = (("1-5 purchases", 1, 5), ("6-20 purchases", 6, 20), ("over 20 purchases", 21, inf))
KNOWN_SEGMENTS = tuple(name for name, _, _ in BY_PURCHASES)
MIN_PEOPLE = 20  # the standard error of fewer is itself a matter of chance; of one it is 0, and any difference is sure
