"""What happens to a run when its process, its message or the database goes: it goes on, or ends in a true sentence."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.db.models import Q
from django.utils import timezone

from customers.models import Purchase
from recommender import tasks
from recommender.errors import TrainingError
from recommender.models import ModelVersion, TrainingRun
from recommender.registry.promotion import bundle_folder, live_version
from recommender.serving import live as serving
from recommender.serving import recommend
from recommender.training import execution as training
from recommender.training import outages, outcome, runs
from tests import shop
from tests.recommender.training.test_execution import SMALL

State = TrainingRun.State


@pytest.fixture(autouse=True)
def bundles(settings, tmp_path):
    settings.BUNDLE_ROOT = tmp_path / "bundles"
    return settings.BUNDLE_ROOT


@pytest.fixture
def sent(monkeypatch):
    """The runs that a worker was told of."""
    told = []
    monkeypatch.setattr(
        tasks.run_training, "apply_async", lambda arguments, named, **options: told.append(arguments[0])
    )
    return told


def dead(**changes) -> TrainingRun:
    before = {"state": State.TRAINING, "attempt": 1, "heartbeat": timezone.now() - timedelta(minutes=3)}
    return TrainingRun.objects.create(**{**before, **changes})


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_process_died_waits_for_another_which_is_told(sent):
    run = dead()
    tasks.keep_runs_going()
    run.refresh_from_db()
    assert run.state == State.QUEUED
    assert run.phase.startswith("Its process died, last seen at ")
    assert sent == [run.pk]


@pytest.mark.django_db(transaction=True)
def test_a_run_that_killed_three_processes_fails(sent):
    run = dead(attempt=runs.MAX_ATTEMPTS)
    tasks.keep_runs_going()
    run.refresh_from_db()
    assert (run.state, sent) == (State.FAILED, [])
    assert "died: its last sign of life was at" in run.error


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_message_was_lost_is_sent_again_until_nobody_comes(sent):
    run = runs.start_run(parameters={})
    tasks.keep_runs_going()
    assert sent == []  # it was sent a moment ago
    TrainingRun.objects.update(created=timezone.now() - timedelta(minutes=1))
    tasks.keep_runs_going()
    assert sent == [run.pk]
    TrainingRun.objects.update(heartbeat=timezone.now() - timedelta(hours=1))
    tasks.keep_runs_going()
    run.refresh_from_db()
    assert (run.state, sent) == (State.FAILED, [run.pk])


@pytest.mark.django_db
def test_who_starts_a_run_does_not_wait_for_a_dead_one():
    run = dead()
    assert runs.start_run(parameters={}).state == State.QUEUED
    run.refresh_from_db()
    assert run.state == State.FAILED


@pytest.mark.django_db(transaction=True)
def test_a_process_that_was_only_slow_harms_nothing_of_the_one_that_took_over(monkeypatch):
    """While the first attempt learns it is taken for dead; the second one promotes; then the first one ends."""
    shop.stock_the_shop()
    run = runs.start_run(parameters=SMALL)
    learn, second = training.learn, []

    def slow(first, journal, stop):
        report = learn(first, journal, stop)
        if not second:
            second.append(TrainingRun.objects.get(pk=run.pk))
            runs.requeue(run=second[0], why="Hung.", only=Q())
            monkeypatch.setattr(training, "learn", learn)
            training.execute_run(run=second[0])
        return report

    monkeypatch.setattr(training, "learn", slow)
    training.execute_run(run=run)
    run.refresh_from_db()
    assert (run.state, run.attempt) == (State.PROMOTED, 2)
    assert live_version() == ModelVersion.objects.get()
    serving.forget_live_state()
    assert recommend(customer="C0", count=3).source == "two_tower"
    assert [path.name for path in bundle_folder("").iterdir() if path.name != ".work"] == [live_version().name]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_for_a_moment_at_the_end_costs_nothing(monkeypatch):
    monkeypatch.setattr(outages, "RETRY_SECONDS", 0.05)
    shop.stock_the_shop()
    failures, new_version = [OperationalError("gone"), OperationalError("gone")], outcome._new_version

    def flaky(*arguments):
        if failures:
            raise failures.pop()
        return new_version(*arguments)

    monkeypatch.setattr(outcome, "_new_version", flaky)
    run = training.execute_run(run=runs.start_run(parameters=SMALL))
    assert run.state == State.PROMOTED


@pytest.mark.django_db(transaction=True)
def test_an_end_that_was_written_though_the_answer_was_lost_is_not_undone(monkeypatch):
    """The commit arrives, the database's answer does not: the bundle of the promoted version must stay."""
    monkeypatch.setattr(outages, "RETRY_SECONDS", 0.05)
    shop.stock_the_shop()
    store, answers = outcome._store_version, [OperationalError("server closed the connection unexpectedly")]

    def lost(*arguments):
        ended = store(*arguments)
        if answers:
            raise answers.pop()
        return ended

    monkeypatch.setattr(outcome, "_store_version", lost)
    run = training.execute_run(run=runs.start_run(parameters=SMALL))
    assert run.state == State.PROMOTED
    assert (bundle_folder(run.version.name) / "manifest.json").exists()


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_is_said_so(monkeypatch):
    shop.stock_the_shop()

    def full(**kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recommender.training.export.export_snapshot", full)
    run = training.execute_run(run=runs.start_run(parameters=SMALL))
    assert run.state == State.FAILED
    assert run.error.startswith("The disk of BUNDLE_ROOT")


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_must_end_at_once_leaves_the_run_to_the_next(monkeypatch, bundles):
    shop.stock_the_shop()
    monkeypatch.setattr(training, "HEARTBEAT_SECONDS", 0.05)
    run = runs.start_run(parameters={**SMALL, "epochs": 10_000, "patience": 10_000})

    def end(done, phase):
        if TrainingRun.objects.get(pk=run.pk).curve:
            raise SystemExit

    with pytest.raises(SystemExit):
        training.execute_run(run=run, on_progress=end)
    run.refresh_from_db()
    assert run.state == State.QUEUED
    assert (runs.work_folder(run) / "checkpoints" / "judged.safetensors").exists()


@pytest.mark.django_db
def test_a_run_that_ended_is_started_again_with_its_parameters():
    ended = TrainingRun.objects.create(state=State.FAILED, parameters={"epochs": 3})
    again = runs.restart_run(run=ended)
    assert (again.state, again.parameters) == (State.QUEUED, {"epochs": 3})
    with pytest.raises(TrainingError, match="only a run that has ended"):
        runs.restart_run(run=again)


@pytest.mark.django_db(transaction=True)
def test_a_run_that_is_to_learn_only_what_is_new_is_skipped_when_nothing_is(capsys):
    shop.stock_the_shop()
    first = training.execute_run(run=runs.start_run(parameters={**SMALL, "only_if_changed": True}))
    assert first.state == State.PROMOTED
    second = training.execute_run(run=runs.start_run(parameters={**SMALL, "only_if_changed": True}))
    assert (second.state, second.error) == (State.CANCELLED, "")
    assert second.phase == f"Skipped: nothing changed since version {first.version.name} learned."
    call_command("train", "--only-if-changed")
    assert capsys.readouterr().out == second.phase + "\n"
    Purchase.objects.latest("pk").delete()
    third = training.execute_run(run=runs.start_run(parameters={**SMALL, "only_if_changed": True}))
    assert third.fingerprint not in ("", first.fingerprint)
