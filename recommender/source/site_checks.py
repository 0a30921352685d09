"""`manage.py check` of the site around the source: settings, middleware, templates, databases, extras."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.template import TemplateDoesNotExist, engines
from django.template.backends.django import DjangoTemplates
from django.utils.module_loading import import_string

from recommender import extras

VENDORS = ("postgresql", "sqlite", "mysql")
# What nobody asked for is not missing: the others say something where the settings name them.
ASKED_FOR = ("train", "api", "tasks")
UNMAKEABLE = (Path("/proc"), Path("/sys"))  # of the kernel: nobody makes a folder there, whatever os.access says
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
REQUEST_PROCESSOR = "django.template.context_processors.request"


def check_site(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Registered with Django's check framework. It asks no database."""
    return [*_bundles(), *_templates(), *_middleware(), *_apps(), *_databases()]


def check_extras(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A message for each extra that is not installed: a warning where the settings need it, else for information."""
    needed = {"milvus"} if getattr(settings, "RECOMMENDER_RETRIEVAL_ADDRESS", "") else set()
    messages: list[CheckMessage] = []
    for name, extra in extras.EXTRAS.items():
        if name in (*needed, *ASKED_FOR) and not extras.is_installed(name):
            kind, letter = (Warning, "W") if name in needed else (Info, "I")
            messages.append(kind(extras.sentence(name), id=f"recommender.{letter}{extra.number}"))
    return messages


# --- within -----------------------------------------------------------------------------------------------------------


def _bundles() -> Iterator[CheckMessage]:
    root = getattr(settings, "BUNDLE_ROOT", None)
    if not root:
        hint = 'In the settings: BUNDLE_ROOT = BASE_DIR / "bundles", a folder that all processes share.'
        yield Error("BUNDLE_ROOT is not set: models have no place.", hint=hint, id="recommender.E015")
        return
    folder = Path(root)
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        hint = f"In the settings: let BUNDLE_ROOT name a folder; {str(existing)!r} is a file."
        yield Error(f"BUNDLE_ROOT, {str(root)!r}, is no folder.", hint=hint, id="recommender.E016")
    elif not folder.exists() and existing in UNMAKEABLE:
        hint = 'In the settings: BUNDLE_ROOT = BASE_DIR / "bundles", a folder that all processes share.'
        yield Error(f"BUNDLE_ROOT, {str(root)!r}, cannot be made in {existing}.", hint=hint, id="recommender.E017")
    elif not os.access(existing, os.W_OK | os.X_OK):
        problem = f"BUNDLE_ROOT, {str(root)!r}, cannot be written by this process: it can serve, and train nothing."
        hint = f"Let the user of the workers own {str(existing)!r}, or set BUNDLE_ROOT to another folder."
        yield Warning(problem, hint=hint, id="recommender.W020")


def _templates() -> Iterator[CheckMessage]:
    try:
        backends = [backend for backend in engines.all() if isinstance(backend, DjangoTemplates)]
    except ImproperlyConfigured:  # Django says why
        return
    if not any(_finds_ours(backend) for backend in backends):
        problem = "No template engine finds the templates of the recommender: its tags and pages show nothing."
        backend = "django.template.backends.django.DjangoTemplates"
        hint = f'In the settings, in TEMPLATES: "BACKEND": "{backend}", "APP_DIRS": True'
        yield Warning(problem, hint=hint, id="recommender.W021")
    elif not any(REQUEST_PROCESSOR in backend.engine.context_processors for backend in backends):
        problem = "Tags do not know who reads the page: every visitor gets the same lists."
        hint = f'In the settings, in TEMPLATES: "context_processors": ["{REQUEST_PROCESSOR}", ...]'
        yield Warning(problem, hint=hint, id="recommender.W022")


def _finds_ours(backend: DjangoTemplates) -> bool:
    try:
        backend.get_template("recommender/list.html")
    except TemplateDoesNotExist:
        return False
    return True


def _middleware() -> Iterator[CheckMessage]:
    classes = [import_string(path) for path in settings.MIDDLEWARE]
    for needed, code, problem in (
        (SESSIONS, "W023", "Visitors have no session: what they look at and turn down is not remembered."),
        (AUTHENTICATION, "W024", "Requests have no user: whoever signs in is taken for a visitor."),
    ):
        kind = import_string(needed)
        if not any(isinstance(one, type) and issubclass(one, kind) for one in classes):
            yield Warning(problem, hint=f'In the settings: MIDDLEWARE = [..., "{needed}"]', id=f"recommender.{code}")


def _apps() -> Iterator[CheckMessage]:
    if extras.is_installed("api") and not apps.is_installed("rest_framework"):
        problem = "The API of the recommender is installed, and Django REST framework is not among the apps."
        hint = 'In the settings: INSTALLED_APPS = [..., "rest_framework", "recommender"]'
        yield Warning(problem, hint=hint, id="recommender.W025")


def _databases() -> Iterator[CheckMessage]:
    alias = router.db_for_write(apps.get_model("recommender", "TrainingRun"))
    connection = connections[alias]
    if connection.vendor not in VENDORS:
        problem = f"The recommender was never tried on {connection.display_name}, the database {alias!r}."
        hint = "PostgreSQL, SQLite, MariaDB and MySQL are supported: docs/operations.md."
        yield Warning(problem, hint=hint, id="recommender.W026")
