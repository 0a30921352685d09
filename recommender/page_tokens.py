"""Pages of a list that never repeat an item: what was shown travels with the visitor, signed, and nothing is kept here.

Purchases, new products and even a new model between two pages cannot bring an item back, for a token does not say how
far one got but what one saw. Six bytes stand for an item.
"""

from __future__ import annotations

import base64

import numpy as np
from django.core import signing

from recommender.errors import RecommendationError
from recommender.live_catalog import DIGEST_BYTES

MAX_SHOWN = 1_000  # items that one walk through the pages shows before it ends
_SALT = "recommender.page"


def read_token(token: str | None) -> np.ndarray:
    """uint64 digests of the items that the pages before this one showed. RecommendationError for a foreign token."""
    if not token:
        return np.zeros(0, np.uint64)
    try:
        packed = base64.b64decode(signing.loads(token, salt=_SALT))
    except (signing.BadSignature, ValueError, TypeError):
        message = "This page_token is not one of ours; send next_page_token as it was answered."
        raise RecommendationError("page_token", message) from None
    places = range(0, len(packed), DIGEST_BYTES)
    return np.array([int.from_bytes(packed[i : i + DIGEST_BYTES], "big") for i in places], dtype=np.uint64)


def write_token(shown: np.ndarray) -> str:
    """shown : uint64 digests."""
    packed = shown.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - DIGEST_BYTES :].tobytes()
    return signing.dumps(base64.b64encode(packed).decode(), salt=_SALT)
