"""The house, read from its imports: which room may know which, and where torch may be. See docs/architecture.md."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("recsite", "customers", "catalog", "recommender")
FORBIDDEN = {  # of a package: what it may not import
    "catalog": {"customers", "recsite", "recommender"},
    "customers": {"recsite", "recommender"},
    "recommender": {"recsite", "customers", "catalog"},
}
SITE = {"django", "rest_framework", "celery", "recsite", "customers", "catalog"}  # nothing of these in the engine
TORCH = ("recommender.engine.model", "recommender.engine.training")  # the rooms that may know torch
UNSAFE = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
UNSAFE_CALLS = ("torch.load", "read_pickle")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_of(path): path.read_text(encoding="utf-8") for app in APPS for path in sorted((ROOT / app).rglob("*.py"))
}
SOURCES = MODULES | {module_of(path): path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").rglob("*.py")}


def imports_of(module: str, source: str, *, when_loaded: bool = False) -> set[str]:
    """Every module that a source imports. when_loaded : leave out what only functions and type checks import."""
    package = module if module in PACKAGES else module.rpartition(".")[0]
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if when_loaded and (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or for_types(node)):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] + "." if node.level else ""
            base = (above + (node.module or "")).rstrip(".")
            found.update({base, *(f"{base}.{alias.name}" for alias in node.names)})
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(source))
    return found


def for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


PACKAGES = {module_of(path) for app in APPS for path in (ROOT / app).rglob("__init__.py")}


def wrong_imports(module: str, source: str) -> set[str]:
    """What a module imports against the arrows."""
    roots = {name.split(".")[0] for name in imports_of(module, source)}
    wrong = roots & FORBIDDEN.get(module.split(".")[0], set())
    if module.startswith("recommender.engine"):
        wrong |= roots & SITE
        of_app = {n for n in imports_of(module, source) if n.startswith("recommender.")}
        wrong |= {n for n in of_app if not n.startswith("recommender.engine")}
    if "torch" in roots and not module.startswith(TORCH):
        wrong.add("torch")
    return wrong


def unsafe(source: str) -> set[str]:
    """What in a source can run code that a file brings along."""
    found = {name for name in imports_of("", source) if name.split(".")[0] in UNSAFE}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found |= {called for name in UNSAFE_CALLS if called == name or called.endswith(f".{name}")}
            found |= {
                "allow_pickle" for k in node.keywords if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"
            }
    return found


def loaded_by(module: str) -> set[str]:
    """Everything of ours that is loaded when a module is, by following imports that run at loading."""
    seen, waiting = set(), [module]
    while waiting:
        at = waiting.pop()
        if at in seen or at not in MODULES:
            continue
        seen.add(at)
        waiting += imports_of(at, MODULES[at], when_loaded=True)
        waiting.append(at.rpartition(".")[0])
    return seen


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_arrows(module):
    assert not wrong_imports(module, MODULES[module])


@pytest.mark.parametrize("module", SOURCES)
def test_nothing_is_unpickled(module):
    assert not unsafe(SOURCES[module])


def test_the_training_modules_are_loaded_by_nothing_that_serves():
    serving = ["recsite.urls", "recsite.wsgi", "recsite.celery", "recommender.admin", "recommender.tasks"]
    serving.append("recommender.engine.bundle.standalone")
    for module in serving:
        assert module in MODULES
        assert not {n for n in loaded_by(module) if n.startswith(TORCH)}, f"{module} brings torch along"


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("catalog.models", "from customers.models import Customer", {"customers"}),
        ("customers.services", "def buy():\n    import recsite.settings", {"recsite"}),
        ("recommender.serving.customers", "from catalog import models", {"catalog"}),
        ("recommender.engine.data.tables", "from django.conf import settings", {"django"}),
        ("recommender.engine.data.tables", "from recommender.models import TrainingRun", {"recommender.models"}),
        ("recommender.serving.live", "def live():\n    import torch.nn", {"torch"}),
        ("recommender.engine.bundle.inference", "from torch import Tensor", {"torch"}),
    ],
)
def test_an_import_against_the_arrows_is_found(module, source, wrong):
    assert wrong <= wrong_imports(module, source)


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
