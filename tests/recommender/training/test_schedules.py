"""Trainings that start by themselves: at an hour, after so many purchases, once each, whatever the clock does."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from customers.models import Purchase
from recommender import tasks
from recommender.errors import TrainingError
from recommender.models import TrainingRun, TrainingSchedule
from recommender.training import queueing, runs, schedules
from recsite.celery import app
from tests import shop

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
PAGE = "/admin/recommender/trainingschedule/"


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    monkeypatch.setattr(tasks.run_training, "apply_async", lambda *given, **options: None)


def schedule(**given) -> TrainingSchedule:
    made = TrainingSchedule(**{"settled": NOON - timedelta(hours=1), **given})
    made.full_clean()
    made.save()
    return made


def start_due(now=NOON) -> list[TrainingRun]:
    return schedules.start_due_runs(start=queueing.queue_run, now=now)


def end(run: TrainingRun) -> None:
    runs.fail_run(run=run, error="Enough.")


def test_a_run_starts_at_the_hour_and_once_a_day():
    nightly = schedule(hour=3, warm_start=False)
    assert start_due(NOON) == []
    assert start_due(NOON + timedelta(hours=14, minutes=59)) == []
    [run] = start_due(NOON + timedelta(hours=15))
    assert run.parameters == {"warm_start": False, "only_if_changed": True}
    end(run)
    assert start_due(NOON + timedelta(hours=15, minutes=1)) == []
    assert len(start_due(NOON + timedelta(hours=39))) == 1
    nightly.refresh_from_db()
    assert nightly.run == TrainingRun.objects.latest("pk")


def test_a_clock_that_was_dead_at_the_hour_starts_the_run_when_it_is_back():
    schedule(hour=3)
    [run] = start_due(NOON + timedelta(days=3))
    end(run)
    assert start_due(NOON + timedelta(days=3, minutes=1)) == []  # one run makes up for all the nights missed


def test_a_weekday_has_its_own_run():
    schedule(hour=3, weekday=TrainingSchedule.Weekday.SATURDAY)
    assert start_due(NOON + timedelta(days=2)) == []
    assert len(start_due(NOON + timedelta(days=3))) == 1


def test_a_run_starts_after_so_many_purchases():
    shop.stock_the_shop()
    schedule(purchases=3)
    bought = Purchase.objects.first()
    assert start_due() == []  # counting begins
    for number in (1, 2):
        Purchase.objects.create(customer=bought.customer, product=bought.product, time=NOON)
        assert start_due() == [], number
    Purchase.objects.create(customer=bought.customer, product=bought.product, time=NOON)
    [run] = start_due()
    end(run)
    assert start_due() == []
    Purchase.objects.all().delete()
    assert start_due() == []  # counting begins again
    for _ in range(3):
        assert start_due() == []
        Purchase.objects.create(customer=bought.customer, product=bought.product, time=NOON)
    assert len(start_due()) == 1


def test_whichever_comes_first_and_the_other_then_begins_anew():
    shop.stock_the_shop()
    schedule(purchases=1, hour=3)
    assert start_due() == []
    bought = Purchase.objects.first()
    Purchase.objects.create(customer=bought.customer, product=bought.product, time=NOON)
    [by_purchases] = start_due()
    end(by_purchases)
    [by_hour] = start_due(NOON + timedelta(hours=15))
    end(by_hour)
    assert start_due(NOON + timedelta(hours=16)) == []


def test_what_is_due_while_a_run_is_active_waits_with_a_note():
    active = runs.start_run(parameters={})
    waiting = schedule(hour=11, settled=NOON - timedelta(days=1))
    assert start_due() == []
    waiting.refresh_from_db()
    assert waiting.note == f"It was due at 2026-03-04 11:00. It waits for run {active.pk}, which is queued."
    end(active)
    assert len(start_due()) == 1
    waiting.refresh_from_db()
    assert waiting.note == ""


def test_of_two_that_are_due_the_cold_start_goes_first():
    schedule(hour=11, settled=NOON - timedelta(days=1))
    schedule(hour=11, settled=NOON - timedelta(days=1), warm_start=False)
    [run] = start_due()
    assert run.parameters["warm_start"] is False


def test_an_inactive_schedule_starts_nothing():
    schedule(hour=11, settled=NOON - timedelta(days=1), active=False)
    assert start_due() == []


def test_a_schedule_that_is_switched_off_while_another_starts_does_not_start():
    for _ in range(2):
        schedule(hour=11, settled=NOON - timedelta(days=1))

    def start(parameters):
        TrainingSchedule.objects.update(active=False)
        run = queueing.queue_run(parameters=parameters)
        end(run)
        return run

    assert len(schedules.start_due_runs(start=start, now=NOON)) == 1


def test_where_somebody_else_is_quicker_the_schedule_waits_with_a_note():
    waiting = schedule(hour=11, settled=NOON - timedelta(days=1))

    def start(parameters):
        raise TrainingError("Run 7 is active.")

    assert schedules.start_due_runs(start=start, now=NOON) == []
    waiting.refresh_from_db()
    assert waiting.note == "It was due at 2026-03-04 11:00. Run 7 is active."
    assert len(start_due()) == 1


@pytest.mark.parametrize("when", [datetime(2026, 3, 29, 12, tzinfo=UTC), datetime(2026, 10, 25, 12, tzinfo=UTC)])
def test_an_hour_that_the_clocks_skip_or_repeat_strikes_once(when, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    with timezone.override("Europe/Berlin"):
        schedule(hour=2, settled=when - timedelta(days=1))
        [run] = start_due(when)
        end(run)
        assert start_due(when + timedelta(minutes=1)) == []


def test_the_clock_asks_every_minute(monkeypatch):
    """What beat writes into its tables when it starts, with the scheduler of the settings."""
    monkeypatch.setattr("django_celery_beat.schedulers.close_old_connections", lambda: None)  # the test's may be old
    DatabaseScheduler(app=app).schedule_changed()
    asked = {task.task: task for task in PeriodicTask.objects.exclude(task="celery.backend_cleanup")}
    assert set(asked) == {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert asked["recommender.tasks.start_due_runs"].interval.every == 60
    app.loader.import_default_modules()  # as a worker does
    assert set(asked) <= set(app.tasks)


# --- in the admin -----------------------------------------------------------------------------------------------------


def sign_in(client, *permissions):
    user = User.objects.create_user("grace", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)


def test_who_may_train_makes_a_schedule_and_sees_what_came_of_it(client):
    sign_in(client, "start_training", "view_trainingrun")
    given = {"active": "on", "hour": "3", "warm_start": "on"}
    assert client.post(f"{PAGE}add/", given).status_code == 302
    made = TrainingSchedule.objects.get()
    assert (made.hour, made.purchases, made.warm_start) == (3, None, True)
    made.run = TrainingRun.objects.create(state="cancelled", phase="Skipped: nothing changed since version v1 learned.")
    made.save()
    page = client.get(PAGE).content.decode()
    assert "Every day at 3:00, warm" in page
    assert str(TrainingSchedule(hour=3, weekday=6, purchases=5000, warm_start=False)) == (
        "Every Sunday at 3:00 or after 5,000 purchases, cold"
    )
    assert "Skipped: nothing changed since version v1 learned." in page


def test_another_number_of_purchases_counts_from_now_on(client):
    shop.stock_the_shop()
    made = schedule(purchases=100_000, counted=0)
    sign_in(client, "start_training")
    assert client.post(f"{PAGE}{made.pk}/change/", {"active": "on", "purchases": "5"}).status_code == 302
    assert start_due() == []
    made.refresh_from_db()
    assert (made.purchases, made.counted) == (5, Purchase.objects.count())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Give an hour, a number of purchases, or both."),
        ({"hour": "24"}, "less than or equal to 23"),
        ({"purchases": "5", "weekday": "1"}, "A weekday needs an hour."),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(client, given, said):
    sign_in(client, "start_training")
    answer = client.post(f"{PAGE}add/", given)
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not TrainingSchedule.objects.exists()


def test_staff_who_may_not_train_may_not_schedule(client):
    sign_in(client, "view_trainingschedule", "add_trainingschedule", "change_trainingschedule")
    made = schedule(hour=3)
    assert client.get(PAGE).status_code == 200
    assert client.post(f"{PAGE}add/", {"hour": "3"}).status_code == 403
    assert client.post(f"{PAGE}{made.pk}/change/", {"hour": "4"}).status_code == 403
    assert client.post(f"{PAGE}{made.pk}/delete/", {"post": "yes"}).status_code == 403
    made.refresh_from_db()
    assert made.hour == 3
