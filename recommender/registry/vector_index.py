"""The search through items: in this process, or by the Milvus server that RECOMMENDER_RETRIEVAL_ADDRESS names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from recommender import extras
from recommender.engine.bundle.inference import Inference
from recommender.engine.bundle.retrieval import Index
from recommender.engine.data.inputs import ItemVectors
from recommender.engine.errors import RetrievalError

if TYPE_CHECKING:
    from recommender.engine.bundle.milvus import MilvusIndex, MilvusVectors


def send_vectors(bundle: Path) -> str:
    """Write a new model's items to the server before a process serves them; back comes the outcome as a sentence."""
    if not _address():
        return "Every process searches the items itself."
    try:
        collection_for(Inference.open(bundle))
    except RetrievalError as error:
        return f"{error} The items are sent when this version is served."
    return "The retrieval server has the items."


def collection_for(inference: Inference) -> MilvusVectors | None:
    """The item vectors of a model on the server, which are written now if need be; None where the site names no server.

    RetrievalError when the server does not answer.
    """
    address = _address()
    if not address:
        return None
    try:
        from recommender.engine.bundle.milvus import MilvusVectors
    except ModuleNotFoundError:
        raise RetrievalError(extras.sentence("milvus")) from None
    checksum = inference.manifest["files"]["model/item_rank.npy"]["sha256"]
    return MilvusVectors.open(address, checksum, inference.items.rank)


def open_index(collection: MilvusVectors | None, vectors: ItemVectors) -> Index | MilvusIndex:
    """The search through a catalog: the items of the model, then those created since."""
    if collection is None:
        return Index(vectors.rank)
    from recommender.engine.bundle.milvus import MilvusIndex

    return MilvusIndex(collection, vectors.rank)


def _address() -> str:
    return getattr(settings, "RECOMMENDER_RETRIEVAL_ADDRESS", "")
