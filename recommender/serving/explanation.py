"""Why an item is in a list: the evidence whose loss would lower its score most."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from recommender.engine.bundle import explain
from recommender.engine.bundle.explain import EncodedCustomer
from recommender.errors import RecommendationError
from recommender.serving.answer import Explanation, ListedItem, Reason
from recommender.serving.context import ListContext, read_contexts, with_encoded
from recommender.serving.kinds.kind import new_item, row_of
from recommender.serving.ratings import why_unrated
from recommender.serving.request import ListRequest


def why(item: str, **request: Any) -> Explanation:
    """What of all that is known of somebody lifts an item in their list; who, as for `recommend`. Nothing is recorded.

    Each piece of evidence is taken away and the item scored again, so the reasons are the model's own.
    """
    context = read_contexts([ListRequest(**request)], personal=False)[0]
    if isinstance(context, RecommendationError):
        raise context
    catalog = context.catalog
    if new_item(item, catalog) is not None:
        return Explanation((), "new_item")
    row = row_of(item, catalog)
    encoded = with_encoded([context])[0].encoded
    if catalog.placed is None or encoded is None:
        return Explanation((), context.fallback or "model_failed")
    if not encoded.evidence:
        return Explanation((), None)
    drops = encoded.drops(catalog.placed.vectors[row : row + 1])[:, 0]
    lifting = [n for n in np.argsort(-drops, kind="stable").tolist() if drops[n] > explain.LEAST_DROP]
    reasons = _reasons([encoded.evidence[n] for n in lifting], context)
    shares = (drops[lifting] / drops[lifting].sum()).tolist() if lifting else []
    return Explanation(tuple(zip(reasons, shares, strict=True)), None)


def explained(context: ListContext, person: EncodedCustomer, rows: np.ndarray, scores: np.ndarray) -> list[ListedItem]:
    """The rows as recommendations, with the rating this person would give and the evidence that lifted each."""
    catalog = context.catalog
    assert catalog.placed is not None
    listed = catalog.placed.vectors[rows]
    ratings: list[float | None] = catalog.placed.model.inference.ratings(person.user, listed)[0].tolist()
    if why_unrated(catalog) is not None:
        ratings = [None] * len(rows)
    return [
        ListedItem(catalog.keys[row], score, rating, _reasons(evidence, context))
        for row, score, rating, evidence in zip(rows, scores.tolist(), ratings, person.reasons(listed), strict=True)
    ]


def _reasons(evidence: Iterable[explain.Evidence], context: ListContext) -> tuple[Reason, ...]:
    """The engine's reasons in the visitor's words: what was only looked at was not bought."""
    bought = context.customer.bought if context.customer else frozenset()
    kind = "because_in_your_cart" if context.in_cart else "because_you_viewed"
    reasons = []
    for reason in evidence:
        if reason.item is not None and reason.item not in bought and reason.item in context.looked_at:
            reasons.append(Reason(kind, item=reason.item))
        else:
            reasons.append(Reason(reason.kind, item=reason.item, field=reason.field))
    return tuple(reasons)
