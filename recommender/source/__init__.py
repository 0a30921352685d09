"""The source class, in which a site declares its data, and how its customers, items and times are read."""

from recommender.source.checks import check_extras, check_source
from recommender.source.compiled_query import CompiledQuery
from recommender.source.customers import (
    check_customer,
    customer_key_of,
    is_customer_key,
    is_learnable,
    learnable_keys,
    with_consent,
)
from recommender.source.declaration import Count, Latest, RecommenderSource, Sum, get_source
from recommender.source.items import (
    check_item_exists,
    is_item_key,
    item_exists,
    key_as_text,
    leads_to_many,
    read_content,
    read_item,
    read_several,
    texts_of,
    values_of_many,
    vector_of,
)
from recommender.source.times import (
    MAX_CLOCK_AHEAD,
    credible_time,
    credible_time_lookups,
    field_at,
    time_as_stored,
    unreadable_time,
    validate_time,
)
from recommender.source.values import plain_value, unix_seconds
