"""Without an extra, everything works that docs/plugging_in.md does not name beside it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recommender import extras
from tests.test_wheel import PROJECT

ROOT = Path(__file__).resolve().parents[2]
# The parts that an extra is for: they may need it at once.
NEEDED_BY = {
    "train": ["recommender.engine", "recommender.training.export"],
    "api": ["recommender.api", "recommender.urls.api", "recommender.urls.metrics"],
    "admin": ["recommender.admin.look.with_unfold"],
    "tasks": ["recommender.tasks", "recommender.celery"],
    "metrics": ["recommender.urls.metrics", "recommender.monitoring.metrics"],
    "milvus": ["recommender.engine.bundle.milvus"],
}
IMPORT_ALL = """
import importlib, importlib.machinery, pkgutil, sys

hidden, needed_by = sys.argv[1].split(","), sys.argv[2].split(",")


class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in hidden else super().find_spec(name, path, target)


sys.meta_path = [Finder if finder is importlib.machinery.PathFinder else finder for finder in sys.meta_path]

import django

django.setup()
from django.core.management import call_command

call_command("check")
import recommender

broken = []
modules = pkgutil.walk_packages(recommender.__path__, "recommender.", onerror=lambda name: None)
for name in [module.name for module in modules if not module.name.endswith("__main__")]:
    if not any(name == part or name.startswith(part + ".") for part in needed_by):
        try:
            importlib.import_module(name)
        except ImportError as error:
            broken.append(f"{name}: {error}")
print("\\n".join(broken), end="")
"""


@pytest.mark.parametrize("name", NEEDED_BY)
def test_workers_commands_and_pages_start_without_an_extra_that_they_do_not_need(name, tmp_path):
    for file, text in PROJECT.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    only_here = set(extras.EXTRAS[name].modules) - (set(extras.EXTRAS["api"].modules) if name == "metrics" else set())
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "DJANGO_SETTINGS_MODULE": "music.settings"}
    absent = [part for extra, parts in NEEDED_BY.items() if not extras.is_installed(extra) for part in parts]
    needed_by = [*NEEDED_BY[name], *absent]  # make matrix has no Milvus
    command = [sys.executable, "-c", IMPORT_ALL, ",".join(sorted(only_here)), ",".join(needed_by)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [line for line in done.stdout.splitlines() if line.startswith("recommender.")] == []
