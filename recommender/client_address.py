"""The address of a client: every limit and every log takes it from here."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from django.conf import settings


def client_address(request: Any) -> str:
    """The address of the client of a Django or DRF request; empty where the server has none (a Unix socket).

    RECOMMENDER_TRUSTED_PROXIES proxies are in front of the site, 0 by default, and each appends the address of its
    client to X-Forwarded-For: the entry that many places from the right is the client's, and the client may have
    written those before it. A request with fewer entries did not come through the proxies: then the address of the
    connection counts. Ports, which some proxies append, are left out: they differ from connection to connection.
    """
    proxies = int(getattr(settings, "RECOMMENDER_TRUSTED_PROXIES", 0))
    forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    if proxies and len(forwarded) >= proxies:
        return _without_port(forwarded[-proxies])
    return str(request.META.get("REMOTE_ADDR", ""))


def client_network(request: Any) -> str:
    """The key of a limit: the address, or the /64 of an IPv6 address, all of which one subscriber may use."""
    text = client_address(request)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(ipaddress.ip_network((address, 64), strict=False) if mapped is None else mapped)
    return str(address)


_PORT = re.compile(r"\[(?P<six>[^\]]*)\](:\d+)?|(?P<four>[^:]+):\d+")


def _without_port(text: str) -> str:
    """1.2.3.4 of 1.2.3.4:50123, 2001:db8::7 of [2001:db8::7]:50123; anything else as it is."""
    match = _PORT.fullmatch(text)
    return text if match is None else match["six"] or match["four"] or text
