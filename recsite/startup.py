"""What is checked when a process starts to serve: gunicorn or another WSGI server, a Celery worker, the clock.

`manage.py` sets DEBUG=1 where it is not set, so `runserver` and `demo` need nothing. A server process that started with
the defaults of development would show its settings to strangers and sign its cookies with a key that everybody knows.
"""

import os
from collections.abc import Sequence
from typing import Any

import structlog
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register
from django.core.exceptions import ImproperlyConfigured

log = structlog.get_logger("recsite.server")
_PRINTED = ("django.core.mail.backends.console.EmailBackend", "django.core.mail.backends.filebased.EmailBackend")


def check_server() -> None:
    """ImproperlyConfigured where DEBUG was not set on purpose. What else is wrong in production is logged."""
    if "DEBUG" not in os.environ:
        raise ImproperlyConfigured(
            "DEBUG is not set. A server process starts with DEBUG=0 (production: SECRET_KEY, ALLOWED_HOSTS and "
            "EMAIL_URL belong to it, see docs/operations.md) or, on a developer's machine, with DEBUG=1."
        )
    for message in check_email():
        log.warning("configuration", problem=message.msg, hint=message.hint)


@register()
def check_email(**_: Any) -> Sequence[CheckMessage]:
    """Password resets need a mail server. `manage.py check` and `migrate` say so, and each server process logs it."""
    if settings.DEBUG:
        return []
    if settings.EMAIL_BACKEND == "recsite.mail.NoMailServer":
        problem = "EMAIL_URL is not set: no email is sent. Nobody can reset a password, and NOTIFY tells nobody."
        hint = "EMAIL_URL=smtp+tls://user:password@host:587"
        return [Warning(problem, hint=hint, id="recsite.W001")]
    if settings.EMAIL_BACKEND in _PRINTED:
        problem = "EMAIL_URL prints emails or writes them to files: whoever reads those can reset passwords."
        return [Warning(problem, hint="EMAIL_URL=smtp+tls://user:password@host:587", id="recsite.W002")]
    return []
