"""What `manage.py check` says of the settings of the API: a wrong one is a line with a number, not a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from rest_framework.test import APIClient

from recommender.api.checks import check_api

ROOT = Path(__file__).resolve().parents[3]


def told() -> list[tuple[str, str]]:
    return [(message.id, f"{message.msg} {message.hint}") for message in check_api(None)]


@pytest.mark.parametrize(
    ("rates", "number", "said"),
    [
        ({"visitor": "300/fortnight"}, "E031", "RECOMMENDER_THROTTLES['visitor'] is '300/fortnight'"),
        ({"visitor": "300/month"}, "E031", "per second, minute, hour or day"),
        ({"visitor": 300}, "E031", 'RECOMMENDER_THROTTLES = {"visitor": "300/min"}'),
        ({"visitr": "300/min"}, "E032", "Did you mean visitor?"),
        ("300/min", "E031", "must be a dictionary"),
    ],
)
def test_a_misspelt_rate_is_said_before_every_call_fails(settings, rates, number, said):
    settings.RECOMMENDER_THROTTLES = rates
    ((found, text),) = told()
    assert found == f"recommender.{number}"
    assert said in text


@pytest.mark.parametrize("rate", ["300/min", "5/s", "5/sec", "7/hour", "8/day", "9/d", None])
def test_rates_as_rest_framework_reads_them_are_fine(settings, rate):
    settings.RECOMMENDER_THROTTLES = dict.fromkeys(["page", "visitor", "user", "key"], rate)
    assert told() == []


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"PERMISSION_CLASSES": ["shop.Nobody"]}, "RECOMMENDER_API['PERMISSION_CLASSES'] names 'shop.Nobody'"),
        ({"PERMISSIONS": []}, "RECOMMENDER_API knows no PERMISSIONS. There are: AUTHENTICATION_CLASSES"),
        ({"PERMISSION_CLASSES": "rest_framework.permissions.AllowAny"}, "must be a list of dotted paths"),
        ({"PAGINATION_CLASS": ["rest_framework.pagination.PageNumberPagination"]}, "must be one dotted path"),
        ({"PARSER_CLASSES": [7]}, "names 7, which is no class"),
        (["PERMISSION_CLASSES"], "must be a dictionary"),
    ],
)
def test_a_wrong_class_is_named_with_its_setting_and_lets_nobody_in(settings, chosen, said):
    settings.RECOMMENDER_API = chosen
    ((number, text),) = told()
    assert number == "recommender.E030"
    assert said in text
    if "PAGINATION_CLASS" not in chosen:
        with pytest.raises(ImproperlyConfigured, match="RECOMMENDER_API"):
            APIClient().get("/api/v1/recommendations/popular/")


def test_check_itself_survives_a_wrong_class(tmp_path):
    text = 'from recsite.settings import *\nRECOMMENDER_API = {"PERMISSION_CLASSES": ["shop.Nobody"]}\n'
    (tmp_path / "wrong.py").write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "DJANGO_SETTINGS_MODULE": "wrong"}
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert "(recommender.E030) RECOMMENDER_API['PERMISSION_CLASSES'] names 'shop.Nobody'" in done.stderr
    assert "Traceback" not in done.stderr
