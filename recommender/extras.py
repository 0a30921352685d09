"""The extras of the distribution: the modules that each brings, and the sentence for one that is not installed.

pyproject.toml names the packages of each. This module imports neither Django nor an extra.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from recommender.errors import MissingExtra

DISTRIBUTION = "django-two-towers"


@dataclass(frozen=True)
class Extra:
    """number : of its message in `manage.py check`, recommender.I<number>.   modules : the names that its packages are
    imported by.   without_it : what does not work without it, as a sentence."""

    number: str
    modules: tuple[str, ...]
    without_it: str


_API = ("rest_framework", "drf_spectacular", "drf_standardized_errors")
EXTRAS = {
    "train": Extra(
        "001",
        ("torch", "onnx", "onnxscript", "optuna", "pyarrow", "safetensors", "scipy", "threadpoolctl", "tqdm"),
        "No model can be trained here, and drift is not watched.",
    ),
    "api": Extra("002", _API, "recommender.urls has pages and no api/v1/."),
    "admin": Extra("003", ("unfold",), "The pages in the admin have the look of Django's own admin."),
    "tasks": Extra("004", ("celery",), "Runs start with `manage.py train` only: no Retrain button, no schedules."),
    "metrics": Extra("005", (*_API, "prometheus_client"), "recommender.urls has no metrics for Prometheus."),
    "milvus": Extra("006", ("pymilvus",), "Each process searches the items itself: RETRIEVAL_ADDRESS has no client."),
    "postgres": Extra("007", ("psycopg",), "Django cannot connect to PostgreSQL."),
    "mysql": Extra("011", ("pymysql",), "Django connects to MariaDB and MySQL with a driver of your own only."),
}


def missing_modules(name: str) -> list[str]:
    """The modules of an extra that cannot be imported here."""
    return [module for module in EXTRAS[name].modules if find_spec(module) is None]


def is_installed(name: str) -> bool:
    return not missing_modules(name)


def sentence(name: str) -> str:
    """What does not work without the extra, and the command that installs it, in one line."""
    return f"The extra {name!r} is not installed. {EXTRAS[name].without_it} pip install '{DISTRIBUTION}[{name}]'"


def require(name: str) -> None:
    """Raises MissingExtra, with the sentence, where the extra is not installed."""
    if not is_installed(name):
        raise MissingExtra(f"{sentence(name)} (there is no {', '.join(missing_modules(name))})")
