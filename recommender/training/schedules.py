"""Trainings that start by themselves. A clock calls every minute; what is due follows from rows, so a clock that died,
calls twice or comes back late starts nothing twice and forgets nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from recommender.errors import TrainingError
from recommender.models import TrainingRun, TrainingSchedule
from recommender.source import count_purchases, get_source
from recommender.words import Words, columns, counted

log = structlog.get_logger("recommender.training.schedules")


def start_due_runs(*, start: Callable[..., TrainingRun], now: datetime | None = None) -> list[TrainingRun]:
    """Start the runs that are due, and return them. One run at a time: the other schedules note what they wait for.

    start : queues a run with the parameters given, as `queueing.queue_run` does.
    """
    runs = []
    for pk in TrainingSchedule.objects.filter(active=True).values_list("pk", flat=True):
        with transaction.atomic():
            schedule = TrainingSchedule.objects.select_for_update().filter(pk=pk, active=True).first()
            if schedule is not None:
                runs.append(_start_if_due(schedule, timezone.localtime(now), start))
    return [run for run in runs if run is not None]


def latest_hour(schedule: TrainingSchedule, now: datetime) -> datetime | None:
    """The schedule's last hour that began at `now` or before; None where it has no hour."""
    if schedule.hour is None:
        return None
    for days in range(8):
        day = now - timedelta(days=days)
        # Through the calendar: where clocks were put forward over the hour, it begins an hour later.
        began = timezone.make_aware(datetime(day.year, day.month, day.day, schedule.hour), now.tzinfo)
        if began <= now and schedule.weekday in (None, began.weekday()):
            return began
    raise AssertionError("every hour of the week begins once within eight days")


def why_due(schedule: TrainingSchedule, now: datetime, purchases: int | None) -> Words | None:
    """Why a run should start now, as a sentence; None while none should. purchases : in the shop, where they count."""
    hour = latest_hour(schedule, now)
    if hour is not None and hour > schedule.settled:
        return Words("It was due at {time:time}.", time=hour)
    if schedule.purchases and purchases is not None:
        added = purchases - (schedule.counted or 0)
        if added >= schedule.purchases:
            return counted(
                "{count:n} purchase was added since the last start.",
                "{count:n} purchases were added since the last start.",
                added,
            )
    return None


def _start_if_due(schedule: TrainingSchedule, now: datetime, start: Callable[..., TrainingRun]) -> TrainingRun | None:
    purchases = count_purchases(get_source()) if schedule.purchases else None
    if purchases is not None and (schedule.counted is None or purchases < schedule.counted):
        schedule.counted = purchases  # counting begins now, or again after some were deleted
        schedule.save(update_fields=["counted"])
    why = why_due(schedule, now, purchases)
    if why is None:
        return None
    active = TrainingRun.objects.active().first()
    if active is not None:
        _note(
            schedule,
            Words("{why} It waits for run {run}, which is {state}.", why=why, run=active.pk, state=active.state_words),
        )
        return None
    try:
        with transaction.atomic():
            run = start(parameters={"warm_start": schedule.warm_start, "only_if_changed": True})
    except TrainingError as error:  # another process was quicker
        _note(schedule, Words("{why} {error}", why=why, error=error))
        return None
    schedule.settled, schedule.counted, schedule.run = now, purchases, run
    schedule.note, schedule.note_parts = "", None
    schedule.save()
    log.info("run_scheduled", run=run.pk, schedule=schedule.pk, why=str(why))
    return run


def _note(schedule: TrainingSchedule, text: Words) -> None:
    for name, value in columns(note=text).items():
        setattr(schedule, name, value)
    schedule.note = schedule.note[:300]
    schedule.save(update_fields=["note", "note_parts"])
