"""Staff plan, start, watch, stop and decide experiments in the admin, each with the permission for it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from recommender.admin.experiments import findings_sentence
from recommender.experiments import exposures
from recommender.experiments.results import experiment_results
from recommender.models import Experiment, Exposure, ModelVersion, Promotion
from recommender.registry import promotion as versions
from tests.recommender.answers import text_of
from tests.recommender.experiments.test_experiments import LIVE, begun, of, people_of, plan, running

pytestmark = pytest.mark.django_db
LIST, PLAN = "/admin/recommender/experiment/", "/admin/recommender/experiment/plan/"
FORM = {
    "name": "Home",
    "scenario": "home",
    "share": "0.5",
    "share_of_b": "0.5",
    "days": "7",
    "people": "2000",
    "a_model": "live",
    "b_model": "popular",
}


def page(experiment, what="change") -> str:
    return f"{LIST}{experiment.pk}/{what}/"


def test_an_experiment_is_planned_and_started_in_ones_own_name(client, staff):
    grace = staff("run_experiment")
    assert PLAN in text_of(client.get(LIST))
    assert "One experiment runs at a time" in text_of(client.get(PLAN))
    answer = client.post(PLAN, FORM | {"b_diversity": "0.3"})
    experiment = Experiment.objects.get()
    assert answer.url == page(experiment)
    assert [str(arm) for arm in experiment.arms.all()] == [
        "the live version, as it changes",
        "no model: what is popular, diversity 0.3",
    ]
    shown = text_of(client.get(page(experiment)))
    assert "Nobody sees anything of it yet." in shown
    assert "for 25% of all people" in shown
    shown = text_of(client.post(page(experiment, "start"), follow=True))
    assert "Home is running. Every process follows within seconds." in shown
    assert "No clear difference so far." in shown
    experiment.refresh_from_db()
    assert (experiment.state, experiment.started_by) == ("running", grace)
    assert "Home" in text_of(client.get(LIST))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "This field is required."),
        ({"share": "2"}, "The share of people must be above 0 and at most 1."),
        ({"share_of_b": "0.05"}, "The share of arm B must be from 0.2 to 0.8"),
        ({"days": "0"}, "greater than or equal to 1"),
        ({"b_model": "live"}, "Both arms are the same."),
        ({"b_model": "999"}, "Select a valid choice."),
        ({"b_diversity": "3"}, "less than or equal to 1"),
    ],
)
def test_a_form_that_makes_no_sense_says_what_is_wrong(client, staff, wrong, said):
    staff("run_experiment")
    assert said in text_of(client.post(PLAN, FORM | wrong))
    assert not Experiment.objects.exists()


def test_a_name_that_is_taken_is_said(client, staff):
    staff("run_experiment")
    plan(name="Home")
    assert "Experiment with this Name already exists." in text_of(client.post(PLAN, FORM))


def test_a_second_one_waits_for_the_first_to_end(client, staff):
    staff("run_experiment")
    running()
    second = plan(name="Second")
    shown = text_of(client.post(page(second, "start"), follow=True))
    assert "Test is running; one experiment runs at a time." in shown
    assert "is removed." in text_of(client.post(page(second, "remove"), follow=True))
    assert not Experiment.objects.filter(name="Second").exists()


def test_a_clear_difference_is_said_and_drawn(client, staff):
    staff("view_experiment")
    experiment, *_ = begun(40)
    people_of(experiment, revenue_b=2.0)
    shown = text_of(client.get(page(experiment)))
    assert "One arm is clearly better." in shown
    assert '<span class="better">better</span>' in shown
    assert ">not clear yet</span>" in shown
    assert "<polygon" in shown
    assert "600 people saw a list of arm A" in shown
    assert "Do not trust the numbers" not in shown
    some = list(Exposure.objects.filter(arm__name="B").values_list("pk", flat=True)[:200])
    Exposure.objects.filter(pk__in=some).delete()
    assert "Do not trust the numbers below." in text_of(client.get(page(experiment)))


def test_of_few_people_there_are_means_and_no_interval(client, staff):
    staff("view_experiment")
    experiment, *_ = begun(40)
    people_of(experiment, per_arm=20)
    shown = text_of(client.get(page(experiment)))
    assert "no interval yet" in shown
    assert "They are drawn as soon as there are two days with an interval." in shown


def test_it_is_stopped_with_a_reason(client, staff):
    grace = staff("run_experiment")
    experiment = running()
    client.post(page(experiment, "stop"), {"reason": "The summer is over."})
    experiment.refresh_from_db()
    assert (experiment.state, experiment.stopped_by, experiment.reason) == ("stopped", grace, "The summer is over.")
    shown = text_of(client.get(page(experiment)))
    assert "The summer is over." in shown
    assert page(experiment, "stop") not in shown
    assert "only a running experiment can be stopped" in text_of(client.post(page(experiment, "stop"), follow=True))


def test_the_better_arm_goes_live_by_one_button_and_is_in_the_audit(client, staff, trained, promote):
    grace = staff("run_experiment", "promote_version", "view_promotion")
    other = promote("v2")
    Promotion.objects.create(version=trained)
    experiment = running({"model": LIVE}, of(other))
    people_of(experiment, revenue_b=2.0)
    shown = text_of(client.get(page(experiment)))
    assert "Stop and promote arm B, version v2" in shown
    assert "Stop and promote arm A" not in shown
    shown = text_of(client.post(page(experiment, "promote/B"), {"reason": "It sells."}, follow=True))
    assert "Test is stopped, and version v2 is live." in shown
    promotion = Promotion.objects.first()
    assert (promotion.version, promotion.by) == (other, grace)
    assert promotion.reason.startswith("Experiment Test, arm B. B beside A, 1,200 people: Revenue a customer +$")
    assert promotion.reason.endswith("It sells.")
    assert "Experiment Test, arm B." in text_of(client.get("/admin/recommender/promotion/"))


def test_promoting_takes_both_permissions(client, staff, trained, promote):
    user = staff("run_experiment")
    other = promote("v2")
    Promotion.objects.create(version=trained)
    experiment = running({"model": LIVE}, of(other))
    assert "Stop and promote" not in text_of(client.get(page(experiment)))
    assert client.post(page(experiment, "promote/B")).status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename__in=["promote_version", "view_experiment"]))
    assert client.post(page(experiment, "promote/B")).status_code == 403
    assert versions.live_version() == trained


def test_who_may_only_look_changes_nothing(client, staff):
    staff("view_experiment", "add_experiment", "change_experiment", "delete_experiment")
    experiment = plan()
    shown = text_of(client.get(page(experiment)))
    for what in ("start", "stop", "remove", "promote/B"):
        assert page(experiment, what) not in shown
        assert client.post(page(experiment, what)).status_code == 403
    assert client.get(PLAN).status_code == 403
    assert client.post(PLAN, FORM).status_code == 403
    assert client.post(page(experiment, "delete"), {"post": "yes"}).status_code == 403
    experiment.refresh_from_db()
    assert experiment.state == "planned"


def test_changes_take_a_post_and_an_experiment_that_exists(client, staff):
    staff("run_experiment", "promote_version")
    experiment = plan()
    for what in ("start", "stop", "remove", "promote/B"):
        assert client.get(page(experiment, what)).status_code == 405
        assert client.post(f"{LIST}999/{what}/").status_code == 404


def test_without_a_permission_nothing_is_seen(client, staff):
    staff("view_modelversion")
    assert client.get(LIST).status_code == 403
    assert client.get(page(plan())).status_code == 403


def test_findings_are_a_sentence():
    experiment, *_ = begun(40)
    assert findings_sentence(experiment_results(experiment)) == (
        "B beside A, 0 people: Revenue a customer +$0.00 (no interval yet); "
        "Lists clicked on, of each person's +0.00 points (no interval yet)."
    )


def test_pruned_versions_are_no_choice(client, staff):
    staff("run_experiment")
    ModelVersion.objects.create(name="kept")
    ModelVersion.objects.create(name="gone", pruned=timezone.now() - timedelta(days=1))
    shown = text_of(client.get(PLAN))
    assert "kept" in shown
    assert ">gone<" not in shown


def test_an_experiment_page_costs_the_same_however_many_people(client, staff, django_assert_max_num_queries):
    staff("view_experiment")
    experiment, *_ = begun(40)
    people_of(experiment)
    with django_assert_max_num_queries(16):
        client.get(page(experiment))
    exposures.settle_exposures(experiment)
