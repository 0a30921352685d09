"""A training that goes on from an earlier model: what it keeps, what it makes anew, and what it may not have seen."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from recommender.engine.__main__ import main
from recommender.engine.bundle.comparison import learned_by, open_for_comparison
from recommender.engine.bundle.manifest import read_manifest
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import LEFT_OUT, TEST, TRAIN, VALID, split
from recommender.engine.data.tables import read_snapshot
from recommender.engine.errors import WarmStartError
from recommender.engine.evaluation.metrics import case_inputs, rank_targets, user_metrics
from recommender.engine.model.linear import LinearPath
from recommender.engine.model.scorer import TorchScorer
from recommender.engine.training import learner
from recommender.engine.training.batches import batches, windows
from recommender.engine.training.pipeline import build_bundle
from recommender.engine.training.trainer import train_two_tower_model
from recommender.engine.training.warm_start import KEPT, REPEATED, REPLAYED, Warm, hold_out_unlearned, settings_of
from tests import planted
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
    build_bundle(yesterday, out, config=QUICK, split="last-out")
    return out


def data_of(tables, live):
    role = split(tables, "last-out", QUICK.seed)
    return TwoTowerDataset.build(tables, role, number=Warm.open(live, "judged", QUICK, tables).encoders.number)


def before_the_first_step(data, warm=None):
    return train_two_tower_model(data, replace(QUICK, epochs=1, learning_rate=1e-9), warm=warm)


def test_before_the_first_step_the_lists_are_nearer_to_the_earlier_models_than_a_cold_starts(today, live):
    data = data_of(today, live)
    warm, cold = before_the_first_step(data, Warm.open(live, "judged", QUICK, today)), before_the_first_step(data)
    cases, known = data.cases(TEST), np.arange(59)
    earlier, its_data = open_for_comparison(live, today, data.role)
    scores = []
    for scorer, under in ((earlier, its_data), *((TorchScorer(t.model, data), data) for t in (warm, cold))):
        people = scorer.users(case_inputs(under, cases, QUICK.max_history))
        width = scorer.items.trace.shape[1]
        scores.append((people.rank[:, :width] @ scorer.items.rank[known, :width].T).ravel())
    like_warm, like_cold = np.corrcoef(scores)[0, 1:]
    assert 1 - like_warm < 0.75 * (1 - like_cold)


def test_it_begins_beside_the_linear_path_of_today_in_the_earlier_ones_coordinates(today, live):
    data, warm = data_of(today, live), Warm.open(live, "judged", QUICK, today)
    origin, path = before_the_first_step(data, warm).origin, LinearPath.fit(data, QUICK.dim, warm.linear)
    votes = origin["history"] @ origin["items"].T
    assert torch.allclose(votes, torch.from_numpy(path.history @ path.items.T), atol=1e-4)
    rows = [warm.row_of[key] for key in data.tables.item_keys if key in warm.row_of]
    known = torch.tensor([key in warm.row_of for key in data.tables.item_keys])

    def like_earlier(items):
        return torch.cosine_similarity(items[known], warm.origin["items"][rows]).mean()

    assert like_earlier(origin["items"]) > like_earlier(torch.from_numpy(path.items)) + 0.3


def test_the_origin_of_a_bundle_is_what_its_training_began_from(yesterday, live):
    role = split(yesterday, "last-out", QUICK.seed)
    began = before_the_first_step(TwoTowerDataset.build(yesterday, role)).origin
    kept = Warm.open(live, "judged", QUICK, yesterday).origin
    for name in ("items", "history"):
        assert torch.allclose(began[name], kept[name], atol=2e-3), "but for half precision"


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


def test_an_epoch_goes_over_what_is_new_and_over_a_part_of_the_rest_drawn_anew(today, live, monkeypatch):
    seen = []
    monkeypatch.setattr(learner, "batches", lambda made, *rest: seen.append(Counter(made)) or batches(made, *rest))
    data, warm = data_of(today, live), Warm.open(live, "judged", QUICK, today)
    stranger = data.user % 10 == 9
    assert not warm.learned[stranger].any()
    assert 0.5 < warm.learned[~stranger].mean() < 1
    warm = replace(warm, learned=~stranger)  # as if it had learned all of everybody else
    train_two_tower_model(data, replace(QUICK, epochs=2, learning_rate=1e-9), warm=warm)
    everything = windows(data, QUICK.max_history)
    new, old = ([w for w in everything if stranger[w.start] == of_one] for of_one in (True, False))
    for epoch in seen:
        assert {epoch[window] for window in new} == {REPEATED}
        assert abs(np.mean([epoch[window] for window in old]) - REPLAYED) < 0.15
    assert len(seen) == 2
    assert {w for w in old if seen[0][w]} != {w for w in old if seen[1][w]}


@pytest.mark.parametrize(("pace", "first"), [(1.0, 0.02), (0.5, 0.01), (None, 0.0025)])
def test_it_is_quicker_than_the_cold_start_was_and_as_slow_as_that_had_to_be(today, live, pace, first):
    warm = replace(Warm.open(live, "judged", QUICK, today), pace=pace)
    assert train_two_tower_model(data_of(today, live), QUICK, warm=warm).curve[0]["learning_rate"] == first


def test_the_pace_of_a_cold_start_is_that_of_all_that_go_on_from_it(today, live, tmp_path):
    tables = read_snapshot(planted.tastes(tmp_path, users=480, seed=1))  # where an epoch is kept
    cold = train_two_tower_model(TwoTowerDataset.build(tables, split(tables, "last-out")), QUICK)
    assert cold.pace == cold.rates[0] / QUICK.learning_rate
    warm = replace(Warm.open(live, "judged", QUICK, today), pace=0.25)
    assert train_two_tower_model(data_of(today, live), QUICK, warm=warm).pace == 0.25


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
    trained = before_the_first_step(data, warm)
    model, now = trained.model, trained.model.items.linear(torch.from_numpy(data.item_features))
    kinds_then = warm.encoders.item["kind"].encode(["A", "B", "C", "D"])
    for key in ("i3", "i30"):
        here, then = list(data.tables.item_keys).index(key), warm.row_of[key]
        of_its_kind = warm.items["features.0.weight"][kinds_then[int(key[1:]) % 4]]
        learned = {"items": warm.items["id.weight"][then] + of_its_kind, "history": warm.items["trace.weight"][then]}
        for name in ("items", "history"):
            expected = trained.origin[name][here] + KEPT * (learned[name] - warm.origin[name][then])
            assert torch.allclose(now[name][here], expected, atol=1e-4)
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
    model = before_the_first_step(data, warm).model
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
    fair = hold_out_unlearned(role, learned_by(live, shortened))
    assert not np.isin(fair[own], (VALID, TEST)).any()
    assert (fair[own] == LEFT_OUT).sum() == 2
    assert np.array_equal(fair[~own], role[~own])


def test_the_judged_weights_of_a_warm_start_count_what_the_ones_before_have_learned(today, live, tmp_path):
    build_bundle(today, tmp_path / "b", config=QUICK, split="last-out", live=live, warm_start=True)
    learned = learned_by(tmp_path / "b", today)
    assert learned[learned_by(live, today)].all()
    role = split(today, "last-out", QUICK.seed)
    assert not learned[(role == TEST) | (role == VALID)].any()
    assert learned.sum() == (role == TRAIN).sum()


def test_a_live_model_that_learned_most_of_what_would_be_held_out_starts_nothing(today, live):
    role = np.where(learned_by(live, today), TEST, TRAIN).astype(np.int8)
    with pytest.raises(WarmStartError, match=r"it learned from ([0-9]+) of the \1 purchases to be held out"):
        hold_out_unlearned(role, learned_by(live, today))


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
    report = build_bundle(
        tables, tmp_path / "b", config=config, split="last-out", live=live, warm_start=True,
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
