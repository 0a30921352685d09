"""The way from one version of the tables to another, with rows in them."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from recommender.models import Dismissal, Event, Experiment, ListCount, ServedList, TrainingRun

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "k" * 65


@pytest.fixture
def migrate():
    """Migrates the recommender; in the end everything is as it was."""
    yield lambda name: call_command("migrate", "recommender", name, verbosity=0, skip_checks=True)
    call_command("migrate", "recommender", verbosity=0, skip_checks=True)


def applied() -> set[str]:
    return {name for app, name in MigrationRecorder(connection).applied_migrations() if app == "recommender"}


def add_result(scope: str) -> None:
    ListCount.objects.create(day=timezone.now().date(), scenario="home", scope=scope, source="popular", bucket=1)


def test_going_back_with_results_of_two_scopes_is_refused_and_lists_are_served_on(migrate):
    add_result("harbour")
    add_result("oldtown")
    with pytest.raises(IrreversibleError, match=r"2 rows of ListCount .* Remove those"):
        migrate("0015")
    assert "0016_scopes" in applied()
    ServedList.objects.create(source="popular", scope="harbour")
    ListCount.objects.exclude(scope="").delete()
    migrate("0015")
    assert "0016_scopes" not in applied()


def test_going_back_with_keys_that_do_not_fit_is_refused_and_says_how_many(migrate):
    Event.objects.create(kind="view", item=LONG, customer=LONG)
    Event.objects.create(kind="view", item="lamp", sender=LONG)
    Event.objects.create(kind="view", item="lamp", customer=LONG[:64])
    Dismissal.objects.create(customer="ada", item=LONG)
    with pytest.raises(IrreversibleError, match=r"1 of Dismissal, 2 of Event\). Remove them"):
        migrate("0014")
    assert "0015_longer_keys" in applied()
    migrate("0016")
    assert Event.objects.filter(item=LONG, customer=LONG).count() == 1


def test_a_site_of_the_code_before_stores_lists_in_the_new_tables():
    """It names no scope."""
    for model in (ServedList, ListCount):
        scope = model._meta.get_field("scope")
        assert scope.db_default == scope.default == ""
    served = ServedList(source="popular")
    before = [field for field in ServedList._meta.local_concrete_fields if field.name != "scope"]
    with connection.cursor() as cursor:
        names = ", ".join(connection.ops.quote_name(field.column) for field in before)
        values = [field.get_db_prep_save(field.pre_save(served, add=True), connection) for field in before]
        places = ", ".join(["%s"] * len(before))
        cursor.execute(f"INSERT INTO recommender_servedlist ({names}) VALUES ({places})", values)
    assert ServedList.objects.get().scope == ""


def test_of_several_active_runs_the_one_in_training_goes_on(monkeypatch):
    """MariaDB and MySQL had no constraint before; it is taken away here, wherever this runs."""
    held = [
        (TrainingRun, TrainingRun._meta.constraints, "one_active_training_run"),
        (Experiment, Experiment._meta.constraints, "one_running_experiment"),
    ]
    for model, constraints, name in held:  # SQLite makes the table anew, of those the model has
        monkeypatch.setattr(model._meta, "constraints", [one for one in constraints if one.name != name])
        with connection.schema_editor() as editor:
            editor.remove_constraint(model, next(one for one in constraints if one.name == name))
    try:
        training = TrainingRun.objects.create(state="training")
        queued = TrainingRun.objects.create(state="queued")
        earlier, later = (Experiment.objects.create(name=name, state="running") for name in ("one", "two"))
        mariadb = SimpleNamespace(vendor="mysql", alias=connection.alias)
        leave_one = import_module("recommender.migrations.0013_every_database").leave_one
        leave_one(apps, SimpleNamespace(connection=mariadb))
        for row in (training, queued, earlier, later):
            row.refresh_from_db()
        assert (training.state, training.finished) == ("training", None)
        assert queued.state == "failed"
        assert queued.finished is not None
        assert (later.state, later.stopped) == ("running", None)
        assert earlier.state == "stopped"
        assert earlier.stopped is not None
    finally:
        TrainingRun.objects.all().delete()
        Experiment.objects.all().delete()
        monkeypatch.undo()
        for model, constraints, name in held:
            with connection.schema_editor() as editor:
                editor.add_constraint(model, next(one for one in constraints if one.name == name))
