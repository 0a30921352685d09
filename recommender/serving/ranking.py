"""The order of a list: the best first, unless the request asks for rotation or diversity.

Rotation: who comes back tomorrow does not see the same ten, for items of nearly the same score change places from day
to day. Nothing is stored: each item draws a number from the day, the visitor and its own key, so that all pages of one
visit agree, and tomorrow's do not.
"""

from __future__ import annotations

import hashlib
from datetime import date

import numpy as np
from django.utils import timezone

from recommender.engine.bundle import retrieval
from recommender.serving.context import ListContext
from recommender.serving.kinds.kind import Candidates

POOL = 5  # candidates for each listed item, where their order is not that of the scores alone
FULLEST = 0.5  # the draws of a full rotation, in deviations of the candidates' scores: the best stay the likeliest


def reach(context: ListContext) -> int:
    """How many candidates are looked at, to list as many as were asked for."""
    request = context.request
    return request.count * (POOL if request.diversity or request.rotation else 1)


def rank(candidates: Candidates, context: ListContext) -> tuple[np.ndarray, np.ndarray]:
    """The wanted number of the candidates, rows int64 and scores float64, turned as far and so unlike each other as was
    asked for."""
    request, catalog = context.request, context.catalog
    rows, scores = candidates.rows, candidates.scores
    if request.rotation and len(rows):
        visitor = context.customer.key if context.customer else ""
        order = rotated(scores, catalog.digests[rows], request.rotation, visitor, timezone.localdate())
        rows, scores = rows[order], scores[order]
    if catalog.placed is None or not request.diversity or len(rows) == 0:
        return rows[: request.count], scores[: request.count]
    order = retrieval.diversify(catalog.placed.taste(rows), scores, request.count, request.diversity)
    return rows[order], scores[order]


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
