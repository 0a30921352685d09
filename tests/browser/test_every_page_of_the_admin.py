"""Every page of the recommender in the admin on a phone and on a desk, in light and dark: no wider than the screen.

The admin has one of two looks; `pytest --ds=tests.plain.settings` walks through Django's own.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.models import (
    DriftFinding,
    Event,
    ListCount,
    Promotion,
    ServedList,
    TrainingRun,
    TrainingSchedule,
)
from tests.browser.looks import fits, follow
from tests.browser.staff import sign_in
from tests.recommender import planted_runs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HERE = "/admin/recommender"


def plant():
    """Something of each kind to show: versions, a run at work, a schedule, a finding, a list and what came of it."""
    old = planted_runs.version("20261101-0410")
    new = planted_runs.version("20261129-0410", study=planted_runs.STUDY)
    refused = planted_runs.version("20261130-0410", ours=0.02)
    Promotion.objects.create(version=old)
    Promotion.objects.create(version=new, reason="It sells more of what is new.")
    run = TrainingRun.objects.create(
        state=TrainingRun.State.TRAINING,
        phase="Epoch 3 of 20",
        progress=0.4,
        started=timezone.now() - timedelta(minutes=3),
        parameters={"loss": "softmax", "epochs": 20},
        curve=new.report["curve"],
        log="12:00:00 Read 943 customers.\n12:00:04 Epoch 2: loss 6.1, NDCG@10 .110",
    )
    TrainingSchedule.objects.create(active=True, hour=4, run=old.run)
    DriftFinding.objects.create(
        time=timezone.now(),
        level="high",
        subject="profiles",
        measure="psi",
        value=0.31,
        counted=943,
        version=new,
        words="Age has moved.",
    )
    ServedList.objects.create(customer="C7", items=["P1"], scenario="home", source="two_tower", version=new)
    Event.objects.create(kind="view", item="P1", customer="C7")
    ListCount.objects.create(
        day=timezone.localdate(),
        scenario="home",
        source="two_tower",
        version=new.name,
        bucket=0,
        lists=900,
        views=9000,
        clicks=90,
    )
    return old, new, refused, run


def test_every_page_fits_the_screen_in_light_and_dark(page, stocked):
    old, new, refused, run = plant()
    sign_in(page, f"{HERE}/trainingrun/")
    pages = {
        "runs": "trainingrun/",
        "run-at-work": f"trainingrun/{run.pk}/change/",
        "run-ended": f"trainingrun/{new.run_id}/change/",
        "versions": "modelversion/",
        "version": f"modelversion/{new.pk}/change/",
        "promote": f"modelversion/{old.pk}/promote/",
        "promote-refused": f"modelversion/{refused.pk}/promote/",
        "roll-back": "modelversion/roll-back/",
        "schedules": "trainingschedule/",
        "schedule": "trainingschedule/add/",
        "drift": "driftfinding/",
        "experiments": "experiment/",
        "plan": "experiment/plan/",
        "results": "listcount/",
        "audit": "promotion/",
        "promotion": f"promotion/{Promotion.objects.first().pk}/change/",
        "lists": "servedlist/",
        "events": "event/",
        "retrain-while-one-is-active": "trainingrun/retrain/",
    }
    for name, address in pages.items():
        assert page.goto(f"{HERE}/{address}").status == 200, name
        fits(page, f"admin-{name}")
    TrainingRun.objects.filter(pk=run.pk).update(state=TrainingRun.State.CANCELLED)
    page.goto(f"{HERE}/trainingrun/retrain/")
    fits(page, "admin-retrain")


def test_a_run_moves_on_while_one_looks_and_is_cancelled_with_one_click(page, stocked):
    run = TrainingRun.objects.create(state=TrainingRun.State.TRAINING, phase="Epoch 1 of 20", progress=0.1)
    sign_in(page, f"{HERE}/trainingrun/{run.pk}/change/")
    page.evaluate("window.neverReloaded = true")
    TrainingRun.objects.filter(pk=run.pk).update(phase="Epoch 2 of 20", progress=0.5, heartbeat=timezone.now())
    page.get_by_text("Epoch 2 of 20").wait_for()
    assert page.evaluate("window.neverReloaded") is True
    assert page.get_by_role("progressbar").get_attribute("value") == "50"
    follow(page.get_by_role("button", name="Cancel this run"))
    page.get_by_text(f"Run {run.pk} is cancelled.").wait_for()
    run.refresh_from_db()
    assert run.cancel_requested
