"""Logging: one line an event, readable on a terminal, JSON when LOG_JSON is set. No line names a person.

A request is logged by its route and not by its path, which may hold a customer's key, search words or the key of a
password reset. What an exception says is kept without the values that it quotes, and without email addresses.
"""

import copy
import json
import logging
import re
import reprlib
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import environ
import structlog
from django.http import HttpRequest

from recommender.redaction import HIDDEN, without_addresses, without_values

_env = environ.Env()
LOG_JSON = _env.bool("LOG_JSON", default=False)

# --- what no line holds -----------------------------------------------------------------------------------------------

# What these say is about code and files, not about data.
_OF_CODE = (AttributeError, NameError, ImportError, TypeError, SyntaxError, OSError)
# Celery's own lines name its processes: training@host.
_NODES = re.compile(r"celery(?!\.app\.trace)|kombu|gunicorn")
_PATH = re.compile(r"(?<![\w.])/[^\s'\"]*|(?<=ip=)\S+")  # in a line of gunicorn about a request
SHORTEST = 3  # characters of a value: "1" is in every line
_values: ContextVar[tuple[str, ...]] = ContextVar("values of the request that the record is about", default=())


def without_request(text: str) -> str:
    for value in _values.get():
        text = text.replace(value, HIDDEN)
    return text


def route(request: HttpRequest) -> str:
    """The pattern of the address: /api/v1/customers/<key:key>/."""
    match = request.resolver_match
    return "(no such address)" if match is None else f"/{match.route}"


def _sent(request: HttpRequest) -> Iterator[str]:
    """What a request says of a person: in its path, query, form, JSON body and cookies, and who sent it."""
    if request.resolver_match is not None:
        yield from map(str, request.resolver_match.kwargs.values())
    for form in filter(None, (request.GET, getattr(request, "_post", None))):
        for values in dict(form).values():  # of a QueryDict: every value of each name
            yield from map(str, values)
    yield from request.COOKIES.values()
    yield from (request.META.get(name, "") for name in ("QUERY_STRING", "HTTP_REFERER", "HTTP_AUTHORIZATION"))
    user = getattr(request, "_cached_user", None)
    if user is not None:
        yield from (user.get_username(), getattr(user, "email", ""))
    if request.content_type == "application/json" and hasattr(request, "_body"):
        try:
            yield from _strings(json.loads(request.body))
        except (ValueError, RecursionError):
            yield request.body.decode(errors="replace")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _traceback(exc_info: Any) -> str:
    """The traceback as Python prints it: no local variables, and no values in what the errors say."""
    return "" if exc_info[1] is None else "".join(_parts(exc_info[1], set())).rstrip()


def _parts(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _parts(before, seen)
        yield "\nThe direct cause of:\n\n" if error.__cause__ else "\nWhile this was handled, another one occurred:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    hide = without_addresses if isinstance(error, _OF_CODE) else without_values
    yield without_request(hide("".join(traceback.format_exception_only(error))))
    for inner in getattr(error, "exceptions", ()):
        yield textwrap.indent("".join(_parts(inner, seen)), "  | ")


def _hide_values(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Errors in a field, `error=str(error)`, say what a traceback may say."""
    of_processes = _NODES.match(str(event.get("logger", "")))
    for name, value in event.items():
        if name in ("error", "why") and isinstance(value, str):
            event[name] = without_values(value)
        elif isinstance(value, str) and name not in ("exception", "logger", "stack") and not of_processes:
            event[name] = without_addresses(value)
    return event


# --- a line -----------------------------------------------------------------------------------------------------------


class LineFormatter(structlog.stdlib.ProcessorFormatter):
    """One line for a record, whatever is in it and whichever library made it."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, dict):  # an event of structlog
            return super().format(record)
        record = copy.copy(record)  # other handlers have their own ideas
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001 (whatever a library logs is logged)
            text = f"{record.msg} (its arguments do not fit: {type(error).__name__})"
        values = _values.set(())
        try:
            request = getattr(record, "request", None)
            if isinstance(request, HttpRequest):
                text = _with_route(text, request)
                values_sent = {value for value in _sent(request) if len(value) >= SHORTEST}
                _values.set(tuple(sorted(values_sent, key=len, reverse=True)))
                if record.exc_info:
                    text = without_request(text)
            elif record.name == "gunicorn.error" and text.startswith(("Error handling request", "Invalid request")):
                text = _PATH.sub(HIDDEN, text)
            elif record.name == "celery.app.trace" and record.exc_info:
                text = without_values(text)
            record.msg, record.args = text, ()
            return super().format(record)
        finally:
            _values.reset(values)


def _with_route(text: str, request: HttpRequest) -> str:
    """Django's lines about a request, "Not Found: /products/1/", with the route in place of the path."""
    for address in (request.get_full_path(), request.path, request.META.get("HTTP_REFERER", "")):
        for written in {address, address.encode("unicode_escape").decode("ascii")}:
            if len(written) > 1:
                text = text.replace(written, route(request))
    return text


_repr = reprlib.Repr()  # of whatever refers to itself or fails to say what it is
_repr.maxstring = _repr.maxother = 500


def _json(event: dict[str, Any], **_: Any) -> str:
    """JSON whatever is in it: fields that JSON cannot hold (NaN, keys that are no text) become text."""
    try:
        return json.dumps(event, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        plain = {name: value if isinstance(value, str | int) else _repr.repr(value) for name, value in event.items()}
        return json.dumps(plain, allow_nan=False)


_SHARED: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
]
_EXCEPTIONS = structlog.processors.ExceptionRenderer(_traceback)

structlog.configure(
    processors=[
        *_SHARED,
        structlog.processors.StackInfoRenderer(),
        _EXCEPTIONS,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)


def without_traceback(record: logging.LogRecord) -> bool:
    """For what is logged often while a server is away: one line, with the error in it."""
    if record.exc_info:
        record.msg, record.args, record.exc_info = f"{record.msg}: {record.exc_info[1]}", (), None
    return True


def log_uncaught_errors() -> None:
    """What ends a command or a thread is a line of the log, too, where the log is read by a machine."""

    def log(kind: type[BaseException], error: BaseException | None, where: Any, name: str) -> None:
        logging.getLogger("recsite.process").critical("%s", name, exc_info=(kind, error, where))  # type: ignore[arg-type]

    def of_process(kind: type[BaseException], error: BaseException, where: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, where)
        else:
            log(kind, error, where, "process_failed")

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            log(args.exc_type, args.exc_value, args.exc_traceback, "thread_failed")

    sys.excepthook, threading.excepthook = of_process, of_thread
    logging.captureWarnings(True)


def formatter(as_json: bool) -> LineFormatter:
    renderer: Callable[..., Any] = (
        structlog.processors.JSONRenderer(serializer=_json)
        if as_json
        # its own choice, where rich is installed, prints every local variable
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    return LineFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _EXCEPTIONS,
            _hide_values,
            renderer,
        ],
        foreign_pre_chain=_SHARED,
    )


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": formatter, "as_json": LOG_JSON}},
    "filters": {"without_traceback": {"()": lambda: without_traceback}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": _env.str("LOG_LEVEL", default="WARNING")},
    # Django's own handler would write every line a second time.
    "loggers": {
        "django": {"handlers": []},
        "django.db.backends": {"level": "INFO"},  # below stands every query, with its values
        "gunicorn.error": {"handlers": [], "propagate": True},
        "django_redis": {"filters": ["without_traceback"]},
        "recsite": {"level": _env.str("LOG_LEVEL", default="INFO")},
        "recommender": {"level": _env.str("LOG_LEVEL", default="INFO")},
    },
}
