"""Lists and ratings: request, context of the customer, candidates, rules, ranking, answer."""

from recommender.serving.answer import (
    FALLBACK_REASONS,
    MAX_COUNT,
    UNRATED_REASONS,
    Explanation,
    ListRequest,
    RecommendationList,
    Source,
)
from recommender.serving.availability import withdrawn
from recommender.serving.catalog import Tally, catalog_state, changed_slice, learned_from, read_catalog
from recommender.serving.customers import find_customers
from recommender.serving.live import COMPARE_FOR, keep_watch, live_model, serving_problem
from recommender.serving.recommendations import (
    also_viewed,
    because_you_bought,
    bought_together,
    cart,
    co_purchased,
    co_viewed,
    popular,
    predict_rating,
    recently_viewed,
    recommend,
    recommend_many,
    similar,
    trending,
    why,
)
from recommender.serving.request import CART
from recommender.serving.wording import items_by_key, sentence

__all__ = [
    "CART",
    "COMPARE_FOR",
    "FALLBACK_REASONS",
    "MAX_COUNT",
    "UNRATED_REASONS",
    "Explanation",
    "ListRequest",
    "RecommendationList",
    "Source",
    "Tally",
    "also_viewed",
    "because_you_bought",
    "bought_together",
    "cart",
    "catalog_state",
    "changed_slice",
    "co_purchased",
    "co_viewed",
    "find_customers",
    "items_by_key",
    "keep_watch",
    "learned_from",
    "live_model",
    "popular",
    "predict_rating",
    "read_catalog",
    "recently_viewed",
    "recommend",
    "recommend_many",
    "sentence",
    "serving_problem",
    "similar",
    "trending",
    "why",
    "withdrawn",
]
