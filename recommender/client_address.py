"""Who the client is: the one address that every limit and every log asks for."""

from __future__ import annotations

from typing import Any

from django.conf import settings


def client_address(request: Any) -> str:
    """The address of the client of a Django or DRF request; empty where the server tells none (a Unix socket).

    RECOMMENDER_TRUSTED_PROXIES proxies stand in front of the site, 0 by default, and each appends the address that it
    saw to X-Forwarded-For: the entry that many places from the right is the client's, and whatever stands before it the
    client may have written. Where the header has fewer entries, the request came past the proxies: then the address
    of the connection counts.
    """
    proxies = int(getattr(settings, "RECOMMENDER_TRUSTED_PROXIES", 0))
    seen = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    if proxies and len(seen) >= proxies:
        return seen[-proxies]
    return str(request.META.get("REMOTE_ADDR", ""))
