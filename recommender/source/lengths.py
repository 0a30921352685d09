"""How long a key may be."""

from __future__ import annotations

from recommender.errors import RecommendationError
from recommender.words import Words

# Two keys of this length and more fit an index of every database: 3,072 bytes in MariaDB, at four for a character.
MAX_KEY_CHARACTERS = 255


def is_storable(key: str) -> bool:
    return len(key) <= MAX_KEY_CHARACTERS


def check_length(field: str, key: str) -> None:
    """RecommendationError for a key that cannot be stored. field : of the request."""
    if not is_storable(key):
        message = "The key {key!r} has {count:n} characters, and {most:n} can be stored."
        raise RecommendationError(field, Words(message, key=key, count=len(key), most=MAX_KEY_CHARACTERS))
