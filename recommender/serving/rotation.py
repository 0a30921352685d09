"""Who comes back tomorrow does not see the same ten: items of nearly the same score change places from day to day.

Nothing is stored. Each item draws a number from the day, the visitor and its own key, so that all pages of one visit
agree, and tomorrow's do not.
"""

from __future__ import annotations

import hashlib
from datetime import date

import numpy as np

FULLEST = 0.5  # the draws of a full rotation, in deviations of the candidates' scores: the best stay the likeliest


def rotated(scores: np.ndarray, digests: np.ndarray, rotation: float, visitor: str, day: date) -> np.ndarray:
    """int64 [n], the candidates in today's order. scores : [n].   digests : uint64 [n], what stands for each item.

    rotation : above 0, where the order is that of the scores, to 1. Drawing the best of scores with Gumbel noise is
    drawing without replacement, each with a chance that grows with its score (Kool, van Hoof & Welling 2019).
    """
    seed = hashlib.blake2b(f"{day.isoformat()} {visitor}".encode(), digest_size=8).digest()
    mixed: np.ndarray = digests ^ np.frombuffer(seed, np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # SplitMix64: every bit moves all others
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    share = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53  # above 0, below 1
    noise = -np.log(-np.log(share))
    return np.argsort(-(scores + rotation * FULLEST * scores.std() * noise), kind="stable")
