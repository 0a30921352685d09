"""What the site's own tasks do."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.module_loading import import_string

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


def test_another_project_that_copies_the_schedule_of_the_docs_misses_no_task_of_the_recommender():
    docs = (settings.BASE_DIR / "docs" / "plugging_in.md").read_text(encoding="utf-8")
    schedule = docs.partition("CELERY_BEAT_SCHEDULE = {")[2].partition("\n   }")[0]
    ours = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert set(re.findall(r'"task": "([\w.]+)"', schedule)) == {
        task for task in ours if task.startswith("recommender.")
    }
