"""Predicted ratings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from recommender.engine.bundle.inference import Person
from recommender.engine.errors import EngineError
from recommender.errors import RecommendationError
from recommender.serving import live
from recommender.serving.answer import RatingPrediction
from recommender.serving.catalog import LiveCatalog
from recommender.serving.customers import check_item, check_profile, find_customers
from recommender.serving.kinds.kind import new_item, row_of
from recommender.serving.request import check_who
from recommender.source import get_source, settled_scope
from recommender.words import Words

log = structlog.get_logger("recommender.serving")


def predict_rating(
    *,
    customer: str | None = None,
    profile: Mapping[str, object] | None = None,
    item: str | None = None,
    item_features: Mapping[str, object] | None = None,
    scope: Any = None,
) -> RatingPrediction:
    """The rating from 0 to 5 that a customer or profile (or anybody) would give an item, known or only described.

    Without a model, and for a customer who opted out, it is what people gave the item on average, drawn to the shop's
    mean where few did. There is none where nobody rated anything, or where the model learned from no rating; the answer
    says so, and that a customer is unknown. RecommendationError for an unknown item, an unknown field or a value of the
    wrong type.
    """
    check_who(customer, profile)
    if (item is None) == (item_features is None):
        raise RecommendationError("item", Words("Give either an item or item_features."))
    catalog = live.live_catalog().of_scope(settled_scope(scope, customer))
    checked = check_profile({} if profile is None else profile)
    features = check_item({} if item_features is None else item_features)
    created = None if item is None else new_item(item, catalog)
    if created is not None:
        item, features = None, created.features(get_source())
    row = None if item is None else row_of(item, catalog)
    known = None
    if customer is not None:
        known = find_customers([customer], live.max_history(catalog)).get(customer)
    if known is not None and not known.is_of(catalog.scope):
        known = None
    unknown = "unknown_customer" if customer is not None and known is None else None
    unrated = why_unrated(catalog)
    if unrated is not None:
        return RatingPrediction(None, None, unknown or unrated)
    mean, placed = catalog.mean_rating(row), catalog.placed
    if known is not None and not known.learnable:
        return RatingPrediction(mean, None, "opted_out")
    if placed is None:
        return RatingPrediction(mean, None, unknown or "no_model")
    person = Person(checked) if known is None else known.person
    inference = placed.model.inference
    try:
        user = placed.encode([person])
        described = inference.encode_items([features]) if row is None else placed.vectors[row : row + 1]
    except EngineError as error:
        log.error("model_failed", error=str(error))
        return RatingPrediction(mean, None, unknown or "model_failed")
    nobody = "anonymous" if customer is None and profile is None else None
    return RatingPrediction(float(inference.ratings(user, described)[0, 0]), placed.model.version, unknown or nobody)


def why_unrated(catalog: LiveCatalog) -> str | None:
    """Why no rating can be predicted, a key of UNRATED_REASONS; None where ratings can be."""
    if not catalog.has_ratings:
        return "nobody_rated"
    if catalog.placed is not None and not catalog.placed.model.inference.has_ratings:
        return "model_without_ratings"
    return None
