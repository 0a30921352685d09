"""What holds in every database: `make test`, `DATABASE_URL=postgres://... make test`, `make test-mariadb`."""

import uuid

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Exists
from django.db.utils import IntegrityError
from django.utils import timezone

from catalog.models import Product
from customers.models import Customer
from recommender import feedback
from recommender.models import Dismissal, DriftFinding, Event, ModelVersion, Promotion, ServedList, TrainingRun
from recommender.serving import find_customers
from recommender.source import check_item_exists, is_learnable, key_as_text
from tests.recommender import at_once

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_of_six_trainings_started_at_once_one_starts(own_database):
    found = at_once.did("start_runs", own_database)
    assert found["told"] == {"done": at_once.ROUNDS, "TrainingError": at_once.ROUNDS * (at_once.STARTS - 1)}
    assert found["active"] == [1] * at_once.ROUNDS


@pytest.mark.django_db(transaction=True)
def test_of_six_experiments_started_at_once_one_runs(own_database):
    found = at_once.did("start_experiments", own_database)
    assert found == {"told": {"done": 1, "ExperimentError": at_once.STARTS - 1}, "running": 1}


def test_the_database_itself_refuses_a_second_active_run():
    """However it is written: no code of ours is asked."""
    first = TrainingRun.objects.create(state="training")
    ended = TrainingRun.objects.create(state="failed")
    TrainingRun.objects.create(state="failed")
    with pytest.raises(IntegrityError):
        TrainingRun.objects.filter(pk=ended.pk).update(state="queued")
    assert first.state == "training"


def test_every_constraint_and_index_of_the_models_is_made():
    """`migrate` says W036 and the like where a database leaves one out."""
    call_command("check", "recommender", databases=["default"], fail_level="WARNING")


# --- keys that differ in case, accents or spaces alone ----------------------------------------------------------------

ALIKE = ["A1", "a1", "\u00e1", "a", "A", "a "]


def test_keys_that_look_alike_are_dismissed_one_by_one():
    for customer in ALIKE:
        for item in ALIKE:
            Dismissal.objects.create(customer=customer, item=item)
    assert Dismissal.objects.filter(customer="a1", item="A1").count() == 1


def test_views_of_customers_whose_keys_look_alike_are_kept_apart():
    for key in ALIKE:
        Event.objects.create(kind="view", item=f"seen by {key!r}", customer=key)
    assert feedback.recent_views(ALIKE) == {key: [f"seen by {key!r}"] for key in ALIKE}
    assert feedback.recent_views(["a"]) == {"a": ["seen by 'a'"]}


def test_event_ids_of_senders_that_look_alike_are_kept_apart():
    for sender in ALIKE:
        for event_id in ALIKE:
            Event.objects.create(kind="view", item="lamp", sender=sender, event_id=event_id)
    assert Event.objects.filter(sender="A", event_id="a").count() == 1


def test_lists_of_customers_whose_keys_look_alike_are_found_apart():
    for key in ALIKE:
        ServedList.objects.create(customer=key, source="popular")
    assert ServedList.objects.filter(customer__in=["A1", "a"]).count() == 2


def test_a_key_in_another_case_is_no_key():
    Customer.objects.create(key="Ada")
    Product.objects.create(key="P1", name="Lamp")
    assert is_learnable("Ada")
    assert is_learnable("ada") is None
    assert list(find_customers(["ada", "Ada", "ADA"])) == ["Ada"]
    check_item_exists("P1")
    with pytest.raises(Exception, match="There is no item 'p1'"):
        check_item_exists("p1")


# --- keys as text -----------------------------------------------------------------------------------------------------


def test_a_uuid_is_the_same_text_in_the_database_as_in_python():
    """SQLite and MySQL keep one without hyphens: no purchase of such customers was credited to a list."""

    served = ServedList.objects.create(id=uuid.UUID(int=0xA5 << 96 | 77), source="popular")
    event = Event.objects.create(kind="click", item="lamp", recommendation=served)
    Event.objects.create(kind="click", item="lamp", recommendation=ServedList.objects.create(source="popular"))
    Dismissal.objects.create(customer=str(served.pk), item="lamp")
    same = Dismissal.objects.filter(customer=key_as_text(Event.objects.all(), "recommendation__pk"))
    assert list(Event.objects.filter(Exists(same))) == [event]


def test_a_number_is_the_same_text_in_the_database_as_in_python():
    event = Event.objects.create(kind="view", item="lamp")
    Dismissal.objects.create(customer=str(event.pk), item="lamp")
    assert (
        Event.objects.filter(Exists(Dismissal.objects.filter(customer=key_as_text(Event.objects.all(), "pk")))).get()
        == event
    )


# --- time zones -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["promotion", "driftfinding"])
def test_pages_that_go_day_by_day_need_no_tables_of_time_zones(staff, client, page):
    """MariaDB answers NULL for a day in a zone unless its tables are loaded: the page is there, without the days."""
    staff("view_promotion", "view_driftfinding")
    version = ModelVersion.objects.create(name="v1")
    Promotion.objects.create(version=version)
    DriftFinding.objects.create(
        time=timezone.now(), version=version, subject="lists", measure="clicks", value=0.1, counted=9, level="fine"
    )
    with timezone.override("Europe/Berlin"):
        shown = client.get(f"/admin/recommender/{page}/")
    assert shown.status_code == 200
    assert "v1" in shown.content.decode()
    assert (shown.context["cl"].date_hierarchy is None) == (not connection.features.has_zoneinfo_database)
