"""The wheel: the pluggable app and nothing else, which runs where no extra is installed and says what is missing."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import recommender
from recommender import extras
from recommender.source.site_checks import ASKED_FOR

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]

SETTINGS = """
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "of the test"
USE_TZ = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "music.urls"
RECOMMENDER_SOURCE = "music.source.MusicSource"
BUNDLE_ROOT = BASE_DIR / "bundles"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "recommender",
    "music",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
PROCESSORS = ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]
PROCESSORS += ["django.contrib.messages.context_processors.messages"]
BACKEND = "django.template.backends.django.DjangoTemplates"
TEMPLATES = [{"BACKEND": BACKEND, "APP_DIRS": True, "OPTIONS": {"context_processors": PROCESSORS}}]
"""
PROJECT = {
    "manage.py": """
import os, sys
from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "music.settings"
execute_from_command_line(sys.argv)
""",
    "music/__init__.py": "",
    "music/settings.py": SETTINGS,
    "music/models.py": """
from django.db import models


class Listener(models.Model):
    country = models.CharField(max_length=50)


class Song(models.Model):
    genre = models.CharField(max_length=50)


class Play(models.Model):
    listener = models.ForeignKey(Listener, models.CASCADE)
    song = models.ForeignKey(Song, models.CASCADE)
    played = models.DateTimeField()
""",
    "music/source.py": """
from music.models import Listener, Play, Song
from recommender.source import RecommenderSource


class MusicSource(RecommenderSource):
    customers = Listener.objects.all()
    customer_categorical = ["country"]
    items = Song.objects.all()
    item_categorical = ["genre"]
    interactions = Play.objects.all()
    interaction_customer = "listener"
    interaction_item = "song"
    interaction_time = "played"
""",
    "music/urls.py": """
from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("products/<key>/", lambda request, key: HttpResponse(key), name="product"),
    path("", include("recommender.urls")),
]
""",
}
VISIT = """
from django.test import Client
from django.utils import timezone
from django.contrib.auth.models import User
from music.models import Listener, Play, Song
from recommender.serving import recommend

songs = [Song.objects.create(genre="jazz") for _ in range(3)]
Play.objects.create(listener=Listener.objects.create(country="UK"), song=songs[1], played=timezone.now())
client = Client()
client.force_login(User.objects.create_superuser("root"))
for page in ("/recommendations/not-interested/", f"/recommendations/{songs[0].pk}/why/?source=popular", "/admin/"):
    assert client.get(page).status_code == 200, page
for name in ("trainingrun", "modelversion", "promotion", "experiment", "listcount", "trainingschedule", "driftfinding"):
    assert client.get(f"/admin/recommender/{name}/").status_code == 200, name
for page in ("trainingrun/retrain/", "experiment/plan/", "modelversion/roll-back/", "trainingschedule/add/"):
    assert client.get(f"/admin/recommender/{page}").status_code == 200, page
for page in ("/api/v1/recommendations/popular/", "/metrics"):
    assert client.get(page).status_code == 404, page
print([item.item for item in recommend(count=1).items])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the tree, so that nothing is left in it; with the build tools of this environment."""
    tree, out = tmp_path_factory.mktemp("wheel") / "tree", tmp_path_factory.mktemp("dist")
    tree.mkdir()
    for name in ("recommender", "recsite", "catalog", "customers", "tests", "benchmarks"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "manage.py"):
        shutil.copy(ROOT / name, tree)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def project(wheel, tmp_path_factory) -> Path:
    """A small Django project, `music`, beside an environment `env` in which only the wheel was installed."""
    folder = tmp_path_factory.mktemp("project")
    venv.create(folder / "env", with_pip=False)
    pins = str(ROOT / "requirements.txt")
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(folder / "env"),
        "install",
        "--quiet",
        "-c",
        pins,
        str(wheel),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and not os.environ.get("CI"):
        pytest.skip(f"pip could not install the wheel's dependencies here: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr[-2000:]
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    python = project / "env" / "bin" / "python"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [python, *arguments], cwd=project, env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_wheel_holds_the_app_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    about = f"django_two_towers-{recommender.__version__}.dist-info/"
    assert [name for name in names if not name.startswith(("recommender/", about))] == []
    assert f"{about}licenses/LICENSE" in names
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "recommender").rglob("*") if path.is_file()}
    assert {name for name in files if "__pycache__" not in name} == {n for n in names if n.startswith("recommender/")}
    assert {"recommender/py.typed", "recommender/migrations/0001_initial.py"} <= set(names)
    assert {f"recommender/locale/{language}/LC_MESSAGES/django.mo" for language in ("de", "fr")} <= set(names)


def test_the_version_and_what_it_needs_stand_in_the_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = archive.read(name).decode()
    assert f"\nVersion: {recommender.__version__}\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata
    core = {line.split()[1].split("<")[0].split(">")[0] for line in metadata.splitlines() if needs_no_extra(line)}
    assert core == {"django", "numpy", "onnxruntime", "structlog"}


def needs_no_extra(line: str) -> bool:
    return line.startswith("Requires-Dist:") and "extra ==" not in line


def test_the_code_knows_the_extras_of_the_wheel():
    assert set(extras.EXTRAS) == set(EXTRAS)
    assert all(extras.is_installed(name) for name in EXTRAS), "the tests run with every extra"


@pytest.mark.parametrize("name", EXTRAS)
def test_an_extra_is_looked_for_by_the_modules_of_its_packages(name):
    owners = packages_distributions()
    modules = {canonicalize_name(owner) for module in extras.EXTRAS[name].modules for owner in owners[module]}
    wanted = {canonicalize_name(Requirement(text).name) for text in EXTRAS[name]}
    if "django-two-towers" in wanted:  # metrics are served by the API
        wanted = wanted - {"django-two-towers"} | {canonicalize_name(Requirement(text).name) for text in EXTRAS["api"]}
    assert modules == wanted


def test_everything_that_the_app_imports_comes_with_the_wheel_or_an_extra():
    """A package that is imported and stands in no table would be missing on a user's machine."""
    core = {"django", "numpy", "onnxruntime", "structlog"}
    known = core.union(*(extra.modules for extra in extras.EXTRAS.values()), {"kombu"})  # Celery's own
    strange = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / "recommender").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in imported(node)
        if name not in known | sys.stdlib_module_names | {"recommender"}
    }
    assert strange == set()


def imported(node: ast.AST) -> set[str]:
    """The top-level packages that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) and not node.level else set()


def test_the_engine_is_imported_with_no_extra(project):
    done = run(project, "-c", "import recommender.engine as engine; print(engine.__file__, *dir(engine))")
    assert done.returncode == 0, done.stderr
    assert str(project / "env") in done.stdout
    assert "StandaloneRecommender" in done.stdout


def test_what_the_engine_lacks_is_said_in_a_sentence(project):
    done = run(project, "-c", "from recommender.engine import train_two_tower_model")
    assert done.stderr.splitlines()[-1].endswith("needs torch: pip install 'django-two-towers[train]'")
    done = run(project, "-m", "recommender.engine", "train", "--help")
    assert done.stderr == "The engine's commands need pyarrow: pip install 'django-two-towers[train]'\n"


def test_check_names_each_missing_extra_in_one_line(project):
    done = run(project, "manage.py", "check")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert f"identified {len(ASKED_FOR)} issues" in done.stdout + done.stderr
    for name in ASKED_FOR:
        (line,) = [line for line in done.stderr.splitlines() if f"'django-two-towers[{name}]'" in line]
        assert f"The extra {name!r} is not installed." in line


def test_a_project_with_no_extra_serves_lists_and_pages(project):
    assert run(project, "manage.py", "makemigrations", "music").returncode == 0
    assert run(project, "manage.py", "migrate").returncode == 0
    done = run(project, "manage.py", "shell", "--no-imports", "-c", VISIT)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "['2']"
    done = run(project, "manage.py", "train")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("CommandError: The extra 'train' is not installed.")
    assert "Traceback" not in done.stderr
