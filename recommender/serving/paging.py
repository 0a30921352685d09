"""Pages of a list that never repeat an item: what was shown travels with the visitor, and nothing is kept here.

Purchases, new products and even a new model between two pages cannot bring an item back, for a token does not say how
far one got but what one saw. Six bytes stand for an item. A token grants nothing that `exclude` does not, so it is
checked for being whole, not for who made it.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from zlib import crc32

import numpy as np

from recommender.errors import RecommendationError
from recommender.serving.catalog import DIGEST_BYTES
from recommender.words import Words

MAX_SHOWN = 1_000  # items that one walk through the pages shows before it ends
_CHECK_BYTES = 4


def read_token(token: str | None) -> np.ndarray:
    """uint64 digests of the items that the pages before this one showed. RecommendationError for a foreign token."""
    if not token:
        return np.zeros(0, np.uint64)
    try:
        whole = urlsafe_b64decode(token)
    except ValueError:
        whole = b""
    packed, check = whole[:-_CHECK_BYTES], whole[-_CHECK_BYTES:]
    shown, rest = divmod(len(packed), DIGEST_BYTES)
    if check != _check(packed) or rest or shown > MAX_SHOWN:
        message = Words("This page_token is not one of ours; send next_page_token as it was answered.")
        raise RecommendationError("page_token", message)
    digests = np.zeros((shown, 8), np.uint8)
    digests[:, 8 - DIGEST_BYTES :] = np.frombuffer(packed, np.uint8).reshape(shown, DIGEST_BYTES)
    return digests.view(">u8")[:, 0].astype(np.uint64)


def write_token(shown: np.ndarray) -> str:
    """shown : uint64 digests."""
    packed = shown.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - DIGEST_BYTES :].tobytes()
    return urlsafe_b64encode(packed + _check(packed)).decode()


def _check(packed: bytes) -> bytes:
    return crc32(packed).to_bytes(_CHECK_BYTES, "big")
