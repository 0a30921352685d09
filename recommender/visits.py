"""What a visitor who is not signed in looked at, kept in their own session: enough for a first personal list."""

from __future__ import annotations

from django.http import HttpRequest

KEPT = 20
_NAME = "recommender_viewed"


def remember(request: HttpRequest, item: str) -> None:
    """Note that the visitor looked at an item. The latest is last, and an item is there once."""
    if getattr(request, "session", None) is None or request.user.is_authenticated:
        return
    before = [key for key in viewed(request) if key != item]
    request.session[_NAME] = [*before, item][-KEPT:]


def viewed(request: HttpRequest | None) -> list[str]:
    """Keys of what this visitor looked at, the latest last; nothing for who is signed in: they have a history."""
    if request is None or getattr(request, "session", None) is None or request.user.is_authenticated:
        return []
    return list(request.session.get(_NAME, []))
