"""The foreign project as each test finds it."""

import pytest
from django.core.cache import cache

from recommender.api import access
from recommender.engine.config import TrainConfig
from recommender.models import ModelVersion, Promotion
from recommender.serving import live
from recommender.source import get_source
from recommender.training.export import export_snapshot
from tests.foreign import world

QUICK = TrainConfig(dim=16, profile_rank=4, rating_dim=4, epochs=2, learning_rate=1e-2, batch_targets=512, bootstrap=50)


def forget() -> None:
    live.forget_live_state()
    access.forget_permissions()
    get_source.cache_clear()
    cache.clear()


@pytest.fixture(autouse=True)
def _a_process_that_just_started(monkeypatch):
    monkeypatch.setattr(live, "CHECK_EVERY", 0.0)
    forget()
    yield
    forget()


@pytest.fixture
def source(settings):
    """Makes a class of tests/foreign/sources.py, or one given, the project's source."""

    def use(cls):
        settings.RECOMMENDER_SOURCE = f"{cls.__module__}.{cls.__qualname__}"
        forget()
        assert type(get_source()) is cls
        return get_source()

    return use


@pytest.fixture
def stocked(db):
    world.fill()


@pytest.fixture
def train(settings, tmp_path):
    """Trains on what is there now, and makes the version live. Back comes the report."""
    from recommender.engine.training.pipeline import build_bundle

    settings.BUNDLE_ROOT = tmp_path / "bundles"

    def run():
        number = ModelVersion.objects.count()
        snapshot, name = tmp_path / f"snapshot{number}", f"v{number}"
        export_snapshot(source=get_source(), folder=snapshot)
        report = build_bundle(snapshot, settings.BUNDLE_ROOT / name, config=QUICK)
        Promotion.objects.create(version=ModelVersion.objects.create(name=name))
        forget()
        assert live.live_model() is not None
        return report

    return run
