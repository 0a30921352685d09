"""What code of a project's own hears: after the commit, and never at the cost of what happened."""

import logging
import threading

import pytest
from django.db import transaction

from customers.models import Customer
from recommender import feedback, registry, signals
from recommender.feedback import served_lists
from recommender.models import Promotion, ServedList, TrainingRun
from recommender.serving import recommend
from recommender.training import runs
from tests.docs.blocks import blocks_of

State = TrainingRun.State


@pytest.fixture
def listen():
    """Connects a receiver to a signal for one test; back comes the list of what it is told."""
    connected = []

    def to(signal, receiver=None):
        told = []

        def hear(sender, signal, contract, **facts):
            assert contract == 1
            told.extend(facts.values())

        signal.connect(receiver or hear)
        connected.append((signal, receiver or hear))
        return told

    yield to
    for signal, receiver in connected:
        signal.disconnect(receiver)


@pytest.mark.django_db(transaction=True)
def test_every_end_of_a_run_is_told_with_the_row_as_it_ended(listen):
    ended, failed = listen(signals.run_ended), listen(signals.run_failed)
    cancelled = runs.cancel_run(run=runs.start_run(parameters={}))
    broken = runs.start_run(parameters={})
    runs.fail_run(run=broken, error="No disk.")
    assert [(run.pk, run.state, run.error) for run in ended] == [
        (cancelled.pk, State.CANCELLED, ""),
        (broken.pk, State.FAILED, "No disk."),
    ]
    assert ended[0].finished is not None
    assert failed == [broken]


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_told(listen):
    ended = listen(signals.run_ended)
    run = runs.start_run(parameters={})
    with transaction.atomic():
        runs.fail_run(run=run, error="No disk.")
        transaction.set_rollback(True)
    assert ended == []


@pytest.mark.django_db(transaction=True)
def test_every_list_that_is_on_record_is_told_and_none_of_who_opted_out(listen, trained):
    told = listen(signals.list_served)
    shown = recommend(customer="C2", count=3)
    assert [(str(row.pk), row.customer, len(row.items)) for row in told] == [(str(shown.recommendation_id), "C2", 3)]
    Customer.objects.filter(key="C3").update(personalisation=False)
    recommend(customer="C3", count=3)
    assert [row.customer for row in told if row.customer] == ["C2"]
    assert len(told) == ServedList.objects.count()


@pytest.mark.django_db(transaction=True)
def test_a_list_is_told_by_the_thread_that_stores_it(listen, trained):
    names = []
    listen(signals.list_served, lambda served_list, **kwargs: names.append(threading.current_thread().name))
    recorder = served_lists.Recorder()
    recorder.start()
    recorder.record([ServedList(id=served_lists.new_list_id(), items=["P1"], scenario="home", source="popular")])
    recorder.finish()
    assert names == ["recommender-records"]


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_fails_breaks_nothing_and_is_logged(listen, trained, caplog):
    def broken(**kwargs):
        raise RuntimeError("a webhook is away")

    listen(signals.list_served, broken)
    with caplog.at_level(logging.ERROR, logger="django.dispatch"):
        assert recommend(customer="C2", count=3).items
    assert "a webhook is away" in caplog.text
    assert ServedList.objects.count() == 1


def test_lists_cost_nothing_where_nobody_listens(trained, monkeypatch):
    monkeypatch.setattr(
        served_lists, "send_after_commit", lambda *args, **facts: pytest.fail("Nobody listens: nothing is to be done.")
    )
    recommend(customer="C2", count=3)
    assert ServedList.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_customer_who_was_erased_is_told_by_their_key(listen, stocked):
    told = listen(signals.customer_erased)
    feedback.erase_personal_data("C2")
    assert told == ["C2"]


@pytest.mark.django_db(transaction=True)
def test_the_example_of_the_page_hears_a_list_and_a_promotion(trained, promote, capsys):
    (block,) = [block for block in blocks_of("docs/stability.md") if block.language == "python"]
    names = {}
    exec(compile(block.text, "docs/stability.md", "exec"), names)
    try:
        newer = promote("v8")
        Promotion.objects.create(version=trained)
        registry.promote(version=newer, override=True, reason="The example wants it.")
        recommend(customer="C2", count=3)
    finally:
        signals.version_promoted.disconnect(names["tell"])
        signals.list_served.disconnect(names["count"])
    assert capsys.readouterr().out.splitlines() == ["Version v8 serves.", "home: 3 items by two_tower."]
