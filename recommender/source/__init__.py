"""What the recommender reads of a site: the declarative class, and how its customers, items and moments are read."""

from recommender.source.checks import check_extras, check_source
from recommender.source.compiled_query import CompiledQuery
from recommender.source.customers import (
    customer_key_of,
    is_customer_key,
    learnable_keys,
    may_be_learned_from,
    with_consent,
)
from recommender.source.declaration import Count, Latest, RecommenderSource, Sum, get_source
from recommender.source.items import check_item_exists, is_item_key, item_exists, read_item
from recommender.source.times import AHEAD, as_stored, credible, credible_moments, field_at, unreadable, validate_time
from recommender.source.values import plain_value, unix_seconds

__all__ = [
    "AHEAD",
    "CompiledQuery",
    "Count",
    "Latest",
    "RecommenderSource",
    "Sum",
    "as_stored",
    "check_extras",
    "check_item_exists",
    "check_source",
    "credible",
    "credible_moments",
    "customer_key_of",
    "field_at",
    "get_source",
    "is_customer_key",
    "is_item_key",
    "item_exists",
    "learnable_keys",
    "may_be_learned_from",
    "plain_value",
    "read_item",
    "unix_seconds",
    "unreadable",
    "validate_time",
    "with_consent",
]
