"""The cache in Redis, and in the process while Redis is down: limits keep counting, and no request fails."""

from __future__ import annotations

import time
from typing import Any

import structlog
from django.core.cache.backends.locmem import LocMemCache
from django_redis.cache import RedisCache
from redis.exceptions import RedisError

log = structlog.get_logger("recsite.cache")

RETRY_SECONDS = 5  # between attempts to reach Redis, which may take a second each


class RedisOrProcessCache(RedisCache):
    """django-redis, with a LocMemCache of the process in its place from a failure on until Redis answers again."""

    _down_until = 0.0  # shared by the instances of all threads of the process

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._process = LocMemCache(f"instead of {server}", {**params, "OPTIONS": {}})

    def is_degraded(self) -> bool:
        """Whether the process's own cache answers now; tries Redis where it has not failed in the last seconds."""
        self.get("recsite.cache.ping")
        return time.monotonic() < type(self)._down_until

    def _try_redis(self, method: str, *args: Any, **options: Any) -> Any:
        if time.monotonic() >= type(self)._down_until:
            try:
                return getattr(super(), method)(*args, **options)
            except (RedisError, OSError) as error:
                type(self)._down_until = time.monotonic() + RETRY_SECONDS
                log.error("redis_does_not_answer", error=type(error).__name__)
        return getattr(self._process, method)(*args, **options)


def _redis_or_process(method: str) -> Any:
    def call(self: RedisOrProcessCache, *args: Any, **options: Any) -> Any:
        return self._try_redis(method, *args, **options)

    call.__name__ = method
    return call


METHODS = ("get", "set", "add", "delete", "touch", "incr", "decr", "has_key", "clear")
for _method in (*METHODS, "get_many", "set_many", "delete_many"):
    setattr(RedisOrProcessCache, _method, _redis_or_process(_method))
