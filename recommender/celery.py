"""What the settings of a project take for its Celery app, whatever its namespace:

    from recommender.celery import beat_schedule, task_routes

    CELERY_TASK_ROUTES = task_routes
    CELERY_BEAT_SCHEDULE = beat_schedule  # or {**beat_schedule, "mine": {...}}

Both are plain dictionaries; importing them changes nothing. Without the extra `tasks` the import is an ImportError.
"""

from __future__ import annotations

from typing import Any

from recommender import extras

if not extras.is_installed("tasks"):
    raise ImportError(extras.sentence("tasks"))

from celery.schedules import crontab

TRAINING_QUEUE = "training"  # of a worker of its own: `celery -A yours worker -Q training --pool=solo`

task_routes: dict[str, dict[str, str]] = {"recommender.tasks.run_training": {"queue": TRAINING_QUEUE}}
beat_schedule: dict[str, dict[str, Any]] = {
    "keep-runs-going": {"task": "recommender.tasks.keep_runs_going", "schedule": 60.0},
    "start-due-runs": {"task": "recommender.tasks.start_due_runs", "schedule": 60.0},
    "count-lists": {"task": "recommender.tasks.count_lists", "schedule": 600.0},
    "prune-bundles": {"task": "recommender.tasks.prune_bundles", "schedule": crontab(hour=4, minute=10)},
    "settle-lists": {"task": "recommender.tasks.settle_lists", "schedule": crontab(hour=4, minute=20)},
    "watch-drift": {"task": "recommender.tasks.watch_drift", "schedule": crontab(hour=4, minute=40)},
}
