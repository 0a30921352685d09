"""The Celery application. Training has a queue of its own, served by one solo worker (see docs/operations.md)."""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, celeryd_init, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsite.settings")

app = Celery("recsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
@beat_init.connect
def _check_server(**_: Any) -> None:
    """Workers and beat do not start where DEBUG is not set: see startup.py."""
    from django.core.exceptions import ImproperlyConfigured

    from recsite.startup import check_server

    try:
        check_server()
    except ImproperlyConfigured as error:
        raise SystemExit(str(error)) from None  # Celery logs what else a receiver raises, and goes on


@setup_logging.connect
def _keep_logging(loglevel: int | str | None = None, **_: Any) -> None:
    """Workers and clock write lines as the site does; Celery would add a handler of its own for tasks."""
    if loglevel is not None:
        logging.getLogger().setLevel(loglevel)
