"""Why an item is in a list: the evidence whose loss would lower its score most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
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

LEAST_SHARING, MOST_OF_LIFT = 3, 0.5  # purchases that share a value, and their part of what purchases lift an item by
LEAST_MORE = 1.5  # times as often as everybody: a value that nearly all items have is no reason
MOST_BOUGHT = 200  # items, whose purchases stand for those of everybody


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
    shares = (drops[lifting] / drops[lifting].sum()).tolist() if lifting else []
    told = [(_reasons([encoded.evidence[n]], context), share) for n, share in zip(lifting, shares, strict=True)]
    return Explanation(tuple((reasons[0], share) for reasons, share in told if reasons), None)


def explained(context: ListContext, person: EncodedCustomer, rows: np.ndarray, scores: np.ndarray) -> list[ListedItem]:
    """The rows as recommendations, with the rating this person would give and the evidence that lifted each."""
    catalog = context.catalog
    assert catalog.placed is not None
    listed = catalog.placed.vectors[rows]
    ratings: list[float | None] = catalog.placed.model.inference.ratings(person.user, listed)[0].tolist()
    if why_unrated(catalog) is not None:
        ratings = [None] * len(rows)
    often = _often_bought(context, person, rows, person.drops(listed)) if person.evidence else [()] * len(rows)
    answers = zip(rows, scores.tolist(), ratings, person.reasons(listed), often, strict=True)
    return [
        ListedItem(catalog.keys[row], score, rating, (*_reasons(evidence, context), *more))
        for row, score, rating, evidence, more in answers
    ]


def _often_bought(
    context: ListContext, person: EncodedCustomer, rows: np.ndarray, drops: np.ndarray
) -> list[tuple[Reason, ...]]:
    """Of each item the value that most of the purchases that lift it share with it, and that this person buys far more
    than all do, if there is one. drops : as `EncodedCustomer.drops`."""
    catalog, owned = context.catalog, context.customer.bought if context.customer else frozenset()
    known = ((n, one.item) for n, one in enumerate(person.evidence) if one.item in owned)
    bought = {n: catalog.row_of[item] for n, item in known if item in catalog.row_of}
    if len(bought) < LEAST_SHARING:
        return [()] * len(rows)
    everybodys = catalog.popular if catalog.in_scope is None else catalog.popular[catalog.in_scope[catalog.popular]]
    everybodys = everybodys[:MOST_BOUGHT]
    values = catalog.values_in_words([*rows.tolist(), *bought.values(), *everybodys.tolist()])
    usual = _shares(values, dict(zip(everybodys.tolist(), (1 + catalog.purchases[everybodys]).tolist(), strict=True)))
    theirs = _shares(values, dict.fromkeys(bought.values(), 1.0))
    more = {value: share / usual.get(value, 1 / MOST_BOUGHT) for value, share in theirs.items()}
    telling = {value for value, times in more.items() if times >= LEAST_MORE}
    reasons: list[tuple[Reason, ...]] = []
    for row, of_item in zip(rows.tolist(), drops.T, strict=True):
        lifts = {values_of: max(float(of_item[n]), 0.0) for n, values_of in bought.items()}
        shared: dict[tuple[str, str], list[float]] = {}
        for bought_row, lift in lifts.items():
            for value in values[row] & values[bought_row] & telling:
                shared.setdefault(value, []).append(lift)
        most = MOST_OF_LIFT * sum(lifts.values())
        enough = [value for value, found in shared.items() if len(found) >= LEAST_SHARING and sum(found) > most]
        best = max(sorted(enough), key=lambda value: more[value], default=None)
        reasons.append((Reason("because_you_often_buy", field=best[0], value=best[1]),) if best else ())
    return reasons


def _shares(values: Mapping[int, set[tuple[str, str]]], rows: Mapping[int, float]) -> dict[tuple[str, str], float]:
    """Of each value the share of these rows, by their weights, that have it."""
    shares: dict[tuple[str, str], float] = defaultdict(float)
    whole = sum(rows.values())
    for row, weight in rows.items():
        for value in values[row]:
            shares[value] += weight / whole
    return dict(shares)


def _reasons(evidence: Iterable[explain.Evidence], context: ListContext) -> tuple[Reason, ...]:
    """The engine's reasons in the visitor's words: what was only looked at was not bought."""
    bought = context.customer.bought if context.customer else frozenset()
    kind = "because_in_your_cart" if context.in_cart else "because_you_viewed"
    reasons = []
    for reason in evidence:
        if reason.item is not None and not context.catalog.admits(reason.item):
            continue  # bought in another scope
        if reason.item is not None and reason.item not in bought and reason.item in context.looked_at:
            reasons.append(Reason(kind, item=reason.item))
        else:
            reasons.append(Reason(reason.kind, item=reason.item, field=reason.field))
    return tuple(reasons)
