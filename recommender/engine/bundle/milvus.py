"""Nearest items by a Milvus server: the answers of `Index`, for a catalog too large to be multiplied through.

Milvus finds candidates in an HNSW graph (Malkov & Yashunin 2018), and nothing else. Which of them may be listed is
settled by the caller's mask, so that a filter, an exclusion or a product withdrawn a second ago holds as it does in
process; their scores are the exact products. What can be lost is what Milvus does not find.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np
from pymilvus import DataType, MilvusClient, MilvusException

from recommender.engine.data.inputs import Rows
from recommender.engine.errors import RetrievalError

PREFIX = "recommender"
TIMEOUT = 10.0  # seconds for one call
GRAPH = {"M": 32, "efConstruction": 200}
AT_ONCE = 5_000  # vectors in one insert
KEPT = 3  # collections: of the live model, the one before, and one to spare
POOL = 10  # candidates for each item of a list whose scores are lifted by what Milvus does not know
ENOUGH = 2  # candidates for each wanted item, so that the graph is searched wide enough
MOST = 16_384  # candidates that Milvus gives at once
# Where fewer rows may be listed, they are multiplied through: a graph is a poor way to find one in a thousand.
FEW = 20_000
HALF_BUILT_FOR = 86_400  # seconds after which a collection that was never finished is swept away


class MilvusVectors:
    """The item vectors of one model in Milvus, in the field `rank`.

    It is known by the checksum of its vectors, and has that name only when it is whole.
    """

    def __init__(self, client: MilvusClient, name: str, size: int):
        self._client, self._name, self._size = client, name, size

    @classmethod
    def open(cls, address: str, checksum: str, rank: np.ndarray) -> MilvusVectors:
        """The collection of these vectors, filled now if need be. RetrievalError when Milvus does not answer.

        address : http://user:password@host:port of a server, or a file ending in .db for Milvus Lite, where installed.
        rank : float32 [n, d].
        """
        with _errors():
            client = _client(address)
            name = _finished(client).get(checksum) or _fill(client, checksum, rank)
            client.load_collection(name)
            return cls(client, name, len(rank))

    def __len__(self) -> int:
        return self._size

    def nearest(self, query: np.ndarray, limit: int) -> np.ndarray:
        """int64 [<= limit] rows whose vectors have the highest dot products with the query, float32 [d]."""
        with _errors():
            found = self._client.search(
                self._name,
                data=[query],
                anns_field="rank",
                limit=limit,
                search_params={"params": {"ef": max(2 * limit, GRAPH["efConstruction"])}},
            )
        return np.array([hit["row"] for hit in found[0]], dtype=np.int64)


class MilvusIndex:
    """An `Index` whose candidates come from Milvus. vectors : float32 [n, d], the collection's rows, then newer ones.

    Newer rows are multiplied through here: they are few until the next model.
    """

    def __init__(self, collection: MilvusVectors, vectors: Rows):
        self.collection, self.vectors = collection, vectors

    def __len__(self) -> int:
        return len(self.vectors)

    def top_k(
        self,
        users: np.ndarray,
        k: int,
        *,
        mask: np.ndarray | None = None,
        exclude: Sequence[np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `Index.top_k`."""
        rows, scores = np.full((len(users), k), -1), np.full((len(users), k), -np.inf, np.float32)
        for person, query in enumerate(np.asarray(users, dtype=np.float32)):
            allowed = np.ones(len(self), dtype=bool) if mask is None else mask.copy()
            if exclude is not None:
                allowed[exclude[person]] = False
            candidates = self._candidates(query, k, allowed)
            best, found = _best(candidates, self.vectors[candidates] @ query, k)
            rows[person, : len(best)], scores[person, : len(best)] = best, found
        return rows, scores

    def nearest(self, query: np.ndarray, lift: np.ndarray, k: int, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Index.nearest`, among those that Milvus finds, those that are lifted most and all newer ones."""
        lifted = np.where(mask, lift, 0)
        most = np.argsort(-lifted, kind="stable")[: POOL * k]
        found = self._candidates(query, POOL * k, mask)
        candidates = np.union1d(found, most[lifted[most] > 0])
        return _best(candidates, self.vectors[candidates] @ query + lift[candidates], k)

    def _candidates(self, query: np.ndarray, k: int, allowed: np.ndarray) -> np.ndarray:
        """Rows that may be listed, the k best of them among these: those of Milvus, and all newer ones."""
        old = len(self.collection)
        newer = old + np.flatnonzero(allowed[old:])
        return np.concatenate([self._from_milvus(query, k, allowed[:old]), newer])

    def _from_milvus(self, query: np.ndarray, k: int, allowed: np.ndarray) -> np.ndarray:
        left = int(np.count_nonzero(allowed))
        if left > FEW:
            limit = ENOUGH * k * len(allowed) // left
            while limit <= MOST:
                rows = self.collection.nearest(query, limit)
                rows = rows[allowed[rows]]
                if len(rows) >= k:
                    return rows
                limit *= 4
        return np.flatnonzero(allowed)


def _best(rows: np.ndarray, scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of the highest scores, equal ones in the order of rows."""
    best = np.lexsort((rows, -scores))[:k]
    return rows[best], scores[best]


# --- filling ----------------------------------------------------------------------------------------------------------


def _fill(client: MilvusClient, checksum: str, rank: np.ndarray) -> str:
    """Write every vector under a temporary name, which becomes the collection's own when all are there."""
    part = f"{PREFIX}_part_{int(time.time())}_{uuid.uuid4().hex}"
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("row", DataType.INT64, is_primary=True)
    index = client.prepare_index_params()
    schema.add_field("rank", DataType.FLOAT_VECTOR, dim=rank.shape[1])
    index.add_index(field_name="rank", index_type="HNSW", metric_type="IP", params=GRAPH)
    client.create_collection(part, schema=schema, index_params=index)
    for start in range(0, len(rank), AT_ONCE):
        vectors = np.asarray(rank[start : start + AT_ONCE])
        rows = [{"row": row, "rank": own} for row, own in enumerate(vectors, start)]
        client.insert(part, rows)
    client.flush(part)
    found = client.query(part, output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"]
    if found != len(rank):
        raise RetrievalError(f"Milvus holds {found} of {len(rank)} vectors after they were written.")
    name = f"{PREFIX}_{int(time.time())}_{checksum}"
    client.rename_collection(part, name)
    _sweep(client)
    return name


def _finished(client: MilvusClient) -> dict[str, str]:
    """The collections that are whole, by checksum, the oldest first."""
    parts = sorted(name.split("_") for name in client.list_collections() if name.startswith(f"{PREFIX}_"))
    return {checksum: f"{PREFIX}_{made}_{checksum}" for _, made, checksum in (p for p in parts if len(p) == 3)}


def _sweep(client: MilvusClient) -> None:
    """Drop all but the newest collections, and those that nobody finished within a day."""
    for name in list(_finished(client).values())[:-KEPT]:
        client.drop_collection(name)
    for name in client.list_collections():
        if name.startswith(f"{PREFIX}_part_") and int(name.split("_")[2]) < time.time() - HALF_BUILT_FOR:
            client.drop_collection(name)


@cache
def _client(address: str) -> MilvusClient:
    return MilvusClient(address, timeout=TIMEOUT)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except MilvusException as error:
        raise RetrievalError(f"Milvus does not answer as it should: {error.message}") from error
