"""A training that goes on from an earlier model: what it keeps, what it makes anew, and what it may not have seen."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from recommender.engine.__main__ import main
from recommender.engine.bundle import read_manifest, write_manifest
from recommender.engine.comparison import learned_by, open_for_comparison
from recommender.engine.dataset import LEFT_OUT, TEST, TRAIN, VALID, TwoTowerDataset, split
from recommender.engine.errors import WarmStartError
from recommender.engine.evaluation import case_inputs, rank_targets, user_metrics
from recommender.engine.pipeline import build_from_tables
from recommender.engine.tables import read_snapshot
from recommender.engine.trainer import TorchScorer, train_two_tower_model
from recommender.engine.warm_start import Warm, hold_out_unlearned, settings_of
from tests.engine.conftest import QUICK


def part(tables, kept):
    """The same shop with only some of its purchases."""
    values = {name: column[kept] for name, column in tables.values.items()}
    rows = {name: getattr(tables, name)[kept] for name in ("user", "item", "time", "rating")}
    return replace(tables, **rows, values=values)


@pytest.fixture(scope="module")
def today(snapshot):
    return read_snapshot(snapshot)


@pytest.fixture(scope="module")
def yesterday(today):
    """Without everybody's last two purchases, without anything of every tenth person, and before i59 was sold."""
    since_last = today.first_row[today.user + 1] - np.arange(len(today))
    new_item = today.item_keys[today.item] == "i59"
    return part(today, (since_last > 2) & (today.user % 10 != 9) & ~new_item)


@pytest.fixture(scope="module")
def live(yesterday, tmp_path_factory):
    out = tmp_path_factory.mktemp("live") / "b"
    build_from_tables(yesterday, out, config=QUICK, how="last-out")
    return out


def data_of(tables, live):
    role = split(tables, "last-out", QUICK.seed)
    return TwoTowerDataset.build(tables, role, number=Warm.open(live, "judged", QUICK, tables).encoders.number)


def test_before_the_first_step_the_lists_are_the_earlier_models(today, live):
    data, standing_still = data_of(today, live), replace(QUICK, epochs=1, learning_rate=1e-9)
    warm = train_two_tower_model(data, standing_still, warm=Warm.open(live, "judged", QUICK, today))
    cold = train_two_tower_model(data, standing_still)
    cases, known = data.cases(TEST), np.arange(59)
    earlier, its_data = open_for_comparison(live, today, data.role)
    scores = []
    for scorer, under in ((earlier, its_data), *((TorchScorer(t.model, data), data) for t in (warm, cold))):
        people = scorer.users(case_inputs(under, cases, QUICK.max_history))
        width = scorer.items.trace.shape[1]
        scores.append((people.rank[:, :width] @ scorer.items.rank[known, :width].T).ravel())
    like_warm, like_cold = np.corrcoef(scores)[0, 1:]
    assert like_warm > 0.995
    assert like_cold < 0.98


def test_it_learns_what_is_new_no_worse_and_stops_at_the_first_epoch_that_brings_nothing(today, live):
    data = data_of(today, live)
    cold = train_two_tower_model(data, QUICK)
    warm = train_two_tower_model(data, QUICK, warm=Warm.open(live, "judged", QUICK, today))
    served = [entry["ndcg_10"] for entry in warm.curve]
    assert int(np.argmax(served)) >= len(served) - 2
    ndcg = [
        user_metrics(rank_targets(TorchScorer(t.model, data), data, data.cases(TEST)))["ndcg_10"] for t in (cold, warm)
    ]
    assert ndcg[1].mean() > ndcg[0].mean() - 0.05


@pytest.mark.parametrize(("pace", "first"), [(1.0, 0.01), (0.5, 0.005), (None, 0.0025)])
def test_it_is_as_slow_as_the_earlier_training_had_to_be(today, live, pace, first):
    warm = replace(Warm.open(live, "judged", QUICK, today), pace=pace)
    assert train_two_tower_model(data_of(today, live), QUICK, warm=warm).curve[0]["learning_rate"] == first


def test_the_pace_of_a_training_is_in_its_bundle(today, live, tmp_path):
    copy = shutil.copytree(live, tmp_path / "copy")
    for rates, pace in (([QUICK.learning_rate / 4, 1e-4], 0.25), ([], None)):
        chosen = json.loads((copy / "training.json").read_text())
        (copy / "training.json").write_text(json.dumps({**chosen, "rates": rates}))
        write_manifest(copy, settings=QUICK.to_dict())
        assert Warm.open(copy, "judged", QUICK, today).pace == pace


def test_what_was_learned_of_an_item_and_of_a_value_is_kept_by_key_and_by_value(today, live):
    """The rows of today stand in another order, and a value is new: each row goes to its own."""
    shuffled = np.random.default_rng(0).permutation(len(today.item_keys))
    place = np.argsort(shuffled)
    kinds = today.items["kind"][shuffled].copy()
    kinds[:2] = "E"
    moved = replace(
        today, item_keys=today.item_keys[shuffled], items={"kind": kinds}, item=place[today.item].astype(np.int32)
    )
    data, warm = data_of(moved, live), Warm.open(live, "judged", QUICK, moved)
    model = train_two_tower_model(data, replace(QUICK, epochs=1, learning_rate=1e-9), warm=warm).model
    for key in ("i3", "i30"):
        now = list(data.tables.item_keys).index(key)
        assert torch.allclose(model.items.id.weight[now], warm.items["id.weight"][warm.row_of[key]], atol=1e-5)
        assert torch.allclose(model.items.trace.weight[now], warm.items["trace.weight"][warm.row_of[key]], atol=1e-5)
    for value, earlier in (("A", "A"), ("D", "D")):
        now = data.encoders.item["kind"].encode([value])[0]
        then = warm.encoders.item["kind"].encode([earlier])[0]
        table = warm.items["features.0.weight"]
        assert torch.allclose(model.items.features[0].weight[now], table[then], atol=1e-5)
    assert "E" in data.encoders.item["kind"].values
    assert torch.allclose(model.users.gru.weight_hh_l0, warm.users["gru.weight_hh_l0"], atol=1e-5)


def test_an_item_that_was_not_sold_before_starts_among_those_it_is_bought_with(today, live):
    data, warm = data_of(today, live), Warm.open(live, "judged", QUICK, today)
    assert "i59" not in warm.row_of
    model = train_two_tower_model(data, replace(QUICK, epochs=1, learning_rate=1e-9), warm=warm).model
    trace = torch.nn.functional.normalize(model.items.trace.weight[:-1], dim=1)
    like = trace @ trace[59]
    own_kind = np.arange(60) % 4 == 59 % 4
    own_kind[59] = False
    others = np.arange(60) % 4 != 59 % 4
    assert like[own_kind].mean() > like[others].mean() + 0.3


def test_what_the_weights_have_learned_is_not_held_out(today, live):
    """u0's latest purchases are gone: what is now the last one, training has seen."""
    back = today.first_row[today.user + 1] - np.arange(len(today))
    shortened = part(today, (today.user != 0) | (back > 4))
    role = split(shortened, "last-out", QUICK.seed)
    own = shortened.user == 0
    assert (role[own] == TEST).sum() == 1
    fair = hold_out_unlearned(role, live, shortened)
    assert not np.isin(fair[own], (VALID, TEST)).any()
    assert (fair[own] == LEFT_OUT).sum() == 2
    assert np.array_equal(fair[~own], role[~own])


def test_the_judged_weights_of_a_warm_start_count_what_the_ones_before_have_learned(today, live, tmp_path):
    build_from_tables(today, tmp_path / "b", config=QUICK, how="last-out", live=live, warm_start=True)
    learned = learned_by(tmp_path / "b", today)
    assert learned[learned_by(live, today)].all()
    role = split(today, "last-out", QUICK.seed)
    assert not learned[(role == TEST) | (role == VALID)].any()
    assert learned.sum() == (role == TRAIN).sum()


def test_a_live_model_that_learned_most_of_what_would_be_held_out_starts_nothing(today, live):
    role = np.where(learned_by(live, today), TEST, TRAIN).astype(np.int8)
    with pytest.raises(WarmStartError, match=r"it learned from ([0-9]+) of the \1 purchases to be held out"):
        hold_out_unlearned(role, live, today)


@pytest.mark.parametrize(
    ("config", "schema", "sentence"),
    [
        ({"dim": 8}, {}, "its setting dim was 16, and is 8"),
        ({"interaction": "cosine"}, {}, "its setting interaction was dot, and is cosine"),
        ({}, {"item_categorical": ()}, r"its features item_categorical was \('kind',\), and is \(\)"),
    ],
)
def test_a_live_model_of_another_shape_means_a_cold_start_that_says_why(
    today, live, tmp_path, config, schema, sentence
):
    config, tables = replace(QUICK, epochs=1, **config), replace(today, schema=replace(today.schema, **schema))
    with pytest.raises(WarmStartError, match=sentence):
        Warm.open(live, "judged", config, tables)
    said = []
    report = build_from_tables(
        tables, tmp_path / "b", config=config, how="last-out", live=live, warm_start=True,
        progress=lambda p: said.append(p.message),
    )  # fmt: skip
    assert report.start.startswith("cold, not from the live model: its")
    assert f"starts {report.start}" in said


def test_the_command_line_takes_over_weights_and_settings(snapshot, live, tmp_path, capsys):
    words = ["train", "--data", str(snapshot), "--out", str(tmp_path / "b"), "--warm-start", str(live), "--epochs", "2"]
    assert main(words) == 0
    assert "started warm" in capsys.readouterr().out
    settings = read_manifest(tmp_path / "b")["settings"]
    assert settings == {**QUICK.to_dict(), "epochs": 2}
    assert settings_of(live, {"epochs": 2}) == replace(QUICK, epochs=2)


def test_a_path_that_is_no_bundle_is_one_sentence(snapshot, tmp_path, capsys):
    words = ["train", "--data", str(snapshot), "--out", str(tmp_path / "b"), "--warm-start", str(tmp_path)]
    assert main(words) == 1
    assert "is not a bundle" in capsys.readouterr().err
