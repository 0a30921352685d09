"""The segments of users in a report, by how many purchases are known of them."""

from __future__ import annotations

from math import inf

BY_PURCHASES = (("1-5 purchases", 1, 5), ("6-20 purchases", 6, 20), ("over 20 purchases", 21, inf))
KNOWN_SEGMENTS = tuple(name for name, _, _ in BY_PURCHASES)
