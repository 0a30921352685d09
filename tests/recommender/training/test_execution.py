"""A run from the button to the live model, and everything that can stop it on the way."""

import math
import shutil
from collections import deque
from dataclasses import replace
from datetime import timedelta
from threading import Event

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core import serializers
from django.db import IntegrityError, transaction
from django.utils import timezone

from customers.models import Customer, Purchase
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.errors import TrainingCancelled
from recommender.engine.training import pipeline
from recommender.errors import TrainingError
from recommender.models import ModelVersion, Promotion, TrainingRun
from recommender.registry import bundle_folder
from recommender.registry import promotion as versions
from recommender.reports.lines import format_score
from recommender.serving import live as serving
from recommender.serving import recommend
from recommender.source import get_source
from recommender.training import execution as training
from recommender.training import outcome, runs
from recommender.training.export import export_snapshot
from recommender.training.journal import Journal, storable
from tests import planted, shop

SMALL = {
    "epochs": 8,
    "learning_rate": 1e-2,
    "dim": 16,
    "profile_rank": 4,
    "rating_dim": 4,
    "bootstrap": 50,
    "batch_targets": 512,
}
State = TrainingRun.State


@pytest.fixture
def bundles(settings, tmp_path):
    settings.BUNDLE_ROOT = tmp_path / "bundles"
    return settings.BUNDLE_ROOT


def start(**parameters):
    return runs.start_run(parameters={**SMALL, **parameters})


@pytest.fixture(scope="module")
def kept_run(tmp_path_factory):
    """What `first_run` made, for the tests that come later: the rows, and the folder of the bundle."""
    return {"folder": tmp_path_factory.mktemp("first") / "bundle", "rows": ""}


@pytest.fixture
def first_run(transactional_db, bundles, kept_run):
    """A run on the planted shop whose version is live. It trains for the first test, and is put back for the others."""
    shop.stock_the_shop()
    if kept_run["rows"]:
        for row in serializers.deserialize("json", kept_run["rows"]):
            row.save()
        run = TrainingRun.objects.get()
        shutil.copytree(kept_run["folder"], bundles / run.version.name)
        (bundles / ".work").mkdir()
        return run
    run = training.execute_run(run=start())
    shutil.copytree(bundles / run.version.name, kept_run["folder"])
    kept_run["rows"] = serializers.serialize("json", [run, run.version, *Promotion.objects.all()])
    return run


def last_sign_of_life(run, ago):
    TrainingRun.objects.filter(pk=run.pk).update(heartbeat=timezone.now() - ago)


# --- starting ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_one_run_at_a_time():
    first = runs.start_run(parameters={})
    with pytest.raises(TrainingError, match=f"Run {first.pk} is queued; one run at a time"):
        runs.start_run(parameters={})
    runs.cancel_run(run=first)
    assert runs.start_run(parameters={}).state == State.QUEUED


@pytest.mark.django_db
@pytest.mark.parametrize("state", TrainingRun.ACTIVE)
def test_the_database_itself_allows_one_active_run(state):
    TrainingRun.objects.create(state=state)
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingRun.objects.create()
    TrainingRun.objects.create(state=State.PROMOTED)
    TrainingRun.objects.create(state=State.FAILED)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"loss": "hinge"}, "loss is 'hinge'; it must be one of softmax, bpr, bce"),
        ({"epochs": 0}, "epochs is 0; it must be 1 or more"),
        ({"epochs": "ten"}, "epochs is 'ten'; it must be a whole number"),
        ({"epochs": True}, "epochs is True; it must be a whole number"),
        ({"minutes": 0}, "minutes is 0; it must be more than 0"),
        ({"minutes": "two"}, "minutes is 'two'; it must be a number"),
        ({"later": -1}, "later is -1; it must be 0 or more"),
        ({"seed": -1}, "seed is -1; it must be 0 or more"),
        ({"tune": -1}, "tune is -1; it must lie between 0 and 1,000"),
        ({"warm_start": "yes"}, "warm_start is 'yes'; it must be true or false"),
        ({"depth": 3}, "'depth' is no training parameter; there are loss"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_by_name(parameters, sentence):
    with pytest.raises(TrainingError, match=sentence):
        runs.start_run(parameters=parameters)
    assert not TrainingRun.objects.exists()


@pytest.mark.django_db
def test_a_run_whose_process_died_is_marked_failed_and_makes_room_for_the_next(bundles):
    dead = TrainingRun.objects.create(state=State.TRAINING)
    runs.work_folder(dead).mkdir(parents=True)
    last_sign_of_life(dead, timedelta(minutes=3))
    runs.start_run(parameters={})
    dead.refresh_from_db()
    assert dead.state == State.FAILED
    assert "died" in dead.error
    assert not runs.work_folder(dead).exists()


@pytest.mark.django_db
def test_a_run_that_gives_signs_of_life_is_left_alone():
    alive = TrainingRun.objects.create(state=State.TRAINING)
    last_sign_of_life(alive, timedelta(minutes=1))
    assert runs.fail_stale_runs() == 0
    alive.refresh_from_db()
    assert alive.state == State.TRAINING


@pytest.mark.django_db
def test_a_run_that_no_worker_takes_up_says_so():
    queued = runs.start_run(parameters={})
    last_sign_of_life(queued, timedelta(minutes=5))
    assert runs.fail_stale_runs() == 0
    last_sign_of_life(queued, timedelta(hours=1))
    assert runs.fail_stale_runs() == 1
    queued.refresh_from_db()
    assert "No worker" in queued.error


# --- the whole way ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_shop_with_tastes_ends_with_a_live_model_that_knows_them(bundles):
    shop.stock_the_shop()
    heard = []
    run = training.execute_run(run=start(), on_progress=lambda done, phase: heard.append((done, phase)))
    assert (run.state, run.error) == (State.PROMOTED, "")
    assert run.progress == 1
    assert run.counts == {"users": 60, "items": 48, "interactions": 480, "rated": run.counts["rated"]}
    assert [entry["epoch"] for entry in run.curve] == list(range(1, len(run.curve) + 1))
    assert run.metrics["two_tower"]["ndcg_10"] > run.metrics["popularity"]["ndcg_10"]
    assert len(run.fingerprint) == 64
    assert "NDCG@10" in run.log
    assert heard[-1] == (1, "Promoted")

    version = versions.live_version()
    assert version.run == run
    assert version.passed_gate
    assert Promotion.objects.get().reason == version.gate_reason
    assert not runs.work_folder(run).exists()

    serving.forget_live_state()
    lists = [recommend(customer=f"C{number}", count=3) for number in range(20)]
    assert {(shown.source, shown.model_version) for shown in lists} == {("two_tower", version.name)}
    right = [shop.category_of(i.item) == shop.taste_of(c) for c, shown in enumerate(lists) for i in shown.items]
    assert sum(right) > 0.8 * len(right)


@pytest.mark.django_db(transaction=True)
def test_the_next_run_is_compared_with_the_live_model_unless_that_does_not_open(first_run):
    second = training.execute_run(run=start(seed=2))
    assert "live" in second.metrics["paired"]
    assert second.state in (State.PROMOTED, State.REFUSED)

    live = versions.live_version()
    (versions.bundle_folder(live.name) / "judged" / "user_tower.onnx").write_bytes(b"rubbish")
    third = training.execute_run(run=start(seed=3))
    assert "live" not in third.metrics["paired"]
    assert f"the live model {live.name} is not compared with" in third.log
    assert {first_run.state, third.state} == {State.PROMOTED}


@pytest.mark.django_db(transaction=True)
def test_a_live_model_that_opens_and_cannot_run_costs_no_training(first_run):
    planted.break_tower(versions.bundle_folder(versions.live_version().name), "judged")
    second = training.execute_run(run=start(seed=2))
    assert (second.state, second.error) == (State.PROMOTED, "")
    assert "live" not in second.metrics["paired"]
    assert f"the live model {first_run.version.name} is not compared with: The model does not answer" in second.log


@pytest.mark.django_db(transaction=True)
def test_a_warm_start_goes_on_from_the_live_version_with_its_settings(bundles):
    shop.stock_the_shop()
    first = training.execute_run(run=runs.start_run(parameters={**SMALL, "warm_start": True}))
    assert "Reading: starts cold, not from the live model: there is none." in first.log
    assert first.version.report["start"] == "cold, not from the live model: there is none."
    second = training.execute_run(run=runs.start_run(parameters={"warm_start": True, "epochs": 5}))
    assert second.version.report["start"] == "warm"
    assert second.version.report["settings"] == {**first.version.report["settings"], "epochs": 5}
    assert second.metrics["two_tower"]["ndcg_10"] > second.metrics["popularity"]["ndcg_10"]

    (versions.bundle_folder(second.version.name) / "judged" / "weights.safetensors").write_bytes(b"rubbish")
    third = training.execute_run(run=start(warm_start=True))
    assert third.state == State.PROMOTED
    assert "is altered or truncated" in third.version.report["start"]


@pytest.mark.django_db(transaction=True)
def test_a_tuned_run_keeps_its_trials_and_says_which_one_it_is_in(bundles):
    shop.stock_the_shop()
    run = training.execute_run(run=start(tune=3, epochs=2))
    assert run.state == State.PROMOTED
    assert "Tuning: trial 3 of 3, epoch 1, NDCG@10 " in run.log
    trials = run.version.report["study"]
    assert [trial["number"] for trial in trials] == [1, 2, 3]
    best = max(trials, key=lambda trial: trial["ndcg_10"])
    assert best["settings"].items() <= run.version.report["settings"].items()
    assert [entry["ndcg_10"] for entry in run.curve] == best["curve"]


@pytest.mark.django_db(transaction=True)
def test_a_refused_model_is_kept_but_does_not_serve(first_run, monkeypatch):
    monkeypatch.setattr(outcome, "decide", lambda report, **more: outcome.Decision(False, "Refused: planted."))
    run = training.execute_run(run=start())
    assert run.state == State.REFUSED
    assert not run.version.passed_gate
    assert run.version.gate_reason == "Refused: planted."
    assert versions.bundle_folder(run.version.name).is_dir()
    assert versions.live_version() == first_run.version


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_shop_without_purchases_fails_in_one_sentence(bundles):
    Customer.objects.create(key="ada")
    run = training.execute_run(run=start())
    assert run.state == State.FAILED
    assert run.error == "There are no interactions: a model needs purchases to learn from."
    assert run.finished is not None
    assert not runs.work_folder(run).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["export.export_snapshot", "outcome.promote"])
def test_a_failed_run_leaves_the_live_model_serving_and_nothing_behind(first_run, bundles, monkeypatch, where):
    good = first_run.version

    def broken(**kwargs):
        if where == "outcome.promote":
            raise TrainingError("The disk is full.")
        raise MemoryError("no room for 3 GB")

    monkeypatch.setattr(f"recommender.training.{where}", broken)
    run = training.execute_run(run=start(seed=3))
    assert run.state == State.FAILED
    if where == "outcome.promote":
        assert run.error == "The disk is full."
    else:
        assert run.error == "Training broke on MemoryError: no room for 3 GB. The log says where."
        assert "Traceback" in run.log
    assert versions.live_version() == good
    assert ModelVersion.objects.count() == 1
    assert sorted(path.name for path in bundles.iterdir()) == [".work", good.name]
    assert list((bundles / ".work").iterdir()) == []
    serving.forget_live_state()
    assert recommend(customer="C0", count=3).model_version == good.name


@pytest.mark.django_db(transaction=True)
def test_a_run_cancelled_while_it_learns_stops_soon(bundles, monkeypatch):
    monkeypatch.setattr(training, "HEARTBEAT_SECONDS", 0.05)
    shop.stock_the_shop()
    run = start(epochs=10_000, patience=10_000)

    def cancel_once_it_learns(done, phase):
        if TrainingRun.objects.get(pk=run.pk).curve:
            runs.cancel_run(run=TrainingRun.objects.get(pk=run.pk))

    training.execute_run(
        run=run, on_progress=lambda done, phase: run.cancel_requested or cancel_once_it_learns(done, phase)
    )
    assert run.state == State.CANCELLED
    assert run.error == ""
    assert not ModelVersion.objects.exists()
    assert list((bundles / ".work").iterdir()) == []


@pytest.mark.django_db
def test_a_queued_run_is_cancelled_at_once_and_never_executed():
    run = start()
    runs.cancel_run(run=run)
    assert run.state == State.CANCELLED
    with pytest.raises(TrainingError, match="is cancelled; only a queued run can be executed"):
        training.execute_run(run=run)
    with pytest.raises(TrainingError, match="is cancelled; only a run that has not ended"):
        runs.cancel_run(run=run)


@pytest.mark.django_db
def test_a_run_that_is_being_executed_is_not_executed_twice():
    run = TrainingRun.objects.create(state=State.TRAINING)
    with pytest.raises(TrainingError, match="only a queued run"):
        training.execute_run(run=run)


@pytest.mark.django_db(transaction=True)
def test_a_model_trained_on_shuffled_purchases_is_refused(first_run, monkeypatch):
    """What is learned from has been handed out anew among the customers; what is measured on is true."""
    learn = pipeline.train_two_tower_model

    def shuffled(data, config, **options):
        tables = replace(data.tables, item=np.random.default_rng(0).permutation(data.item))
        return learn(TwoTowerDataset.build(tables, data.role, data.encoders), config, **options)

    monkeypatch.setattr(pipeline, "train_two_tower_model", shuffled)
    run = training.execute_run(run=start())
    assert run.state == State.REFUSED
    assert "it is worse than the live model: NDCG@10" in run.version.gate_reason
    assert versions.live_version() == first_run.version


@pytest.mark.django_db(transaction=True)
def test_a_new_model_is_measured_beside_the_best_version_so_far_where_another_is_live(first_run, monkeypatch):
    given = []

    def measure_nothing(data, out, **options):
        given.append(options)
        raise TrainingCancelled("Enough is known.")

    monkeypatch.setattr(pipeline, "build_bundle", measure_nothing)
    training.execute_run(run=start())
    tie = ModelVersion.objects.create(name="tie", passed_gate=True)
    Promotion.objects.create(version=tie)
    training.execute_run(run=start())
    best = bundle_folder(first_run.version.name)
    assert [options["live"] for options in given] == [best, bundle_folder("tie")]
    assert [options["anchor"] for options in given] == [None, best]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("twice", [False, True], ids=["shuffled", "shuffled and stored twice"])
def test_products_shuffled_among_the_purchases_are_refused_as_data_that_changed(first_run, twice):
    assert first_run.state == State.PROMOTED
    rows = list(Purchase.objects.order_by("pk"))
    products = [row.product_id for row in rows]
    np.random.default_rng(0).shuffle(products)
    for row, product in zip(rows, products, strict=True):
        row.product_id = product
    Purchase.objects.bulk_update(rows, ["product_id"])
    if twice:
        for row in rows:
            row.pk, row.external_id = None, None
        Purchase.objects.bulk_create(rows)
    second = training.execute_run(run=start())
    assert second.state == State.REFUSED
    reason = second.version.gate_reason
    assert "the data seems to have changed" in reason
    then, now = first_run.metrics["two_tower"]["ndcg_10"], second.metrics["two_tower"]["ndcg_10"]
    assert f"had NDCG@10 {format_score(then)} when it was promoted, and this one has {format_score(now)}" in reason
    assert versions.live_version() == first_run.version


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_process_was_killed_goes_on_with_the_same_data(bundles):
    """The snapshot of the first attempt is taken up again: checkpoints fit the data that they were made from."""
    shop.stock_the_shop()
    run = start()
    source = get_source()
    export_snapshot(source=source, folder=runs.work_folder(run) / "snapshot")
    TrainingRun.objects.filter(pk=run.pk).update(state=State.TRAINING, log="09:00:00 Before the crash")
    last_sign_of_life(run, timedelta(minutes=3))
    Purchase.objects.all().delete()
    run.refresh_from_db()
    training.execute_run(run=run)
    assert run.state == State.PROMOTED
    assert run.counts["interactions"] == 480
    assert "Before the crash" in run.log
    assert "Going on with what an earlier attempt left" in run.log


# --- promoting and rolling back ---------------------------------------------------------------------------------------


@pytest.fixture
def version(bundle, bundles):
    """Makes a version with a whole bundle."""
    bundles.mkdir()

    def make(name, *, passed=True):
        (bundles / name).symlink_to(bundle)
        return ModelVersion.objects.create(name=name, passed_gate=passed, gate_reason="Worse than popularity.")

    return make


@pytest.mark.django_db
def test_promotions_and_roll_backs_are_recorded_with_who_and_why(version):
    eve = User.objects.create_user("eve")
    one, two = version("one"), version("two")
    versions.promote(version=one)
    versions.promote(version=two, by=eve, reason="Fresh data")
    versions.roll_back(by=eve, reason="Complaints")
    told = [(p.version.name, p.action, p.by, p.reason) for p in Promotion.objects.order_by("pk")]
    assert told == [
        ("one", "promote", None, ""),
        ("two", "promote", eve, "Fresh data"),
        ("one", "roll back", eve, "Complaints"),
    ]
    assert versions.live_version() == one


@pytest.mark.django_db
def test_rolling_back_twice_goes_back_two_versions_and_then_no_further(version):
    for name in ("one", "two", "three"):
        versions.promote(version=version(name))
    assert versions.rollback_version().name == "two"
    assert versions.roll_back().version.name == "two"
    assert versions.roll_back().version.name == "one"
    with pytest.raises(TrainingError, match="no earlier version"):
        versions.roll_back()
    versions.promote(version=version("four"))
    assert versions.roll_back().version.name == "one"


@pytest.mark.django_db
def test_a_refused_version_needs_an_override_with_a_reason(version):
    refused = version("refused", passed=False)
    with pytest.raises(TrainingError, match=r"was not let through: Worse than popularity\."):
        versions.promote(version=refused, reason="I like it")
    with pytest.raises(TrainingError, match="Say why"):
        versions.promote(version=refused, override=True, reason="  ")
    assert versions.live_version() is None
    promotion = versions.promote(version=refused, override=True, reason="The season changed")
    assert promotion.action == Promotion.Action.OVERRIDE
    assert versions.live_version() == refused


@pytest.mark.django_db
def test_a_version_that_serves_already_or_whose_bundle_is_gone_is_not_promoted(version, bundles):
    one = version("one")
    versions.promote(version=one)
    with pytest.raises(TrainingError, match="serves already"):
        versions.promote(version=one)
    gone = version("gone")
    (bundles / "gone").unlink()
    with pytest.raises(TrainingError, match="cannot serve"):
        versions.promote(version=gone)
    assert versions.live_version() == one


def test_what_is_no_number_is_stored_as_nothing():
    stored = storable({"ndcg_10": math.nan, "interval": (math.inf, 0.5), "n": 3, "model": "x"})
    assert stored == {"ndcg_10": None, "interval": [None, 0.5], "n": 3, "model": "x"}


@pytest.mark.django_db
@pytest.mark.parametrize("loss", ["nan", "inf", "-inf"])
def test_a_training_whose_loss_is_no_number_keeps_its_heartbeat_and_can_be_cancelled(loss):
    run = TrainingRun.objects.create(state=State.TRAINING, cancel_requested=True)
    journal, stop = Journal(deque()), Event()
    journal.on_engine(pipeline.Progress("training", 0.3, f"epoch 3, loss {loss}", {"loss": float(loss)}))
    training._write_heartbeat(run, journal, stop)
    run.refresh_from_db()
    assert run.heartbeat is not None
    assert run.phase == run.shown_phase == f"Training: epoch 3, loss {loss}"
    assert stop.is_set()
