"""Runs and versions over the API, as a member of staff and as somebody who may not meet them."""

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

from recommender.models import Promotion, TrainingRun
from recommender.registry import promotion as versions
from recommender.training import runs
from tests.problems import fields, problem
from tests.recommender import planted_runs

RUNS, VERSIONS = "/api/v1/runs/", "/api/v1/versions/"


def signed_in(name: str, *permissions: str, staff: bool = True) -> APIClient:
    user = User.objects.create_user(name, is_staff=staff)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def admin(db):
    return signed_in("grace", "view_trainingrun", "view_modelversion", "start_training", "promote_version")


@pytest.fixture
def two_versions(db, monkeypatch):
    """v1 served before v2, which is live; nobody opens their bundles here."""
    monkeypatch.setattr(versions, "read_manifest", lambda folder: {})
    first, second = planted_runs.version("v1"), planted_runs.version("v2")
    versions.promote(version=first)
    versions.promote(version=second)
    return first, second


def test_a_run_is_started_with_its_parameters_and_who_started_it(
    admin, django_capture_on_commit_callbacks, monkeypatch
):
    sent = []
    monkeypatch.setattr("recommender.tasks.run_training.apply_async", lambda args, kwargs, **options: sent.append(args))
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin.post(RUNS, {"parameters": {"loss": "bpr", "epochs": 3}})
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["state"], body["started_by"]) == ("queued", "grace")
    assert body["parameters"] == {"loss": "bpr", "epochs": 3}
    assert sent == [(body["id"],)]
    assert admin.get(f"{RUNS}{body['id']}/").json()["state"] == "queued"


def test_who_started_a_run_is_named_whatever_users_sign_in_by(admin, monkeypatch):
    run = TrainingRun.objects.create(state=TrainingRun.State.CANCELLED)
    grace = User.objects.get(username="grace")
    TrainingRun.objects.filter(pk=run.pk).update(started_by=grace, cancelled_by=grace)
    monkeypatch.setattr(User, "get_username", lambda user: f"{user.pk}@example.com")
    body = admin.get(f"{RUNS}{run.pk}/").json()
    assert (body["started_by"], body["cancelled_by"]) == (f"{grace.pk}@example.com",) * 2


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"parameters": {"loss": "hinge"}}, "parameters", "loss is 'hinge'"),
        ({"parameters": {"epochs": "many"}}, "parameters", "epochs is 'many'"),
        ({"parameters": {"speed": 3}}, "parameters", "'speed' is no training parameter"),
        ({"loss": "bpr"}, "loss", "Unknown field"),
    ],
)
def test_parameters_that_make_no_sense_are_400_and_start_nothing(admin, body, field, said):
    answer = admin.post(RUNS, body)
    assert field in fields(answer)
    assert said in answer.json()["detail"]
    assert not TrainingRun.objects.exists()


def test_a_second_run_at_the_same_time_is_a_conflict(admin):
    run = runs.start_run(parameters={})
    answer = admin.post(RUNS, {})
    assert problem(answer, 409)["detail"] == f"Run {run.pk} is queued; one run at a time."


def test_a_waiting_run_is_cancelled_once(admin):
    run = runs.start_run(parameters={})
    answer = admin.post(f"{RUNS}{run.pk}/cancel/")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    again = admin.post(f"{RUNS}{run.pk}/cancel/")
    assert again.status_code == 409
    assert "only a run that has not ended can be cancelled" in again.json()["detail"]


def test_versions_say_which_one_is_live_and_show_what_was_measured(admin, two_versions):
    rows = admin.get(VERSIONS).json()["results"]
    assert [(row["name"], row["live"]) for row in rows] == [("v2", True), ("v1", False)]
    assert rows[0]["metrics"]["ndcg_10"] == pytest.approx(0.108)
    assert admin.get(f"{VERSIONS}v1/").json()["report"]["users"] == 943


def test_promoting_and_rolling_back_change_the_live_version_and_are_audited(admin, two_versions):
    answer = admin.post(f"{VERSIONS}v1/promote/", {"reason": "v2 looks odd"})
    assert (answer.status_code, answer.json()["live"]) == (200, True)
    back = admin.post(f"{VERSIONS}roll-back/", {"reason": "it was not"})
    assert (back.status_code, back.json()["name"], back.json()["live"]) == (200, "v2", True)
    newest, before = Promotion.objects.all()[:2]
    assert (newest.action, newest.by.username, newest.reason) == ("roll back", "grace", "it was not")
    assert (before.version.name, before.reason) == ("v1", "v2 looks odd")


def test_a_refused_version_takes_an_override_with_a_reason(admin, two_versions):
    planted_runs.version("v3", ours=0.01)
    plain = admin.post(f"{VERSIONS}v3/promote/", {})
    assert plain.status_code == 409
    assert "was not let through" in plain.json()["detail"]
    assert admin.post(f"{VERSIONS}v3/promote/", {"override": True}).status_code == 409
    assert admin.post(f"{VERSIONS}v3/promote/", {"override": True, "reason": "a test shop"}).status_code == 200
    assert Promotion.objects.first().action == "override"


def test_what_serves_already_is_a_conflict_and_what_is_not_there_is_404(admin, two_versions):
    assert admin.post(f"{VERSIONS}v2/promote/", {}).status_code == 409
    assert admin.post(f"{VERSIONS}nothing/promote/", {}).status_code == 404
    assert admin.post(f"{RUNS}999999/cancel/").status_code == 404


def test_who_may_only_look_changes_nothing(two_versions):
    viewer = signed_in("vera", "view_trainingrun", "view_modelversion")
    assert viewer.get(RUNS).status_code == viewer.get(VERSIONS).status_code == 200
    for address in (RUNS, f"{VERSIONS}v1/promote/", f"{VERSIONS}roll-back/"):
        assert viewer.post(address, {}).status_code == 403
    assert versions.live_version().name == "v2"
    assert not TrainingRun.objects.filter(state="queued").exists()


def test_a_permission_without_being_staff_opens_nothing(two_versions):
    outsider = signed_in("ole", "view_trainingrun", "start_training", "promote_version", staff=False)
    assert outsider.get(RUNS).status_code == outsider.post(RUNS, {}).status_code == 403
    assert outsider.post(f"{VERSIONS}roll-back/", {}).status_code == 403
