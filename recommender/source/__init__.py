"""The source class, in which a site declares its data, and how its customers, items and times are read."""

from recommender.source.checks import check_source
from recommender.source.compiled_query import CompiledQuery
from recommender.source.customers import (
    caller_name,
    check_customer,
    customer_key_of,
    customer_of_request,
    is_customer_key,
    is_learnable,
    key_of_customer,
    learnable_keys,
    settled_scope,
    with_consent,
)
from recommender.source.data_checks import check_data
from recommender.source.declaration import Count, Latest, RecommenderSource, Sum, get_source
from recommender.source.interactions import (
    CUSTOMER,
    CUSTOMER_KEY,
    ITEM,
    ITEM_KEY,
    count_purchases,
    interactions_of,
    key_as_text,
    with_keys,
)
from recommender.source.items import (
    available,
    check_item_exists,
    is_item_key,
    item_exists,
    items_of_scope,
    key_of_item,
    listed_key,
    read_content,
    read_described,
    read_item,
    read_several,
    read_variants,
    texts_of,
    values_of_many,
    vector_of,
)
from recommender.source.keys import stored_value
from recommender.source.lengths import MAX_KEY_CHARACTERS, check_length, is_storable
from recommender.source.names import leads_to_many, plain_field, target_of
from recommender.source.newness import Mark, have_order, mark_of, newer_than
from recommender.source.scopes import scope_of_request, scope_text, within
from recommender.source.site_checks import check_extras, check_site
from recommender.source.times import (
    MAX_CLOCK_AHEAD,
    credible_time,
    credible_time_lookups,
    time_as_stored,
    time_field,
    unreadable_time,
    validate_time,
)
from recommender.source.values import plain_value, unix_seconds
