"""Who the client is: the one address that every limit and every log asks for."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from django.conf import settings


def client_address(request: Any) -> str:
    """The address of the client of a Django or DRF request; empty where the server tells none (a Unix socket).

    RECOMMENDER_TRUSTED_PROXIES proxies stand in front of the site, 0 by default, and each appends the address that it
    saw to X-Forwarded-For: the entry that many places from the right is the client's, and whatever stands before it the
    client may have written. Where the header has fewer entries, the request came past the proxies: then the address
    of the connection counts. Some proxies write a port behind the address, another one for each connection: it is left
    out.
    """
    proxies = int(getattr(settings, "RECOMMENDER_TRUSTED_PROXIES", 0))
    seen = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    if proxies and len(seen) >= proxies:
        return _without_port(seen[-proxies])
    return str(request.META.get("REMOTE_ADDR", ""))


def client_network(request: Any) -> str:
    """What a limit counts by: the address, of IPv6 the /64, all of which one subscriber has to choose from."""
    address = client_address(request)
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address):
        if known.ipv4_mapped is not None:
            return str(known.ipv4_mapped)
        return str(ipaddress.ip_network((known, 64), strict=False))
    return str(known)


_PORT = re.compile(r"\[(?P<six>[^\]]*)\](:\d+)?|(?P<four>[^:]+):\d+")


def _without_port(written: str) -> str:
    """1.2.3.4 of 1.2.3.4:50123, 2001:db8::7 of [2001:db8::7]:50123; anything else as it is."""
    found = _PORT.fullmatch(written)
    return written if found is None else found["six"] or found["four"] or written
