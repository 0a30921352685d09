"""The sites that benchmarks/serving.py has served beside each other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
