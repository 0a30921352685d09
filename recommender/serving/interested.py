"""Who wants an item: customers who have not bought it, for a mailing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from recommender.engine.bundle.retrieval import Index
from recommender.engine.errors import EngineError
from recommender.models import TWO_TOWER
from recommender.serving import live
from recommender.serving.catalog import PlacedModel
from recommender.serving.customers import find_customers
from recommender.serving.kinds.kind import row_of
from recommender.serving.kinds.together import latest_people
from recommender.serving.tally import learned_from
from recommender.source import CUSTOMER_KEY, get_source, settled_scope, with_keys

log = structlog.get_logger("recommender.serving")

MOST_CUSTOMERS = 2_000  # asked about, those who bought last: more take longer than a request may
AT_ONCE = 250  # whose histories are in memory


@dataclass(frozen=True)
class InterestedCustomer:
    """score : the logarithm of the share that the item has in all that the customer wants: it compares over customers.
    rating : predicted, 0 to 5; None where the model learned from no rating."""

    customer: str
    score: float
    rating: float | None

    def to_dict(self) -> dict[str, Any]:
        rating = None if self.rating is None else round(self.rating, 2)
        return {"customer": self.customer, "score": round(self.score, 6), "rating": rating, "reasons": []}


@dataclass(frozen=True)
class InterestedCustomers:
    """The customers who want an item most, in the shape of a list. fallback_reason : why there are none."""

    model_version: str | None
    fallback_reason: str | None
    customers: tuple[InterestedCustomer, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "recommendation_id": None,
            "model_version": self.model_version,
            "source": TWO_TOWER,
            "fallback_reason": self.fallback_reason,
            "next_page_token": None,
            "items": [customer.to_dict() for customer in self.customers],
        }


def interested_customers(item: str, count: int, scope: Any = None) -> InterestedCustomers:
    """Those of the customers who bought last who want an item most, the keenest first.

    Left out is who opted out of personalisation, bought the item or dismissed it. RecommendationError for the key of no
    item. scope : of the item and the customers, where the source has scopes.
    """
    catalog = live.live_catalog().of_scope(settled_scope(scope))
    row, placed = row_of(item, catalog), catalog.placed
    if placed is None:
        return InterestedCustomers(None, "no_model", ())
    try:
        found = _score_customers(catalog.keys[row], row, placed, catalog.scope)
    except EngineError as error:
        log.error("model_failed", error=str(error))
        return InterestedCustomers(None, "model_failed", ())
    found.sort(key=lambda one: (-one.score, one.customer))
    return InterestedCustomers(placed.model.version, None, tuple(found[:count]))


def _score_customers(item: str, row: int, placed: PlacedModel, scope: str | None) -> list[InterestedCustomer]:
    """Those who may be asked, in no order.   row : of the item.   scope : of the customers."""
    source = get_source()
    latest = with_keys(source, learned_from(source, scope), CUSTOMER_KEY).order_by(f"-{source.interaction_time}")
    keys = sorted(str(key) for (key,) in latest_people(latest, [CUSTOMER_KEY], MOST_CUSTOMERS) if key is not None)
    inference, found = placed.model.inference, []
    wanted, index = placed.vectors[np.array([row])], Index(placed.vectors.rank)
    for start in range(0, len(keys), AT_ONCE):
        read = find_customers(keys[start : start + AT_ONCE], inference.max_history).values()
        some = [c for c in read if c.learnable and c.is_of(scope) and item not in c.bought and item not in c.dismissed]
        if not some:
            continue
        users = placed.encode([c.person for c in some])
        scores = users.rank @ wanted.rank[0] - index.log_totals(users.rank)
        ratings = inference.ratings(users, wanted)[:, 0]
        found += [
            InterestedCustomer(c.key, score, rating if rating == rating else None)  # nan: nothing was rated
            for c, score, rating in zip(some, scores.tolist(), ratings.tolist(), strict=True)
        ]
    return found
