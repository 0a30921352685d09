"""How a run reaches a worker, and what becomes of it when it does not."""

from contextlib import contextmanager

import pytest
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu import pools

from recommender import tasks
from recommender.models import TrainingRun
from recommender.training import queueing, runs
from tests import shop
from tests.recommender.training.test_execution import SMALL

State = TrainingRun.State


@contextmanager
def broker_at(url):
    """Celery with another broker, and with none of the connections that it keeps open."""
    before = current_app.conf.broker_url, current_app.conf.broker_connection_timeout

    def use(address, patience=0.1):
        current_app.conf.broker_url, current_app.conf.broker_connection_timeout = address, patience
        current_app._pool = current_app.amqp._producer_pool = None
        pools.reset()

    use(url)
    try:
        yield
    finally:
        use(*before)


@pytest.fixture
def queue():
    """The training queue of a broker in this process's memory."""
    with broker_at("memory://"), current_app.connection_for_write() as connection:
        found = connection.SimpleQueue("training")
        yield found
        found.clear()


@pytest.mark.django_db(transaction=True)
def test_a_run_is_sent_to_the_training_queue_once_it_is_committed(queue):
    with transaction.atomic():
        run = queueing.queue_run(parameters={"epochs": 3})
        assert queue.qsize() == 0
    message = queue.get(timeout=5)
    assert message.payload[0] == [run.pk]
    assert message.headers["task"] == "recommender.tasks.run_training"


@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_rolled_back_is_never_sent(queue):
    with transaction.atomic():
        queueing.queue_run(parameters={})
        transaction.set_rollback(True)
    assert queue.qsize() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"])
def test_without_a_broker_the_run_fails_in_a_sentence_and_blocks_nobody(url):
    with broker_at(url):
        run = queueing.queue_run(parameters={})
    assert run.state == State.FAILED
    assert run.error.startswith("The task queue cannot be reached")
    assert runs.start_run(parameters={}).state == State.QUEUED


@pytest.mark.django_db(transaction=True)
def test_the_worker_executes_the_run(settings, tmp_path):
    settings.BUNDLE_ROOT = tmp_path / "bundles"
    shop.stock_the_shop()
    run = runs.start_run(parameters=SMALL)
    tasks.run_training(run.pk)
    run.refresh_from_db()
    assert run.state == State.PROMOTED


@pytest.mark.django_db
def test_a_message_for_a_run_that_was_cancelled_or_deleted_does_nothing():
    run = runs.start_run(parameters={})
    runs.cancel_run(run=run)
    tasks.run_training(run.pk)
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    run.delete()
    tasks.run_training(10**6)
    assert not TrainingRun.objects.exists()


def test_training_has_a_queue_of_its_own():
    route = current_app.amqp.router.route({}, tasks.run_training.name)
    assert route["queue"].name == "training"
    assert settings.CELERY_TASK_DEFAULT_QUEUE != "training"
