import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TEST, TRAIN, VALID, split
from recommender.engine.data.tables import read_snapshot
from recommender.engine.errors import EngineError, TrainingCancelled
from recommender.engine.evaluation import metrics
from recommender.engine.evaluation.baselines import Popularity
from recommender.engine.evaluation.metrics import rank_targets, user_metrics
from recommender.engine.evaluation.report import evaluate
from recommender.engine.model.linear import LinearSettings
from recommender.engine.model.scorer import TorchScorer
from recommender.engine.model.towers import ListWeights
from recommender.engine.training import losses, trainer
from recommender.engine.training.choosing import EncodedCases
from recommender.engine.training.learner import Learner
from recommender.engine.training.pipeline import build_bundle
from recommender.engine.training.trainer import Trained, train_two_tower_model
from tests import planted
from tests.engine.conftest import QUICK


def load(snapshot):
    tables = read_snapshot(snapshot)
    return TwoTowerDataset.build(tables, split(tables, "last-out"))


@pytest.mark.parametrize(
    "change",
    [
        {"interaction": "dot"},
        {"interaction": "cosine"},
        {"loss": "bpr"},
        {"loss": "bce"},
        {"full_softmax_items": 1, "negatives": 24},
    ],
    ids=["dot", "cosine", "bpr", "bce", "sampled softmax"],
)
def test_planted_tastes_are_learned_with_every_loss(snapshot, change):
    data = load(snapshot)
    trained = train_two_tower_model(data, replace(QUICK, **change))
    cases = data.cases(TEST)
    hits = user_metrics(rank_targets(TorchScorer(trained.model, data), data, cases))["hr_10"].mean()
    assert hits > 0.8  # of 60 items 15 are of one's kind and 9 of them bought: at random 10 of 51 would be hit


@pytest.mark.parametrize(("width", "sampled"), [(16, False), (32, True)])
def test_the_wider_the_path_the_sooner_items_are_sampled(snapshot, monkeypatch, width, sampled):
    corrected = []
    plain = losses.softmax_loss
    monkeypatch.setattr(losses, "softmax_loss", lambda *given: corrected.append(len(given) == 6) or plain(*given))
    data, config = load(snapshot), replace(QUICK, dim=16, full_softmax_items=60, negatives=16)
    assert data.n_items == 60
    train_two_tower_model(data, config, like=Trained(None, LinearSettings(rank=width), rates=[1e-2]))
    assert set(corrected) == {sampled}


def test_bpr_is_not_trained_against_what_was_bought(snapshot, monkeypatch):
    drawn = []
    plain = losses.bpr_loss
    monkeypatch.setattr(losses, "bpr_loss", lambda own, others: drawn.append(others.detach()) or plain(own, others))
    train_two_tower_model(load(snapshot), replace(QUICK, loss="bpr", epochs=1))
    silent = torch.cat([scores.isinf().flatten() for scores in drawn]).float().mean()
    assert 0.03 < silent < 0.5  # of 60 items one is the target, and up to 8 were bought before


def test_training_stops_early_and_keeps_the_best_epoch(snapshot):
    trained = train_two_tower_model(load(snapshot), replace(QUICK, epochs=60, patience=2))
    validation = [trained.start, *(e["ndcg_10"] for e in trained.curve)]
    assert len(validation) < 60
    assert len(trained.rates) == int(np.argmax(validation))


def test_training_starts_from_the_closed_forms(snapshot):
    """Before the first step the lists are good already: the planted kinds are in the purchases, plain to see."""
    trained = train_two_tower_model(load(snapshot), replace(QUICK, epochs=1))
    popular = user_metrics(rank_targets(Popularity(load(snapshot)), load(snapshot), load(snapshot).cases(VALID)))
    assert trained.start > 2 * popular["ndcg_10"].mean()


def test_epochs_are_judged_on_fewer_people_where_the_catalog_is_large_and_lists_on_all(snapshot, monkeypatch):
    data = TwoTowerDataset.build(tables := read_snapshot(snapshot), split(tables, "last-out"))
    everybody, judged = len(data.cases(VALID)), []
    real = EncodedCases.of
    monkeypatch.setattr(EncodedCases, "of", lambda *given, **more: judged.append(given[2]) or real(*given, **more))
    monkeypatch.setattr(metrics, "SCORES", 20 * data.n_items)
    train_two_tower_model(data, replace(QUICK, epochs=2))
    *while_training, of_lists = judged
    assert [len(cases) for cases in while_training] == [20] * 3
    assert all((cases.users == while_training[0].users).all() for cases in while_training)
    assert len(of_lists) == everybody > 20


def test_the_learning_rate_halves_when_an_epoch_brings_nothing(snapshot):
    curve = train_two_tower_model(load(snapshot), replace(QUICK, epochs=60, patience=2)).curve
    assert curve[-1]["learning_rate"] < curve[0]["learning_rate"]


def test_a_killed_run_goes_on_from_its_checkpoint_to_the_same_model(snapshot, tmp_path):
    data, file = load(snapshot), tmp_path / "checkpoint.safetensors"
    whole = train_two_tower_model(data, QUICK)

    def dies_in_epoch_2(entry):
        if entry["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_two_tower_model(data, QUICK, checkpoint=file, on_epoch=dies_in_epoch_2)
    epochs = []
    resumed = train_two_tower_model(data, QUICK, checkpoint=file, on_epoch=lambda e: epochs.append(e["epoch"]))
    assert epochs[0] == 3
    for resumed_entry, whole_entry in zip(resumed.curve, whole.curve, strict=True):
        assert resumed_entry == pytest.approx(whole_entry, rel=1e-4)


def test_a_large_refit_goes_on_from_the_judged_weights_for_one_epoch(snapshot):
    data = load(snapshot)
    judged = train_two_tower_model(data, QUICK)
    everything = data.with_role(np.full(len(data), TRAIN, dtype=np.int8))
    judged.rates = [0.01, 1e-6]
    served = train_two_tower_model(everything, replace(QUICK, repeat_up_to=100), like=judged)
    assert [entry["learning_rate"] for entry in served.curve] == [1e-6]
    before, after = judged.model.users.gru.weight_hh_l0, served.model.users.gru.weight_hh_l0
    assert not torch.equal(before, after)
    assert torch.allclose(before, after, atol=1e-3), "at such a rate next to nothing may change"


def test_a_large_refit_learns_with_popularity_in_full_whatever_lists_make_of_it(snapshot):
    data = load(snapshot)
    judged = train_two_tower_model(data, QUICK)
    judged.rates = [1e-3]
    losses, served = [], []
    for weights in (ListWeights(), ListWeights(popularity=0.0, history=0.25, popularity_short=0.0, history_short=0.25)):
        judged.model.users.set_list_weights(weights)
        judged.weights = weights
        again = train_two_tower_model(data, replace(QUICK, repeat_up_to=100), like=judged)
        losses.append(again.curve[0]["loss"])
        served.append(again.model.users.popularity_weight.tolist())
    assert losses[0] == pytest.approx(losses[1])
    assert served == [[1, 1], [0, 0]]


def test_closed_forms_that_serve_alone_are_fitted_again_on_everything_however_large(snapshot):
    data = load(snapshot)
    judged = train_two_tower_model(data, replace(QUICK, epochs=1))
    judged.rates = []  # as where no epoch was better than the closed forms
    everything = data.with_role(np.full(len(data), TRAIN, dtype=np.int8))
    large = train_two_tower_model(everything, replace(QUICK, repeat_up_to=100), like=judged).model.items
    small = train_two_tower_model(everything, QUICK, like=judged).model.items
    assert torch.equal(large.trace.weight, small.trace.weight)
    assert not torch.allclose(large.trace.weight, judged.model.items.trace.weight)


def test_a_run_asked_to_stop_stops_and_writes_nothing(snapshot, tmp_path):
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 3

    with pytest.raises(TrainingCancelled):
        build_bundle(snapshot, tmp_path / "out" / "b", config=QUICK, should_stop=stop)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_label_of_a_held_out_purchase_cannot_be_seen(tmp_path):
    data = load(planted.leaking_label(tmp_path))
    trained = train_two_tower_model(data, QUICK)
    report = evaluate(TorchScorer(trained.model, data), data, how="last-out", at_most=1000, resamples=200)
    assert report.paired["popularity"]["low"] < 0.03
    assert report.metrics["hr_10"] < 0.5  # reading the code would make it 1; 10 of 33 at random


def test_ratings_beat_the_means_where_taste_decides_them(tmp_path):
    planted.write_shop(tmp_path, planted.even_and_odd(users=200, items=40, each=12))
    data = load(tmp_path)
    trained = train_two_tower_model(data, replace(QUICK, rating_dim=8, epochs=30))
    ratings = evaluate(TorchScorer(trained.model, data), data, how="last-out", at_most=500, resamples=100).ratings
    assert ratings["rmse"] < 0.7 * ratings["item_mean_rmse"]
    assert ratings["rmse"] < 0.7 * ratings["global_mean_rmse"]


def test_the_report_stands_beside_popularity_with_intervals(snapshot, tmp_path):
    report = build_bundle(snapshot, tmp_path / "b", config=QUICK).to_dict()
    assert [m["model"] for m in report["models"]] == ["two_tower", "popularity", "segment_popularity"]
    assert report["paired"]["popularity"]["low"] > 0
    assert {s["segment"] for s in report["segments"]} >= {"profile only", "6-20 purchases"}
    low, high = report["models"][0]["ndcg_10_interval"]
    assert low < report["models"][0]["ndcg_10"] < high


def test_the_live_model_is_measured_on_the_same_purchases(snapshot, bundle, tmp_path):
    report = build_bundle(snapshot, tmp_path / "b", config=replace(QUICK, refit=False), live=bundle)
    # The same data, settings and seed: the live model's judged weights are this candidate's.
    assert report.paired["live"]["difference"] == pytest.approx(0, abs=0.02)


def test_another_earlier_version_is_measured_on_the_same_purchases(snapshot, bundle, tmp_path):
    said = []
    report = build_bundle(
        snapshot,
        tmp_path / "b",
        config=replace(QUICK, refit=False, epochs=1),
        live=tmp_path / "none",
        anchor=bundle,
        progress=lambda progress: said.append(progress.message),
    )
    assert [row["model"] for row in report.models][3:] == ["anchor"]
    assert all("anchor" in segment["paired"] for segment in report.segments)
    assert any(message.startswith("the live model none is not compared with") for message in said)


def test_what_serves_ranks_what_it_has_seen_at_least_as_well_as_what_was_measured(snapshot, tmp_path):
    report = build_bundle(snapshot, tmp_path / "b", config=replace(QUICK, epochs=2))
    assert report.refit["ndcg_10"] == pytest.approx(report.metrics["ndcg_10"] + report.refit["difference"])
    assert report.refit["low"] > 0
    assert build_bundle(snapshot, tmp_path / "c", config=replace(QUICK, epochs=1, refit=False)).refit is None


def test_a_setting_that_is_not_allowed_is_named_with_what_is():
    with pytest.raises(EngineError, match=r"loss is 'hinge'; it must be one of softmax, bpr, bce"):
        TrainConfig(loss="hinge")


def test_a_step_touches_no_state_of_later_purchases(snapshot):
    """Causality: the states after purchase k do not change when purchase k + 1 does."""
    data = load(snapshot)
    model = train_two_tower_model(data, replace(QUICK, epochs=1)).model
    history = torch.randn(1, 5, model.sizes.width)
    changed = history.clone()
    changed[:, 3:] += 1
    zeros = torch.zeros(1, 5, dtype=torch.long)
    with torch.no_grad():
        a, b = model.users.states(history, zeros, zeros), model.users.states(changed, zeros, zeros)
    assert torch.equal(a[:, :3], b[:, :3])
    assert not torch.equal(a[:, 3:], b[:, 3:])


@pytest.mark.parametrize(("noise", "kept"), [(1.0, 0), (0.01, 1)])
def test_an_epoch_is_kept_where_it_is_better_than_the_closed_forms_by_more_than_chance(
    snapshot, monkeypatch, noise, kept
):
    start, by_chance = np.full(100, 0.5), np.random.default_rng(0).permutation(np.tile([-1.0, 1.0], 50))
    measured = iter([start, start + 0.02 + noise * by_chance])
    monkeypatch.setattr(trainer, "_validate", lambda _: (float((one := next(measured)).mean()), one))
    trained = train_two_tower_model(load(snapshot), replace(QUICK, epochs=1))
    assert len(trained.rates) == kept


def test_no_epoch_is_begun_when_the_time_is_up(snapshot):
    data = load(snapshot)
    cut_off = train_two_tower_model(data, replace(QUICK, minutes=1e-9))
    assert cut_off.curve == []
    assert cut_off.out_of_time
    assert not train_two_tower_model(data, replace(QUICK, epochs=1)).out_of_time
    with pytest.raises(EngineError, match="minutes is 0"):
        TrainConfig(minutes=0)


def test_kernels_of_batches_that_never_come_again_are_forgotten_unless_the_environment_keeps_them(
    snapshot, monkeypatch
):
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "512")
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    Learner(load(snapshot), QUICK, LinearSettings(rank=8), None)
    assert os.environ["LRU_CACHE_CAPACITY"] == "512"
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "16"
