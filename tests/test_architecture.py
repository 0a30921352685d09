"""The house: pyproject.toml says which room may know which, and import-linter holds it. See docs/architecture.md."""

import ast
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("recsite", "customers", "catalog", "recommender")
UNSAFE = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
UNSAFE_CALLS = ("torch.load", "read_pickle")
SOURCES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for folder in (*APPS, "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def unsafe(source: str) -> set[str]:
    """What in a source can run code that a file brings along."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] in UNSAFE}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNSAFE:
            found.add(str(node.module))
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found |= {called for name in UNSAFE_CALLS if called == name or called.endswith(f".{name}")}
            found |= {
                "allow_pickle" for k in node.keywords if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"
            }
    return found


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_imports_go_down_the_floors_and_through_the_doors_of_the_rooms():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("catalog/models.py", "from customers.models import Customer", "The shop's apps import one way"),
        ("customers/services.py", "import recsite.settings", "The shop's apps import one way"),
        ("recommender/serving/customers.py", "from catalog import models", "do not know each other"),
        ("recommender/engine/data/tables.py", "from django.conf import settings", "The engine knows neither Django"),
        ("recommender/engine/data/tables.py", "from recommender.models import TrainingRun", "The floors of the"),
        ("recommender/serving/live.py", "import torch.nn", "torch is imported where models are made"),
        ("recommender/feedback/visits.py", "from recommender import serving", "The floors of the recommender"),
        ("recommender/urls/api.py", "from recommender.serving.live import live_state", "Others import of serving"),
        ("recommender/serving/live.py", "from recommender.engine.model import towers", "What makes models"),
    ],
)
def test_an_import_against_the_arrows_is_found(tmp_path, module, line, contract):
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8")
    broken = tmp_path / module
    broken.write_text(f"{broken.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    done = lint(tmp_path)
    assert done.returncode != 0
    assert any(contract in said and "BROKEN" in said for said in done.stdout.splitlines()), done.stdout


def test_no_two_classes_of_the_recommender_share_a_name():
    homes = defaultdict(list)
    for name, source in SOURCES.items():
        if name.startswith("recommender/") and "/migrations/" not in name and "/management/" not in name:
            for node in ast.parse(source).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    homes[node.name].append(name)
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_is_unpickled(name):
    assert not unsafe(SOURCES[name])


@pytest.mark.parametrize(
    "module", ["recsite.urls", "recsite.wsgi", "recsite.celery", "recommender.admin", "recommender.tasks"]
)
def test_what_serves_loads_no_torch(module):
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "recsite.settings"}
    code = f"import sys, django; django.setup(); import {module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True, env=env)
    assert done.stdout.split()[-1] == "False"


@pytest.mark.parametrize(
    "source",
    ["import pickle", "def f():\n    from joblib import load", "torch.load(p)", "np.load(p, allow_pickle=True)"],
)
def test_unpickling_is_found(source):
    assert unsafe(source)


def test_a_web_process_that_served_a_models_list_has_no_torch(own_database, tmp_path, bundle):
    """A process of its own, as gunicorn would start it: promote, serve page, API and admin, then look."""
    done = subprocess.run(
        [sys.executable, "-c", SERVE.format(bundle=str(bundle), root=str(tmp_path / "bundles"))],
        cwd=ROOT,
        env={
            "DEBUG": "1",
            "PATH": "/usr/bin:/bin",
            "DATABASE_URL": f"sqlite:///{own_database}",
            "BUNDLE_ROOT": str(tmp_path / "bundles"),
            "VAR_DIR": str(tmp_path / "var"),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "served by two_tower without torch"


SERVE = """
import shutil, sys
from recsite.wsgi import application
from django.conf import settings
from django.test import Client
settings.ALLOWED_HOSTS = ["*"]
from django.contrib.auth.models import User
from recommender.models import ModelVersion, Promotion
from tests.shop import stock_the_shop
stock_the_shop()
shutil.copytree({bundle!r}, {root!r} + "/v1")
Promotion.objects.create(version=ModelVersion.objects.create(name="v1"))
client = Client()
asked = {{"profile": {{"age": 30}}, "count": 3}}
answer = client.post("/api/v1/recommendations/", asked, content_type="application/json")
assert answer.status_code == 200, answer.content
assert client.get("/").status_code == 200
client.force_login(User.objects.create_superuser("root"))
for page in ("trainingrun/", "trainingrun/retrain", "modelversion/"):
    assert client.get("/admin/recommender/" + page, follow=True).status_code == 200, page
assert client.get("/api/v1/schema").status_code == 200
heavy = ("torch", "onnx", "pyarrow", "pandas", "scipy")  # what training and the standalone read tables with, too
bad = sorted(name for name in sys.modules if name.split(".")[0] in heavy)
assert not bad, bad
print("served by", answer.json()["source"], "without torch")
"""
