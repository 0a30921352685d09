"""Tuning: what is tried and chosen, what it may look at, and what a run that was killed or cancelled leaves."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from recommender.engine.__main__ import main
from recommender.engine.bundle.manifest import read_manifest
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TEST, TRAIN, split
from recommender.engine.data.tables import read_snapshot
from recommender.engine.errors import SnapshotError, TrainingCancelled
from recommender.engine.training import tuner
from recommender.engine.training.pipeline import build_bundle
from recommender.engine.training.trainer import train_two_tower_model
from recommender.engine.training.tuner import tune
from recommender.engine.training.warm_start import Warm
from tests.engine.conftest import QUICK

SHORT = replace(QUICK, epochs=3)


@pytest.fixture(scope="module")
def tables(snapshot):
    return read_snapshot(snapshot)


@pytest.fixture(scope="module")
def data(tables):
    return TwoTowerDataset.build(tables, split(tables, "last-out"))


def table_of(work):
    return json.loads((work / "study.json").read_text())


def test_the_given_settings_come_first_and_the_best_on_validation_are_chosen(data, tmp_path):
    study = tune(data, SHORT, 5, work=tmp_path)
    assert len(study.trials) == 5
    first = study.trials[0]
    assert first.settings == {name: getattr(SHORT, name) for name in first.settings}
    assert {
        "learning_rate",
        "dropout",
        "dim",
        "interaction",
        "average_steps",
        "item_id_dropout",
    } <= first.settings.keys()
    assert len({json.dumps(trial.settings) for trial in study.trials}) == 5
    best = max(study.trials, key=lambda trial: trial.ndcg_10)
    assert study.config == replace(SHORT, **best.settings)
    assert [trial["ndcg_10"] for trial in table_of(tmp_path)] == [trial.ndcg_10 for trial in study.trials]


def test_the_best_trials_checkpoint_gives_back_its_model_without_learning_again(data, tmp_path):
    study = tune(data, SHORT, 3, work=tmp_path)
    epochs = []
    trained = train_two_tower_model(data, study.config, checkpoint=study.checkpoint, on_epoch=epochs.append)
    assert epochs == []
    best = max(study.trials, key=lambda trial: trial.ndcg_10)
    assert [entry["ndcg_10"] for entry in trained.curve] == best.curve
    assert [path.name for path in tmp_path.glob("*.safetensors")] == [study.checkpoint.name]


@pytest.fixture
def planted_trainer(monkeypatch):
    """The trainer at its boundary: `planted_trainer(ndcg)` makes it report ndcg(config, trial number, epoch)."""

    def plant(ndcg):
        def learns(data, config, *, on_epoch, checkpoint, **options):
            number = int(checkpoint.stem.removeprefix("trial-"))
            for epoch in range(1, 7):
                on_epoch({"epoch": epoch, "loss": 1.0, "ndcg_10": ndcg(config, number, epoch)})
            return SimpleNamespace(start=0.0)

        monkeypatch.setattr(tuner, "train_two_tower_model", learns)

    return plant


def test_better_settings_are_found_where_there_are_some(data, tmp_path, planted_trainer):
    """Twice the given learning rate and less dropout are planted as best."""
    planted_trainer(lambda c, n, e: 1 - 0.2 * abs(np.log2(c.learning_rate / 2e-2)) - abs(c.dropout - 0.1))
    study = tune(data, SHORT, 30, work=tmp_path)
    assert study.config.learning_rate == pytest.approx(2e-2, rel=0.4)
    assert study.config.dropout == pytest.approx(0.1, abs=0.1)


def test_hopeless_trials_are_given_up(data, tmp_path, planted_trainer):
    """Every trial from the fourth on is planted below all before it."""
    planted_trainer(lambda config, number, epoch: 0.1 * epoch if number <= 3 else 0.01)
    trials = tune(data, SHORT, 6, work=tmp_path).trials
    assert [trial.state for trial in trials] == ["done"] * 3 + ["pruned"] * 3
    assert [len(trial.curve) for trial in trials] == [6, 6, 6, 2, 2, 2]


def test_a_trial_that_diverges_is_given_up_and_never_chosen(data, tmp_path):
    def explode(trial, entry):
        if trial.number > 1:
            entry["loss"] = float("nan")

    study = tune(data, SHORT, 3, work=tmp_path, on_epoch=explode)
    assert [trial.state for trial in study.trials] == ["done", "pruned", "pruned"]
    assert [len(trial.curve) for trial in study.trials[1:]] == [1, 1]


def test_what_is_held_out_for_the_test_changes_nothing(tables, data, tmp_path):
    """Other items are bought at the very end: every trial's validation stays what it was, to the last digit."""
    role = split(tables, "last-out")
    item = tables.item.copy()
    item[role == TEST] = np.random.default_rng(5).integers(0, 60, (role == TEST).sum())
    other = TwoTowerDataset.build(replace(tables, item=item), role)
    assert (other.item != data.item).any()
    here, there = (tune(which, SHORT, 3, work=folder(tmp_path / name)) for name, which in (("a", data), ("b", other)))
    assert [t.curve for t in here.trials] == [t.curve for t in there.trials]
    assert [t.settings for t in here.trials] == [t.settings for t in there.trials]


def folder(path):
    path.mkdir()
    return path


def test_a_killed_run_goes_on_with_its_trials_and_inside_one(data, tmp_path):
    def dies_in_trial_3(trial, entry):
        if trial.number == 3 and entry["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(data, SHORT, 4, work=tmp_path, on_epoch=dies_in_trial_3)
    before = table_of(tmp_path)
    assert [trial["state"] for trial in before] == ["done", "done", "running"]
    heard = []
    study = tune(data, SHORT, 4, work=tmp_path, on_epoch=lambda t, e: heard.append((t.number, e["epoch"])))
    assert heard[0] == (3, 3)
    assert [trial.curve for trial in study.trials[:2]] == [trial["curve"] for trial in before[:2]]
    assert study.trials[2].settings == before[2]["settings"]
    assert study.trials[2].curve[:2] == before[2]["curve"]
    assert len(study.trials) == 4


def test_a_trial_is_cancelled_between_two_batches(data, tmp_path):
    heard = []
    with pytest.raises(TrainingCancelled):
        tune(data, SHORT, 4, work=tmp_path, should_stop=lambda: bool(heard), on_epoch=lambda t, e: heard.append(e))
    assert len(heard) == 1


def test_without_validation_there_is_nothing_to_tune_by(tables, tmp_path):
    data = TwoTowerDataset.build(tables, np.full(len(tables), TRAIN, dtype=np.int8))
    with pytest.raises(SnapshotError, match="nothing to choose settings by"):
        tune(data, SHORT, 2, work=tmp_path)


def test_a_warm_start_tries_nothing_that_changes_the_models_shape(data, tables, bundle, tmp_path):
    warm = Warm.open(bundle, "judged", QUICK, tables)
    study = tune(data, QUICK, 2, work=tmp_path, warm=warm)
    assert not {"dim", "interaction"} & study.trials[1].settings.keys()
    assert study.config.dim == QUICK.dim


def test_the_bundle_keeps_the_study_and_the_settings_it_chose(snapshot, tmp_path):
    said = []
    report = build_bundle(snapshot, tmp_path / "b", config=SHORT, tune=3, progress=lambda p: said.append(p))
    trials = json.loads((tmp_path / "b" / "report.json").read_text())["study"]
    assert trials == report.study
    best = max(trials, key=lambda trial: trial["ndcg_10"])
    assert read_manifest(tmp_path / "b")["settings"] == {**SHORT.to_dict(), **best["settings"]}
    assert [p.done for p in said] == sorted(p.done for p in said)
    assert any(p.phase == "tuning" and p.message.startswith("trial 3 of 3, epoch 1") for p in said)


def test_the_command_line_tunes(snapshot, tmp_path, capsys):
    words = ["train", "--data", str(snapshot), "--out", str(tmp_path / "b"), "--epochs", "1", "--tune", "2"]
    assert main([*words, "--work", str(tmp_path / "work")]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[:2]] == [["trial", "1"], ["trial", "2"]]
    assert len(table_of(tmp_path / "work")) == 2
