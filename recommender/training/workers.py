"""Whether a queued run will be taken up: is there a Celery app, a broker, a worker for the queue, a clock?

All is read from the Celery app itself, so the namespace of its settings does not matter.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from recommender import extras
from recommender.training.queueing import TASK_NAME
from recommender.words import Words

# That workers have to say what they listen to: a broker in files is polled each second, on the way there and back.
ANSWER_SECONDS = 2.5
REMEMBERED_SECONDS = 10.0  # a run's page asks every two seconds
CLOCK_TASKS = ("recommender.tasks.keep_runs_going", "recommender.tasks.start_due_runs")

_remembered: tuple[float, list[Words]] | None = None


def check_celery(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Registered with Django's check framework: what of Celery's set-up is missing, where the extra is installed."""
    if not extras.is_installed("tasks"):
        return []
    return [Warning(str(problem), hint=hint, id=number) for number, problem, hint in _missing_setup()]


def missing_for_training() -> list[Words]:
    """What stands in the way of a queued run, as sentences; nothing where a worker will take it up. Asks the broker."""
    global _remembered
    if not extras.is_installed("tasks"):
        return [Words("Celery is not installed, so runs start with `manage.py train` only.")]
    if _remembered is None or time.monotonic() - _remembered[0] > REMEMBERED_SECONDS:
        missing = [problem for _, problem, _ in _missing_setup()]
        _remembered = time.monotonic(), [*missing, *_nobody_there()]
    return _remembered[1]


def _missing_setup() -> Iterator[tuple[str, Words, str]]:
    """What the settings lack: a number, a sentence, and the line that helps."""
    from celery import current_app  # of the extra `tasks`

    if current_app.main == "default":  # Celery makes such an app where a project has none
        problem = Words("The project has no Celery app, so no worker takes up what the Retrain button starts.")
        yield "recommender.W040", problem, "Write celery.py and import its app in your project's __init__.py."
        return
    if not current_app.conf.task_always_eager and queue_name() == current_app.conf.task_default_queue:
        problem = Words("Trainings have no queue of their own: one holds up every other task while it lasts.")
        hint = f"{_setting('task_routes')} = task_routes, with `from recommender.celery import task_routes`."
        yield "recommender.W041", problem, hint
    planned = {entry.get("task") for entry in (current_app.conf.beat_schedule or {}).values()}
    in_the_database = "Database" in str(current_app.conf.beat_scheduler)  # where staff may have planned the tasks
    if not in_the_database and not planned.issuperset(CLOCK_TASKS):
        problem = Words("No clock is set: schedules start nothing, and a run whose worker died is not taken up again.")
        hint = f"{_setting('beat_schedule')} = beat_schedule, with `from recommender.celery import beat_schedule`."
        yield "recommender.W042", problem, hint


def _setting(name: str) -> str:
    """Where a project writes a setting of Celery: in its namespace, where its app reads Django's settings by one."""
    from celery import current_app

    namespace = getattr(current_app, "namespace", None)
    return f"{namespace}_{name}".upper() if namespace else f"{name} of your Celery app"


def queue_name() -> str:
    """The queue that a run is sent to."""
    from celery import current_app

    return str(current_app.amqp.router.route({}, TASK_NAME)["queue"].name)


def _nobody_there() -> Iterator[Words]:
    """Asks the broker, and through it the workers."""
    from celery import current_app

    if current_app.main == "default" or current_app.conf.task_always_eager:
        return
    try:
        connection = current_app.connection_for_write(connect_timeout=2)
    except ImportError as error:  # the broker's client is not installed
        yield Words("The task queue cannot be reached: {error}", error=error)
        return
    unreachable = (OSError, *connection.connection_errors, *connection.channel_errors)
    try:
        with connection:
            connection.connect()
            if not current_app.conf.worker_enable_remote_control:
                return  # no worker would answer
            listening = current_app.control.inspect(timeout=ANSWER_SECONDS, connection=connection).active_queues()
    except NotImplementedError:
        return  # a broker that cannot ask everybody, such as SQS
    except unreachable as error:
        yield Words("The task queue cannot be reached: {error}", error=error)
        return
    queue = queue_name()
    if not any(each.get("name") == queue for queues in (listening or {}).values() for each in queues):
        yield Words("No worker says that it listens to the queue {queue}.", queue=queue)
