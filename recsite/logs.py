"""Logging: one line an event, readable on a terminal, JSON when LOG_JSON is set."""

import logging

import environ
import structlog

_env = environ.Env()
_SHARED: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
]

structlog.configure(
    processors=[*_SHARED, structlog.processors.format_exc_info, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)


def without_traceback(record: logging.LogRecord) -> bool:
    """For what is told often while a server is away: one line, with the error in it."""
    if record.exc_info:
        record.msg, record.args, record.exc_info = f"{record.msg}: {record.exc_info[1]}", (), None
    return True


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer()
            if _env.bool("LOG_JSON", default=False)
            else structlog.dev.ConsoleRenderer(colors=False),
            "foreign_pre_chain": _SHARED,
        }
    },
    "filters": {"without_traceback": {"()": lambda: without_traceback}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": _env.str("LOG_LEVEL", default="WARNING")},
    # Django's own handler would write every line a second time.
    "loggers": {
        "django": {"handlers": []},
        "django_redis": {"filters": ["without_traceback"]},
        "recsite": {"level": _env.str("LOG_LEVEL", default="INFO")},
        "recommender": {"level": _env.str("LOG_LEVEL", default="INFO")},
    },
}
