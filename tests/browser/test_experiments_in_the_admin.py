"""A member of staff plans an experiment, starts it, watches it, and lets the better arm go live, in a real browser."""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.models import Experiment, ListCount, Promotion
from tests.browser.looks import fits, follow
from tests.browser.staff import sign_in
from tests.recommender.experiments.test_experiments import people_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_experiment_from_its_plan_to_the_better_arm_going_live(page, trained, promote):
    better = promote("v2")
    Promotion.objects.create(version=trained)
    sign_in(page, "/admin/recommender/experiment/plan/")
    page.fill("input[name=name]", "Home in spring")
    page.select_option("select[name=b_model]", label="v2")
    fits(page, "experiment-plan")
    follow(page.get_by_role("button", name="Plan"))
    page.get_by_text("Nobody sees anything of it yet.").wait_for()
    follow(page.get_by_role("button", name="Start"))
    page.get_by_text("Home in spring is running.").wait_for()
    fits(page, "experiment-begun")

    experiment = Experiment.objects.get()
    Experiment.objects.update(started=timezone.now() - timedelta(days=40))
    people_of(experiment, revenue_b=2.0)
    page.reload()
    page.get_by_text("One arm is clearly better.").wait_for()
    fits(page, "experiment-decided")
    page.fill("[name=reason]", "It sells.")
    follow(page.get_by_role("button", name="Stop and promote arm B"))
    page.get_by_text("is stopped, and version v2 is live.").wait_for()
    assert Promotion.objects.first().version == better
    page.goto("/admin/recommender/promotion/")
    assert "Experiment Home in spring, arm B." in page.inner_text("body")


def test_what_lists_brought_beside_the_popular_list(page, db):
    today = timezone.localdate()
    for source, version, clicked in (("two_tower", "v7", 20), ("popular", "", 5)):
        ListCount.objects.bulk_create(
            ListCount(
                day=today - timedelta(days=day), scenario="home", source=source, version=version, bucket=bucket,
                lists=100, views=1000, clicks=clicked + 1, clicked=clicked + bucket % 3,
            )
            for day in range(3)
            for bucket in range(20)
        )  # fmt: skip
    sign_in(page, "/admin/recommender/listcount/")
    assert "v7" in page.inner_text("body")
    fits(page, "list-results")
