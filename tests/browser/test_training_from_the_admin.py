"""An admin trains, looks on, reads the report, promotes and rolls back: a real browser and a real training worker."""

import os
import subprocess
import sys

import pytest
from django.conf import settings as site
from django.db import connection

from recommender.models import ModelVersion, Promotion, TrainingRun
from recsite.celery import app
from tests.browser.looks import fits, follow, picture
from tests.browser.staff import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
State = TrainingRun.State
A_WORKER_STARTS_AND_LEARNS_WITHIN = 240_000  # milliseconds, on a busy machine


@pytest.fixture
def worker(settings, tmp_path, stocked):
    """A training worker with the test's database, bundles and a queue in Redis of its own."""
    if connection.vendor != "postgresql" or not site.REDIS_URL:
        pytest.skip("A worker in a process of its own needs PostgreSQL and Redis: set DATABASE_URL and REDIS_URL.")
    settings.BUNDLE_ROOT = tmp_path / "bundles"
    server, number = site.REDIS_URL.rsplit("/", 1)
    # Away from the databases that tests side by side keep their caches in, and empty.
    queue, broker = f"training-{os.getpid()}", f"{server}/{(int(number) + 8) % 16}"
    of = connection.settings_dict
    database = f"postgres://{of['USER']}:{of['PASSWORD']}@{of['HOST']}:{of['PORT'] or 5432}/{of['NAME']}"
    before = {name: app.conf[name] for name in ("broker_url", "broker_transport_options", "task_routes")}
    app.conf.update(
        broker_url=broker,
        broker_transport_options={},
        task_routes={"recommender.tasks.run_training": {"queue": queue}},
    )
    forget_broker()
    app.set_default()
    environment = {
        **os.environ,
        "DATABASE_URL": database.replace("://:@", "://").replace(":@", "@"),
        "CELERY_BROKER_URL": broker,
        "BUNDLE_ROOT": str(settings.BUNDLE_ROOT),
        "VAR_DIR": str(tmp_path / "var"),
        "DJANGO_SETTINGS_MODULE": "recsite.settings",
        "DEBUG": "1",
    }
    command = [sys.executable, "-m", "celery", "-A", "recsite", "worker", "-Q", queue, "--pool=solo", "-l", "INFO"]
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=site.BASE_DIR, stdout=log, stderr=log)
    yield tmp_path / "worker.log"
    process.terminate()
    process.wait(30)
    app.conf.update(before)
    forget_broker()


def forget_broker() -> None:
    """Without this the app sends to the broker that an earlier test of this process had it connect to."""
    app.amqp.__dict__.pop("router", None)
    app.amqp._producer_pool = app._pool = None


def choose(page, action):
    """One of the page's actions, which a phone shows behind a button."""
    if page.viewport_size["width"] < 768:
        page.get_by_text("more_horiz").first.click()
    follow(page.get_by_role("link", name=action).locator("visible=true").first)


def train(page) -> ModelVersion:
    """One run from the button, watched to its end without a reload; the version that came of it."""
    page.goto("/admin/recommender/trainingrun/")
    choose(page, "Retrain")
    page.get_by_label("Epochs").fill("3")
    follow(page.get_by_role("button", name="Retrain"))
    page.evaluate("window.neverReloaded = true")
    run = TrainingRun.objects.first()
    page.get_by_role("progressbar").wait_for()
    page.get_by_text("Passed:").first.wait_for(timeout=A_WORKER_STARTS_AND_LEARNS_WITHIN)
    assert page.evaluate("window.neverReloaded") is True
    run.refresh_from_db()
    assert (run.state, run.started_by.username) == (State.PROMOTED, "root")
    return run.version


def test_train_look_on_read_the_report_promote_and_roll_back(page, worker):
    sign_in(page, "/admin/recommender/trainingrun/")
    first = train(page)
    picture(page, "admin-run")
    second = train(page)
    follow(page.get_by_role("link", name=second.name).first)
    page.get_by_role("heading", name="A few customers, before and after").wait_for()
    page.get_by_text("Everything that was measured").click()
    report = page.inner_text("#content, main")
    for part in ("NDCG@10", "popularity", "While it learned", "Profile only", "Listed before"):
        assert part in report
    fits(page, "admin-report")

    page.goto("/admin/recommender/modelversion/")
    picture(page, "admin-versions")
    choose(page, "Roll back")
    follow(page.get_by_role("button", name="Roll back"))
    page.get_by_text(f"{first.name}").first.wait_for()
    assert Promotion.objects.first().version == first

    page.goto(f"/admin/recommender/modelversion/{second.pk}/change/")
    choose(page, "Promote")
    page.get_by_label("Reason").fill("The newer one after all")
    follow(page.get_by_role("button", name="Promote"))
    page.get_by_text("The newer one after all").first.wait_for()
    promotion = Promotion.objects.first()
    assert (promotion.version, promotion.by.username) == (second, "root")
    picture(page, "admin-promoted")
    page.goto("/admin/recommender/promotion/")
    assert "root" in page.inner_text("#content, main")
    picture(page, "admin-audit")
