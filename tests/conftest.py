"""What every test starts from, and a planted shop with a real model for those that want one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as site
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.cache import cache
from django.utils import translation

from recommender.api import access
from recommender.engine.config import TrainConfig
from recommender.models import ModelVersion, Promotion
from recommender.serving import live as serving
from tests import planted, shop

ROOT = Path(__file__).resolve().parent.parent
collect_ignore = ["foreign"]  # has settings of its own: recommender/source/test_foreign_shapes.py runs it
QUICK = TrainConfig(dim=16, profile_rank=4, rating_dim=4, epochs=8, learning_rate=1e-2, batch_targets=512, bootstrap=50)


def pytest_configure() -> None:
    """Tests run on a developer's machine, which a server that they start must be told.

    Tests that run side by side have a Redis database each: emptying one cache must not empty the other."""
    os.environ.setdefault("DEBUG", "1")
    PBKDF2PasswordHasher.iterations = 1_000  # a password takes half a second in earnest
    site.WHITENOISE_AUTOREFRESH = True  # or every test client that is made reads all static files first
    place = site.CACHES["default"].get("LOCATION")
    if place:
        server, number = place.rsplit("/", 1)
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        site.CACHES["default"]["LOCATION"] = f"{server}/{(int(number) + worker) % 16}"


@pytest.fixture(autouse=True)
def _a_process_that_just_started(monkeypatch):
    """Nothing that one test made this process remember is there in the next; the database is looked at each time."""
    monkeypatch.setattr(serving, "CHECK_EVERY", 0.0)
    serving.forget_live_state()
    access.forget_permissions()
    cache.clear()
    translation.deactivate()  # a request leaves its language behind until the next one
    yield
    serving.forget_live_state()


@pytest.fixture(scope="session")
def _tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table and no row of ours."""
    file = tmp_path_factory.mktemp("tables") / "db.sqlite3"
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{file}", "VAR_DIR": str(file.parent)}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
    return file


@pytest.fixture
def own_database(_tables: Path, tmp_path: Path) -> Path:
    """`db.sqlite3` in the test's folder, for processes that it starts: migrated once, and copied."""
    return Path(shutil.copy(_tables, tmp_path / "db.sqlite3"))


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop.write_snapshot(tmp_path_factory.mktemp("data") / "snapshot")


@pytest.fixture(scope="session")
def bundle(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real bundle that learned the planted shop, to be read and never changed."""
    from recommender.engine.training.pipeline import build_bundle

    out = tmp_path_factory.mktemp("bundles") / "trained"
    build_bundle(snapshot, out, config=QUICK)
    return out


@pytest.fixture
def stocked(db: None) -> None:
    """The planted shop in the database, and no model."""
    shop.stock_the_shop()


@pytest.fixture
def promote(bundle: Path, settings, tmp_path: Path, db: None):
    """Promotes a copy of the trained bundle under a name, whole or broken, as a worker would."""
    settings.BUNDLE_ROOT = tmp_path / "bundles"

    def promoted(name: str, *, broken: bool = False, breaks_at_work: bool = False) -> ModelVersion:
        shutil.copytree(bundle, settings.BUNDLE_ROOT / name)
        if broken:
            (settings.BUNDLE_ROOT / name / "model" / "user_tower.onnx").write_bytes(b"not a model")
        if breaks_at_work:
            planted.break_tower(settings.BUNDLE_ROOT / name)
        version = ModelVersion.objects.create(name=name)
        Promotion.objects.create(version=version)
        return version

    return promoted


@pytest.fixture
def trained(stocked: None, promote) -> ModelVersion:
    """The planted shop with a model that learned it."""
    version = promote("v1")
    assert serving.live_model() is not None
    return version
