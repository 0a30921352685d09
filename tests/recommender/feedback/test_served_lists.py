"""Lists come on record, in a thread of their own where a process serves, and are found there as soon as they are asked
for."""

import threading
import time
import uuid

import pytest
from django.db import OperationalError
from django.utils import timezone

from customers.models import Customer
from recommender.feedback import events, served_lists
from recommender.feedback.served_lists import Recorder, new_list_id
from recommender.models import Event, ServedList
from recommender.serving import recommend
from tests.recommender.lists import popular
from tests.waiting import until

SHARED = pytest.mark.django_db(transaction=True)  # the thread has a connection of its own


def a_list(**told) -> ServedList:
    return ServedList(id=new_list_id(), source="popular", items=["P1"], length=1, **told)


@pytest.fixture
def gate(monkeypatch):
    """Holds the writer back from the database; and the sizes of what it wrote."""
    opened, write = threading.Event(), served_lists._write
    opened.sizes = []

    def counted(lists):
        opened.sizes.append(len(lists))
        write(lists)

    monkeypatch.setattr(served_lists, "close_old_connections", lambda: opened.wait(30))
    monkeypatch.setattr(served_lists, "_write", counted)
    return opened


@pytest.fixture
def recorder():
    found = Recorder()
    found.start()
    yield found
    found.finish()


# --- writing ----------------------------------------------------------------------------------------------------------


def test_without_a_thread_a_list_is_on_record_before_it_is_answered(db):
    shown = a_list()
    Recorder().record([shown])
    assert ServedList.objects.get() == shown


@SHARED
def test_with_one_nobody_waits_and_what_came_meanwhile_is_written_together(gate, recorder):
    made = timezone.now()
    recorder.record([a_list(created=made)])
    until(lambda: not recorder._waiting)  # the writer has it, and stands at the gate
    for number in range(3):
        recorder.record([a_list(scenario=f"of {number}")])
    assert not ServedList.objects.exists()
    gate.set()
    recorder.finish()  # to look while it writes would lock the table of SQLite in memory
    assert ServedList.objects.count() == 4
    assert gate.sizes == [1, 3]
    assert ServedList.objects.get(scenario="").created == made


@SHARED
def test_where_the_thread_does_not_keep_up_whoever_asks_waits_again(gate, recorder, monkeypatch):
    monkeypatch.setattr(served_lists, "MAX_WAITING", 2)
    recorder.record([a_list()])
    until(lambda: not recorder._waiting)  # the writer stands at the gate
    for _ in range(2):
        recorder.record([a_list()])
    assert not ServedList.objects.exists()
    recorder.record([a_list(scenario="one more")])
    assert ServedList.objects.get().scenario == "one more"
    gate.set()
    recorder.finish()
    assert ServedList.objects.count() == 4


@SHARED
def test_the_end_of_the_process_waits_until_all_are_on_record(gate, monkeypatch):
    monkeypatch.setattr(served_lists, "BATCH_SECONDS", 0.2)
    recorder = Recorder()
    recorder.start()
    recorder.record([a_list(), a_list()])
    gate.set()
    recorder.finish()
    assert ServedList.objects.count() == 2
    recorder.record([a_list()])  # nobody would write it later
    assert ServedList.objects.count() == 3


@SHARED
def test_who_left_or_opted_out_meanwhile_is_not_on_record(gate, recorder):
    leaves, opts_out, stays = (Customer.objects.create(key=key) for key in ("leaves", "opts out", "stays"))
    recorder.record([a_list(customer=each.key) for each in (leaves, opts_out, stays)])
    recorder.record([a_list(customer="", scenario="of nobody known")])
    leaves.delete()
    opts_out.personalisation = False
    opts_out.save()
    gate.set()
    recorder.finish()
    assert set(ServedList.objects.values_list("customer", flat=True)) == {"stays", ""}
    assert ServedList.objects.count() == 2


@SHARED
def test_a_list_that_cannot_be_stored_costs_no_other_one(caplog):
    sound = [a_list(), a_list()]
    served_lists._write([sound[0], a_list(version_id=404), sound[1]])
    assert set(ServedList.objects.all()) == set(sound)
    assert caplog.text.count("lists_not_recorded") == 1


@SHARED
def test_the_thread_outlives_a_database_that_is_away(recorder, monkeypatch, caplog):
    def away(lists):
        raise OperationalError("the connection is closed")

    with monkeypatch.context() as patch:
        patch.setattr(ServedList.objects, "bulk_create", away)
        recorder.record([a_list()])
        until(lambda: "the connection is closed" in caplog.text)
    shown = a_list()
    recorder.record([shown])
    recorder.finish()
    assert ServedList.objects.get() == shown


# --- finding ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def naps(monkeypatch):
    """What is done while somebody waits; and for how long they did."""
    during = {"done": lambda: None, "seconds": []}

    def sleep(seconds):
        during["seconds"].append(seconds)
        during["done"]()

    monkeypatch.setattr(served_lists.time, "sleep", sleep)
    return during


def test_an_event_may_come_before_its_list_is_on_record(trained, naps):
    shown = popular(3)
    item, listed = shown.items[0].item, uuid.UUID(shown.recommendation_id)
    ServedList.objects.all().delete()
    naps["done"] = lambda: ServedList.objects.create(id=listed, items=[item])
    event, _ = events.record_event(kind="click", item=item, recommendation_id=listed)
    assert event.recommendation_id == listed
    assert len(naps["seconds"]) == 1


@pytest.mark.parametrize("old", ["another version's", "an hour ago's"])
def test_a_list_that_is_on_its_way_no_more_is_not_waited_for(trained, naps, old):
    unknown = uuid.uuid4() if old == "another version's" else uuid.UUID(int=new_list_id().int - (3_600_000 << 80))
    event, _ = events.record_event(kind="click", item="P1", recommendation_id=unknown)
    assert event.recommendation is None
    assert Event.objects.count() == 1
    assert naps["seconds"] == []


def test_a_list_that_never_comes_is_waited_for_once(trained, naps):
    event, _ = events.record_event(kind="click", item="P1", recommendation_id=new_list_id())
    assert event.recommendation is None
    assert len(naps["seconds"]) == 1


# --- ids --------------------------------------------------------------------------------------------------------------


def test_ids_tell_when_and_never_meet(monkeypatch):
    before = time.time_ns() // 1_000_000
    ids = [new_list_id() for _ in range(2_000)]
    after = time.time_ns() // 1_000_000
    assert len(set(ids)) == len(ids)
    assert all(each.version == 7 and each.variant == uuid.RFC_4122 for each in ids)
    assert all(before <= each.int >> 80 <= after for each in ids)
    monkeypatch.setattr(served_lists.secrets, "randbits", lambda bits: 2**bits - 1)
    assert str(new_list_id())[13:] == "-7fff-bfff-ffffffffffff"


def test_an_answer_has_such_an_id(trained):
    answer = recommend(customer="C0")
    assert uuid.UUID(answer.recommendation_id).version == 7
    assert ServedList.objects.get().pk == uuid.UUID(answer.recommendation_id)
