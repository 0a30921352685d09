"""The sites that benchmarks/serving.py has served beside each other, and what they are asked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import serving
from benchmarks.load import Answers, Client, Job

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import sys
import django
django.setup()
from django.test import Client
print(Client().post("/benchmark/empty/", {}, "application/json").status_code, "recommender.models" in sys.modules)
"""


@pytest.mark.parametrize(("settings", "has_recommender"), [("settings", True), ("without_settings", False)])
def test_the_empty_view_is_there_and_only_one_site_has_the_recommender(tmp_path, settings, has_recommender):
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")},
        "DJANGO_SETTINGS_MODULE": f"benchmarks.site.{settings}",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "ALLOWED_HOSTS": "testserver",
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["401", str(has_recommender)]


def test_a_case_goes_on_where_it_ended_and_its_clients_share_its_questions_out(monkeypatch):
    asked = []

    def ask(job: Job) -> Answers:
        asked.append([Client(job, number).questions() for number in range(job.clients)])
        return Answers(seconds=[0.1] * 3, failed=[], versions=[], elapsed=1.0)

    monkeypatch.setattr(serving, "ask", ask)
    case, site = serving.Case("some", "/", list("abcdefgh")), serving.Site(port=1, master=1)
    case.ask(site, "token", clients=1, seconds=1, warm_up=0)
    case.ask(site, "token", clients=2, seconds=1, warm_up=1)
    case.ask(site, "token", clients=1, seconds=1, warm_up=0)
    bodies = [["".join(chr(request[-1]) for request in mine) for mine in clients] for clients in asked]
    assert bodies == [["abcdefgh"], ["dfhb", "egac"], ["abcdefgh"]]
    assert Client(Job(1, "/", ["only one"], "token", clients=8, seconds=1), number=7).questions()
