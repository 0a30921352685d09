"""Calls of the database that outlast a restart of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

log = structlog.get_logger("recommender.training.outages")

PATIENCE_SECONDS = 60.0
RETRY_SECONDS = 1.0

Result = TypeVar("Result")


def retry_while_away(call: Callable[[], Result]) -> Result:
    """Make a call that may be made twice; while the database is away, again and again for a minute."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return call()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > deadline:
                raise
            log.warning("database_is_away", error=str(error))
            connection.close_if_unusable_or_obsolete()
            time.sleep(RETRY_SECONDS)
