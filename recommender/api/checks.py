"""`manage.py check` of the settings of the API: RECOMMENDER_API and RECOMMENDER_THROTTLES."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from recommender import extras
from recommender.api.limits import THROTTLE_RATES

PERIODS = ("s", "m", "h", "d")  # REST framework reads the first letter alone


def check_api(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Registered with Django's check framework. Without the extra there is no API to be set up."""
    return [*_classes(), *_rates()] if extras.is_installed("api") else []


# --- within -----------------------------------------------------------------------------------------------------------


def _classes() -> Iterator[CheckMessage]:
    from recommender.api.site_classes import wrong_settings  # of the extra `api`

    hint = 'In the settings: RECOMMENDER_API = {"PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"]}'
    for problem in wrong_settings():
        yield Error(problem, hint=hint, id="recommender.E030")


def _rates() -> Iterator[CheckMessage]:
    rates = getattr(settings, "RECOMMENDER_THROTTLES", {})
    line = 'RECOMMENDER_THROTTLES = {"visitor": "300/min"}'
    hint = f"In the settings: {line}, per second, minute, hour or day; None: no limit."
    if not isinstance(rates, dict):
        yield Error(f"RECOMMENDER_THROTTLES is {rates!r}; it must be a dictionary.", hint=hint, id="recommender.E031")
        return
    for name, rate in rates.items():
        if name not in THROTTLE_RATES:
            near = get_close_matches(str(name), THROTTLE_RATES, n=1)
            meant = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(THROTTLE_RATES)}."
            yield Error(f"RECOMMENDER_THROTTLES knows no {name!r}.", hint=meant, id="recommender.E032")
        elif rate is not None and not _is_rate(rate):
            problem = (
                f"RECOMMENDER_THROTTLES[{name!r}] is {rate!r}, which is no rate: every call of the API would fail."
            )
            yield Error(problem, hint=hint, id="recommender.E031")


def _is_rate(rate: object) -> bool:
    number, slash, period = str(rate).partition("/")
    return bool(slash) and number.strip().isdecimal() and period.startswith(PERIODS) and not period.startswith("mo")
