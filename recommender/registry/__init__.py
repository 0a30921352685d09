"""Versions of the model: where their bundles are, which one is live, which are removed, where vectors are searched."""

from recommender.registry.promotion import live_version, promote, report_for, roll_back, version_below
from recommender.registry.pruning import prune_bundles
from recommender.registry.storage import bundle_folder, work_folder
from recommender.registry.vector_index import collection_for, open_index, send_vectors

__all__ = [
    "bundle_folder",
    "collection_for",
    "live_version",
    "open_index",
    "promote",
    "prune_bundles",
    "report_for",
    "roll_back",
    "send_vectors",
    "version_below",
    "work_folder",
]
