"""Staff watch runs, start and cancel them, compare versions and choose which one serves, each with a permission of
their own; every choice is in the audit."""

import shutil
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone

from recommender import tasks
from recommender.admin.pages import duration
from recommender.models import Event, Promotion, ServedList, TrainingRun
from recommender.registry import promotion as versions
from recommender.training import runs
from recommender.training.gate import gate_rules
from tests.recommender import planted_runs
from tests.recommender.answers import text_of

pytestmark = pytest.mark.django_db
State = TrainingRun.State
RETRAIN = "/admin/recommender/trainingrun/retrain/"
ROLL_BACK = "/admin/recommender/modelversion/roll-back/"


@pytest.fixture
def sent(monkeypatch):
    """The runs that were sent to the training queue, once they were committed."""
    runs = []
    monkeypatch.setattr(
        tasks.run_training, "apply_async", lambda arguments, named, **options: runs.append(arguments[0])
    )
    return runs


@pytest.fixture
def staff(staff):
    """Signs somebody in who may look at everything of the recommender, and what else is named."""
    return lambda *permissions: staff("view_trainingrun", "view_modelversion", "view_promotion", *permissions)


@pytest.fixture
def bundled(bundle, settings, tmp_path):
    """A version that has a whole bundle: it can be promoted."""
    settings.BUNDLE_ROOT = tmp_path / "bundles"

    def make(name: str, **quality: float):
        shutil.copytree(bundle, settings.BUNDLE_ROOT / name)
        return planted_runs.version(name, **quality)

    return make


def page(row) -> str:
    return reverse(f"admin:recommender_{row._meta.model_name}_change", args=[row.pk])


@pytest.mark.parametrize("parts", [{"template": "x"}, {"message": "{time}", "values": {}}, ["x"]], ids=str)
def test_a_row_with_the_sentences_of_another_version_is_shown_in_english(client, staff, parts):
    staff()
    run = TrainingRun.objects.create(
        state=State.FAILED, error="The disk is full.", error_parts=parts, phase_parts=parts
    )
    version = planted_runs.version("v1")
    type(version).objects.filter(pk=version.pk).update(gate_reason="Refused.", gate_reason_parts=parts)
    promotion = Promotion.objects.create(version=version, reason="Fresh data", reason_parts=parts)
    german = {"headers": {"accept-language": "de"}}
    assert "The disk is full." in text_of(client.get(page(run), **german))
    assert "Refused." in text_of(client.get(page(version), **german))
    for row, text in ((run, f"{run.pk}"), (version, "v1"), (promotion, "Fresh data")):
        answer = client.get(reverse(f"admin:recommender_{row._meta.model_name}_changelist"), **german)
        assert text in text_of(answer)


# --- starting a run ---------------------------------------------------------------------------------------------------


def test_the_retrain_button_queues_a_run_in_ones_own_name(client, staff, sent, django_capture_on_commit_callbacks):
    grace = staff("start_training")
    assert RETRAIN in text_of(client.get("/admin/recommender/trainingrun/"))
    assert gate_rules()[0] in text_of(client.get(RETRAIN))
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(
            RETRAIN, {"loss": "bpr", "epochs": "7", "minutes": "90", "tune": "4", "warm_start": "on"}
        )
    run = TrainingRun.objects.get()
    assert response.url == page(run)
    asked = {"loss": "bpr", "epochs": 7, "minutes": 90.0, "tune": 4, "warm_start": True}
    assert (run.state, run.parameters, run.started_by) == (State.QUEUED, asked, grace)
    assert sent == [run.pk]


def test_without_the_permission_there_is_no_button_and_the_page_is_closed(client, staff):
    staff()
    assert RETRAIN not in text_of(client.get("/admin/recommender/trainingrun/"))
    assert client.get(RETRAIN).status_code == 403
    assert client.post(RETRAIN, {"loss": "bpr", "epochs": "7"}).status_code == 403
    assert not TrainingRun.objects.exists()


@pytest.mark.parametrize(("field", "value"), [("loss", "hinge"), ("epochs", "0"), ("epochs", "many"), ("epochs", "")])
def test_a_setting_that_makes_no_sense_is_refused_beside_its_field(client, staff, field, value):
    staff("start_training")
    response = client.post(RETRAIN, {"loss": "softmax", "epochs": "5", field: value})
    assert field in response.context["form"].errors
    assert not TrainingRun.objects.exists()


def test_while_a_run_is_active_the_page_says_so(client, staff):
    staff("start_training")
    active = TrainingRun.objects.create(state=State.TRAINING)
    shown = text_of(client.get(RETRAIN))
    assert f"Run {active.pk}</a> is training." in shown
    assert 'name="epochs"' not in shown
    answer = text_of(client.post(RETRAIN, {"loss": "softmax", "epochs": "5"}))
    assert f"Run {active.pk}</a> is training." in answer
    assert TrainingRun.objects.count() == 1


def test_a_run_whose_process_died_does_not_stand_in_the_way(client, staff, sent):
    staff("start_training")
    long_ago = timezone.now() - timedelta(hours=2)
    dead = TrainingRun.objects.create(state=State.TRAINING, heartbeat=long_ago)
    assert 'name="epochs"' in text_of(client.get(RETRAIN))
    client.post(RETRAIN, {"loss": "softmax", "epochs": 3, "tune": 0})
    dead.refresh_from_db()
    assert dead.state == State.FAILED
    assert TrainingRun.objects.get(state=State.QUEUED).started_by is not None


def test_without_a_broker_the_run_page_says_what_is_wrong(
    client, staff, monkeypatch, django_capture_on_commit_callbacks
):
    staff("start_training")

    def refuse(*arguments, **options):
        raise ConnectionRefusedError("Connection refused")

    monkeypatch.setattr(tasks.run_training, "apply_async", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(RETRAIN, {"loss": "softmax", "epochs": "5"})
    shown = text_of(client.get(response.url))
    assert "The task queue cannot be reached" in shown
    assert TrainingRun.objects.get().state == State.FAILED


# --- watching a run ---------------------------------------------------------------------------------------------------


def test_a_run_being_executed_shows_how_far_it_is_and_refreshes_itself(client, staff):
    staff()
    run = TrainingRun.objects.create(
        state=State.TRAINING,
        progress=0.43,
        phase="Training: epoch 3, loss 6.100",
        started=timezone.now() - timedelta(seconds=60),
        curve=planted_runs.report()["curve"],
        log="12:00:01 Read 943 customers.",
    )
    shown = text_of(client.get(page(run)))
    assert 'value="43"' in shown
    assert "Training: epoch 3, loss 6.100" in shown
    assert "Read 943 customers." in shown
    assert "<polyline" in shown
    assert "43 %, 1 min 20 s left at most" in shown
    panel = f"/admin/recommender/trainingrun/{run.pk}/panel/"
    assert f'data-panel="{panel}"' in shown
    assert '<meta http-equiv="refresh"' in shown
    TrainingRun.objects.update(state=State.FAILED, error="There are no interactions: a model needs purchases.")
    ended = text_of(client.get(panel))
    assert "There are no interactions: a model needs purchases." in ended
    assert "/panel/" not in ended


def test_a_run_that_ended_shows_its_report_beside_popularity(client, staff):
    staff()
    version = planted_runs.version("v7")
    shown = text_of(client.get(page(version.run)))
    assert "v7</a>" in shown
    assert "NDCG@10 .108 beside .043 for popularity" in shown
    assert '<th scope="row">this model</th><td>.108</td><td>.094 to .122</td>' in shown
    assert '<th scope="row">popularity</th><td>.043</td>' in shown
    assert '<td>+.065</td><td>+.051 to +.079</td><td><span class="better">better</span></td>' in shown
    assert "1 to 5 purchases <small>311 people</small>" in shown
    assert "+.065 (+.051 to +.079) beside popularity" in shown
    assert "41% of what 812 people bought next they had bought before." in shown
    assert '<th scope="row">what each bought most often</th><td>+.030</td><td>+.024 to +.037</td>' in shown
    assert '<th scope="row">this model</th><td>42%</td><td>17%</td><td>.810</td>' in shown
    assert "predicted 4.25, given 4.40 (472 ratings)" in shown
    assert '<th scope="row">each item&#x27;s mean</th><td>1.023</td>' in shown
    assert "100,000 interactions" in shown
    assert "/panel/" not in shown


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (12, "12 s"), (204, "3 min 24 s"), (7_500, "2 h 5 min"), (90_000, "25 h 0 min")]
)
def test_how_long_a_run_took_is_said_in_two_units(seconds, said):
    assert duration(timedelta(seconds=seconds)) == said


def test_nothing_of_a_run_can_be_edited_or_deleted(client, staff):
    staff("start_training", "change_trainingrun", "delete_trainingrun", "add_trainingrun")
    version = planted_runs.version("v1")
    address = page(version.run)
    assert client.post(address, {"state": "failed"}).status_code == 403
    assert client.post(address.replace("change", "delete"), {"post": "yes"}).status_code == 403
    assert client.get("/admin/recommender/trainingrun/add/").status_code == 403
    version.run.refresh_from_db()
    assert version.run.state == State.PROMOTED


def test_the_list_of_runs_costs_the_same_however_many_there_are(client, staff, django_assert_max_num_queries):
    staff()
    for n in range(12):
        planted_runs.version(f"v{n}")
    with django_assert_max_num_queries(12):
        shown = text_of(client.get("/admin/recommender/trainingrun/"))
    assert "v11</a>" in shown


# --- cancelling -------------------------------------------------------------------------------------------------------


def test_a_queued_run_is_cancelled_by_its_button(client, staff):
    staff("start_training")
    run = runs.start_run(parameters={})
    cancel = f"/admin/recommender/trainingrun/{run.pk}/cancel/"
    assert cancel in text_of(client.get(page(run)))
    assert client.post(cancel).url == page(run)
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    shown = text_of(client.get(page(run)))
    assert cancel not in shown
    assert "<dt>Cancelled by</dt><dd>grace</dd>" in shown


def test_a_run_being_executed_is_asked_to_stop(client, staff):
    staff("start_training")
    run = TrainingRun.objects.create(state=State.TRAINING)
    shown = text_of(client.post(f"/admin/recommender/trainingrun/{run.pk}/cancel/", follow=True))
    assert "It stops within seconds." in shown
    run.refresh_from_db()
    assert run.cancel_requested


def test_cancelling_takes_a_post_and_the_permission(client, staff):
    run = runs.start_run(parameters={})
    cancel = f"/admin/recommender/trainingrun/{run.pk}/cancel/"
    user = staff()
    assert client.post(cancel).status_code == 403
    assert cancel not in text_of(client.get(page(run)))
    user.user_permissions.add(Permission.objects.get(codename="start_training"))
    assert client.get(cancel).status_code == 405
    run.refresh_from_db()
    assert run.state == State.QUEUED


def test_the_run_page_counts_customers_and_not_the_engines_users(client, staff):
    staff("start_training")
    shown = text_of(client.get(page(planted_runs.version("v1").run)))
    assert "943 customers, 1,682 items, 100,000 interactions" in shown


def test_what_has_ended_cannot_be_cancelled_and_says_so(client, staff):
    staff("start_training")
    run = planted_runs.version("v1").run
    shown = text_of(client.post(f"/admin/recommender/trainingrun/{run.pk}/cancel/", follow=True))
    assert "only a run that has not ended can be cancelled" in shown


def test_the_page_of_a_run_that_its_time_limit_ended_says_so(client, staff):
    staff("view_trainingrun")
    limited = planted_runs.version("limited", out_of_time=True, minutes=90.0).run
    said = "The limit of 90 minutes ended training"
    assert said in text_of(client.get(page(limited)))
    assert said not in text_of(client.get(page(planted_runs.version("whole").run)))


def test_the_trials_of_a_tuning_are_on_the_pages_of_run_and_version(client, staff):
    staff()
    version = planted_runs.version("v1", study=planted_runs.STUDY)
    for shown in (text_of(client.get(page(version))), text_of(client.get(page(version.run)))):
        assert "Trials of other settings" in shown
        assert "<td>.1420</td><td>5</td><td>22</td><td>chosen</td>" in shown
        assert "dim 64, learning_rate 0.0021" in shown
    assert "Trials of other settings" not in text_of(client.get(page(planted_runs.version("v2"))))


SAMPLES = [
    {
        "user": "C7",
        "purchases": 12,
        "history": ["P3", "gone"],
        "list": [["P1", 0.9], ["P2", 0.8]],
        "before": [["P1", 0.7], ["P4", 0.6]],
    }
]


def test_a_few_customers_lists_stand_beside_those_of_before_by_name(client, staff, stocked):
    staff("view_customer")
    shown = text_of(client.get(page(planted_runs.version("v1", samples=SAMPLES))))
    assert "C7, 12 purchases: 1 of 2 items stay" in shown
    assert "<li>Garden thing 3</li><li>gone</li>" in shown
    assert '<li class="">Kitchen thing 1</li><li class="gone">Running thing 4</li>' in shown
    assert '<li class="">Kitchen thing 1</li><li class="new">Books thing 2</li>' in shown


def test_who_may_not_see_customers_sees_no_ones_lists(client, staff):
    user = staff()
    version = planted_runs.version("v1", samples=SAMPLES)
    report = f"/admin/recommender/modelversion/{version.pk}/report.json"
    assert "C7, " not in text_of(client.get(page(version)))  # the bare key may be in a CSRF token
    assert "samples" not in client.get(report).json()
    user.user_permissions.add(Permission.objects.get(codename="view_customer"))
    assert client.get(report).json()["samples"] == SAMPLES


def test_the_report_is_a_file_to_keep(client, staff):
    staff()
    version = planted_runs.version("v1")
    address = f"/admin/recommender/modelversion/{version.pk}/report.json"
    assert address in text_of(client.get(page(version)))
    answer = client.get(address)
    assert answer["Content-Disposition"] == 'attachment; filename="v1.json"'
    assert answer.json()["models"] == version.report["models"]
    assert client.get("/admin/recommender/modelversion/999/report.json").status_code == 404


# --- choosing what serves ---------------------------------------------------------------------------------------------


def test_versions_stand_beside_the_one_that_serves(client, staff):
    staff()
    old, new = planted_runs.version("v1", ours=0.09), planted_runs.version("v2", ours=0.12)
    Promotion.objects.create(version=old)
    shown = text_of(client.get("/admin/recommender/modelversion/"))
    assert "v1</a> serves. NDCG@10 .090 (.076 to .104), popularity .043" in shown
    assert ".120 (.106 to .134)" in shown
    assert "+.077 (+.063 to +.091)" in shown
    assert "v2" in text_of(client.get(page(new)))


def test_a_version_is_promoted_with_a_reason_and_recorded(client, staff, bundled):
    grace = staff("promote_version")
    version = bundled("v1")
    assert "Passed" in text_of(client.get(f"/admin/recommender/modelversion/{version.pk}/promote/"))
    client.post(f"/admin/recommender/modelversion/{version.pk}/promote/", {"reason": "Looks right on the home page."})
    promotion = Promotion.objects.get()
    assert (promotion.version, promotion.by, promotion.action) == (version, grace, "promote")
    audit = text_of(client.get("/admin/recommender/promotion/"))
    assert "Looks right on the home page." in audit
    assert "grace" in audit
    assert "Looks right on the home page." in text_of(client.get(page(version)))


def test_what_the_gate_refused_is_promoted_only_by_somebody_who_says_why(client, staff, bundled):
    staff("promote_version")
    version = bundled("v1", ours=0.01)
    address = f"/admin/recommender/modelversion/{version.pk}/promote/"
    assert "The gate refused version v1." in text_of(client.get(address))
    assert "reason" in client.post(address, {"reason": "  "}).context["form"].errors
    assert not Promotion.objects.exists()
    client.post(address, {"reason": "The measured week was a strike."})
    promotion = Promotion.objects.get()
    assert (promotion.action, promotion.reason) == ("override", "The measured week was a strike.")


def test_a_version_whose_bundle_is_gone_is_not_promoted_and_says_why(client, staff, settings, tmp_path):
    staff("promote_version")
    settings.BUNDLE_ROOT = tmp_path
    version = planted_runs.version("v1")
    shown = text_of(client.post(f"/admin/recommender/modelversion/{version.pk}/promote/", {"reason": ""}))
    assert "Version v1 cannot serve" in shown
    assert not Promotion.objects.exists()


def test_the_versions_name_the_best_so_far_where_another_serves(client, staff, bundled):
    staff("view_modelversion")
    for name in ("v1", "v2"):
        versions.promote(version=bundled(name))
        shown = text_of(client.get("/admin/recommender/modelversion/"))
        assert (">v1</a> is the best so far" in shown) is (name == "v2")


def test_rolling_back_goes_to_what_served_before(client, staff, bundled):
    grace = staff("promote_version")
    old, new = bundled("v1"), bundled("v2")
    versions.promote(version=old)
    versions.promote(version=new)
    assert "Roll back to v1" in text_of(client.get(ROLL_BACK))
    assert client.post(ROLL_BACK, {"reason": "Odd lists."}).url == page(old)
    assert versions.live_version() == old
    newest = Promotion.objects.first()
    assert (newest.action, newest.by, newest.reason) == ("roll back", grace, "Odd lists.")


def test_with_nothing_before_it_there_is_nothing_to_roll_back_to(client, staff):
    staff("promote_version")
    assert "There is no earlier version" in text_of(client.get(ROLL_BACK))
    assert "There is no earlier version" in text_of(client.post(ROLL_BACK, {"reason": ""}))


def test_promoting_and_rolling_back_take_the_permission(client, staff):
    staff("start_training")
    version = planted_runs.version("v1")
    for address in (f"/admin/recommender/modelversion/{version.pk}/promote/", ROLL_BACK):
        assert client.get(address).status_code == 403
        assert client.post(address, {"reason": "x"}).status_code == 403
        assert address not in text_of(client.get(page(version)))
    assert not Promotion.objects.exists()


def test_the_audit_is_read_only(client, staff):
    staff("change_promotion", "delete_promotion", "add_promotion")
    promotion = Promotion.objects.create(version=planted_runs.version("v1"))
    address = page(promotion)
    assert client.get(address).status_code == 200
    assert client.post(address, {"reason": "other"}).status_code == 403
    assert client.post(address.replace("change", "delete"), {"post": "yes"}).status_code == 403
    assert Promotion.objects.get().reason == ""


def test_lists_and_events_can_be_looked_at(client, staff):
    staff("view_servedlist", "view_event")
    served = ServedList.objects.create(customer="C1", scenario="home", source="popular", items=["P1", "P2"])
    Event.objects.create(kind="click", item="P1", customer="C1", recommendation=served)
    assert "home" in text_of(client.get("/admin/recommender/servedlist/", {"q": "C1"}))
    assert "P1" in text_of(client.get("/admin/recommender/event/", {"q": "C1"}))
    assert "P1" in text_of(client.get(page(served)))


def test_somebody_without_any_permission_sees_nothing(client):
    client.force_login(User.objects.create_user("new", is_staff=True))
    version = planted_runs.version("v1")
    for address in (
        page(version),
        page(version.run),
        f"/admin/recommender/trainingrun/{version.run.pk}/panel/",
        f"/admin/recommender/modelversion/{version.pk}/report.json",
        "/admin/recommender/promotion/",
        "/admin/recommender/trainingrun/",
        "/admin/recommender/modelversion/",
    ):
        assert client.get(address).status_code == 403


# --- starting again ---------------------------------------------------------------------------------------------------


def test_a_run_that_failed_is_started_again_by_one_click(client, staff, sent, django_capture_on_commit_callbacks):
    user = staff("start_training")
    failed = TrainingRun.objects.create(state=State.FAILED, parameters={"epochs": 3}, error="The disk is full.")
    assert "Start again" in client.get(page(failed)).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(f"/admin/recommender/trainingrun/{failed.pk}/again/")
    again = TrainingRun.objects.latest("pk")
    assert answer.url == page(again)
    assert (again.state, again.parameters, again.started_by) == (State.QUEUED, {"epochs": 3}, user)
    assert sent == [again.pk]


def test_starting_again_takes_the_permission_a_post_and_an_idle_shop(client, staff):
    failed = TrainingRun.objects.create(state=State.FAILED)
    address = f"/admin/recommender/trainingrun/{failed.pk}/again/"
    user = staff()
    assert "Start again" not in client.get(page(failed)).content.decode()
    assert client.post(address).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="start_training"))
    assert client.get(address).status_code == 405
    active = TrainingRun.objects.create(state=State.TRAINING)
    assert f"Run {active.pk} is training; one run at a time." in client.post(address, follow=True).content.decode()
    assert TrainingRun.objects.count() == 2


def test_lists_show_words_in_colour_and_no_markup(client, staff):
    planted_runs.version("v1")
    staff()
    for address, word in (("trainingrun/", "promoted"), ("modelversion/", "passed")):
        shown = client.get(f"/admin/recommender/{address}").content.decode()
        assert word in shown
        assert "&lt;" not in shown
