"""Versions of the model: the live one, their bundles, the removal of old ones, and the search for item vectors."""

from recommender.registry.promotion import (
    ANCHOR_DAYS,
    anchor_version,
    live_version,
    promote,
    report_for,
    roll_back,
    rollback_version,
)
from recommender.registry.pruning import prune_bundles
from recommender.registry.storage import bundle_folder, bundle_root, remove_bundle, work_folder
from recommender.registry.vector_index import collection_for, open_index, send_vectors
