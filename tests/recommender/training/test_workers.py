"""What stands between the Retrain button and a training: no Celery app, no route, no clock, no broker, no worker."""

import importlib
from types import SimpleNamespace

import celery
import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from django.contrib.auth.models import Permission, User
from django.utils.translation import override

import recommender.celery
from recommender import extras
from recommender.celery import beat_schedule, task_routes
from recommender.training import missing_for_training, workers
from recommender.training.queueing import TASK_NAME

READY = {"task_routes": task_routes, "beat_schedule": beat_schedule}


@pytest.fixture(autouse=True)
def _ask_again(monkeypatch):
    """No test finds the answer that another one got."""
    monkeypatch.setattr(workers, "_remembered", None)


@pytest.fixture
def project(monkeypatch):
    """Makes an app of a project, and lets it be the one that the recommender finds."""

    def make(name="music", broker="memory://", **settings):
        app = Celery(name, broker=broker, set_as_current=False)
        app.conf.update(settings)
        monkeypatch.setattr(celery, "current_app", app)
        return app

    return make


def numbers():
    return [message.id for message in workers.check_celery(None)]


# --- manage.py check --------------------------------------------------------------------------------------------------


def test_a_project_with_no_celery_app_is_told(project):
    project(name="default")
    assert numbers() == ["recommender.W040"]


def test_a_project_without_route_and_clock_is_told_the_line_for_each(project):
    project()
    messages = workers.check_celery(None)
    assert [message.id for message in messages] == ["recommender.W041", "recommender.W042"]
    assert "from recommender.celery import task_routes" in messages[0].hint
    assert "from recommender.celery import beat_schedule" in messages[1].hint


def test_a_check_names_the_settings_as_the_project_writes_them_and_speaks_english(project):
    app = project()
    hints = [message.hint for message in workers.check_celery(None)]
    assert [hint.partition(" =")[0] for hint in hints] == [
        "task_routes of your Celery app",
        "beat_schedule of your Celery app",
    ]
    app.config_from_object(SimpleNamespace(), namespace="QUEUES")
    with override("fr"):
        messages = workers.check_celery(None)
    assert [message.hint.partition(" =")[0] for message in messages] == ["QUEUES_TASK_ROUTES", "QUEUES_BEAT_SCHEDULE"]
    assert messages[0].msg.startswith("Trainings have no queue of their own")


def test_what_recommender_celery_offers_is_enough(project):
    app = project(**READY)
    assert numbers() == []
    assert app.amqp.router.route({}, TASK_NAME)["queue"].name == "training"


def test_an_app_may_read_its_settings_under_any_name(project):
    app = project()
    app.config_from_object(
        SimpleNamespace(QUEUES_TASK_ROUTES=task_routes, QUEUES_BEAT_SCHEDULE=beat_schedule), namespace="QUEUES"
    )
    assert numbers() == []
    assert workers.queue_name() == "training"


def test_a_clock_in_the_database_may_hold_the_tasks(project):
    project(task_routes=task_routes, beat_scheduler="django_celery_beat.schedulers:DatabaseScheduler")
    assert numbers() == []


def test_every_task_of_the_clock_is_one_that_there_is():
    from recommender import tasks

    named = {entry["task"] for entry in beat_schedule.values()} | set(task_routes)
    assert {name for name in named if not hasattr(tasks, name.removeprefix("recommender.tasks."))} == set()


def test_without_celery_the_import_says_what_to_install(monkeypatch):
    monkeypatch.setattr(extras, "is_installed", lambda name: name != "tasks")
    with pytest.raises(ImportError, match=r"pip install 'django-two-towers\[tasks\]'"):
        importlib.reload(recommender.celery)
    assert workers.check_celery(None) == []
    assert "manage.py train" in missing_for_training()[0]


# --- the button -------------------------------------------------------------------------------------------------------


def test_a_broker_that_does_not_answer_is_named(project):
    project(broker="redis://127.0.0.1:1/0", **READY)
    (problem,) = missing_for_training()
    assert problem.startswith("The task queue cannot be reached: ")


def test_a_queue_that_no_worker_listens_to_is_named(project):
    project(**READY)
    assert missing_for_training() == ["No worker says that it listens to the queue training."]


@pytest.mark.parametrize("kind", ["memory", "files"])
def test_with_a_worker_nothing_is_missing(project, kind, tmp_path):
    options = {}
    if kind == "files":
        for name in ("messages", "control"):
            (tmp_path / name).mkdir()
        folders = {"data_folder_in": "messages", "data_folder_out": "messages", "control_folder": "control"}
        options["broker_transport_options"] = {name: str(tmp_path / folder) for name, folder in folders.items()}
    app = project(broker="memory://" if kind == "memory" else "filesystem://", **READY, **options)
    with start_worker(app, pool="solo", queues=["training"], perform_ping_check=False, shutdown_timeout=30):
        assert missing_for_training() == []


def test_tasks_that_run_at_once_need_no_worker(project):
    project(task_always_eager=True, **READY)
    assert missing_for_training() == []


def test_the_retrain_page_says_what_is_missing_before_the_button_is_pressed(project, client, db):
    project(task_routes=task_routes)
    user = User.objects.create_user("grace", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["start_training", "view_trainingrun"]))
    client.force_login(user)
    shown = client.get("/admin/recommender/trainingrun/retrain/").content.decode()
    assert "No worker says that it listens to the queue training." in shown
    assert "No clock is set" in shown
    assert 'type="submit"' in shown, "a worker may be started later"
