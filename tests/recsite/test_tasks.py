"""What the site's own tasks do."""

from datetime import timedelta

import pytest
from celery import current_app
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.module_loading import import_string

from recommender.celery import beat_schedule
from recsite.tasks import forget_sessions


@pytest.mark.django_db
def test_sessions_that_have_ended_are_removed_and_no_others():
    now = timezone.now()
    for key, ends in (("ended", now - timedelta(hours=1)), ("going on", now + timedelta(hours=1))):
        Session.objects.create(session_key=key, session_data="", expire_date=ends)
    forget_sessions()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["going on"]


def test_what_the_clock_starts_is_there():
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        assert callable(import_string(entry["task"])), entry


def test_a_project_that_takes_the_schedule_of_the_recommender_misses_no_task_of_it():
    by_hand = {"recommender.tasks.run_training"}
    scheduled = {entry["task"] for entry in beat_schedule.values()}
    assert scheduled | by_hand == {name for name in current_app.tasks if name.startswith("recommender.")}
    assert beat_schedule.items() <= settings.CELERY_BEAT_SCHEDULE.items()
