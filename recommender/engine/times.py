"""Which moments a purchase or an event can have: from 1970 to a day ahead of this machine's clock."""

from __future__ import annotations

import time

EARLIEST_SECONDS = 0.0  # Unix seconds: 1970-01-01T00:00:00Z. The zero of other calendars (year 1, 1900) lies before
AHEAD_SECONDS = 86_400.0  # clocks and time zones differ by hours; what lies further ahead has not happened


def latest_seconds() -> float:
    """The last Unix second that is accepted now."""
    return time.time() + AHEAD_SECONDS
