"""The cache in Redis, and in the process while Redis is away: limits count on, and nobody is refused for it."""

from __future__ import annotations

import time
from typing import Any

import structlog
from django.core.cache.backends.locmem import LocMemCache
from django_redis.cache import RedisCache
from redis.exceptions import RedisError

log = structlog.get_logger("recsite.cache")

RETRY_SECONDS = 5  # so long Redis is not asked again: each attempt may cost a second


class RedisOrProcessCache(RedisCache):
    """django-redis, with a LocMemCache of the process in its place from a failure on until Redis answers again."""

    _down_until = 0.0  # of the process: the instances of its threads learn from one another

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._process = LocMemCache(f"instead of {server}", {**params, "OPTIONS": {}})

    def is_degraded(self) -> bool:
        """Whether the process's own cache answers now; asks Redis where it has not failed lately."""
        self.get("recsite.cache.ping")
        return time.monotonic() < type(self)._down_until

    def _ask(self, method: str, *args: Any, **options: Any) -> Any:
        if time.monotonic() >= type(self)._down_until:
            try:
                return getattr(super(), method)(*args, **options)
            except (RedisError, OSError) as error:
                type(self)._down_until = time.monotonic() + RETRY_SECONDS
                log.error("redis_does_not_answer", error=type(error).__name__)
        return getattr(self._process, method)(*args, **options)


def _asks(method: str) -> Any:
    def ask(self: RedisOrProcessCache, *args: Any, **options: Any) -> Any:
        return self._ask(method, *args, **options)

    ask.__name__ = method
    return ask


METHODS = ("get", "set", "add", "delete", "touch", "incr", "decr", "has_key", "clear")
for _method in (*METHODS, "get_many", "set_many", "delete_many"):
    setattr(RedisOrProcessCache, _method, _asks(_method))
