"""The comparison with the peers, on a shop whose structure is known because it was planted."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import peers, quality, splits
from benchmarks.peers import load
from benchmarks.peers.ease import EASE
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TEST, TRAIN, VALID, split
from recommender.engine.data.tables import from_frame, read_snapshot
from recommender.engine.evaluation.metrics import score_batches
from tests import planted

ROOT = Path(__file__).resolve().parents[2]
PROMISED = {"model", "ndcg_10", "ndcg_10_interval", "hr_10", "recall_20", "mrr", "coverage", "seconds", "peak_mb"}
QUICK = '{"dim": 16, "profile_rank": 4, "rating_dim": 4, "epochs": 3, "learning_rate": 0.01, "batch_targets": 512}'


def test_every_model_gets_a_row_and_planted_tastes_are_found(tmp_path: Path):
    folder = planted.tastes(tmp_path / "tastes")
    models = "popularity,co_purchase,ease,two_tower"

    # In a process of its own: the harness forks, and a child of one in which torch has run already waits for ever.
    asked = ["--data", str(folder), "--models", models, "--config", QUICK, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.quality", *asked], cwd=ROOT, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr
    rows = {row["model"]: row for row in json.loads(done.stdout)}
    assert ",".join(rows) == models
    for row in rows.values():
        assert set(row) >= PROMISED
        low, high = row["ndcg_10_interval"]
        assert low <= row["ndcg_10"] <= high
        assert row["peak_mb"] > 10
    # Everybody buys 10 of the 15 items of one kind of four: of the 6 left, whoever knows the kind lists all in ten.
    for model in ("co_purchase", "ease", "two_tower"):
        assert rows[model]["hr_10"] > 0.95
    assert rows["popularity"]["hr_10"] < 0.5
    ahead = rows["popularity"]["paired"]
    assert 0 < ahead["low"] <= ahead["difference"] <= ahead["high"]
    assert rows["two_tower"]["paired"]["difference"] == 0


def test_without_json_a_table_with_a_line_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = planted.tastes(tmp_path / "tastes")

    assert quality.main(["--data", str(folder), "--models", "popularity,ease", "--split", "date"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[-2:]] == ["| popularity", "| ease"]


def test_settings_are_chosen_without_the_test(tmp_path: Path):
    tables = read_snapshot(planted.tastes(tmp_path / "tastes"))
    data = TwoTowerDataset.build(tables, split(tables, "last-out", 1))
    other = data.item.copy()  # the same purchases but for what is held out for the test
    other[data.role == TEST] = data.item[data.role == TRAIN][: int((data.role == TEST).sum())]

    chosen, with_others = quality.choose("ease", data), quality.choose("ease", replace(data, item=other))

    assert chosen["trials"] == peers.TRIALS
    assert chosen["valid"] == with_others["valid"] > 0
    assert chosen["decided"] == with_others["decided"]


def test_a_second_run_can_take_over_what_the_peers_chose(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = planted.tastes(tmp_path / "tastes")
    assert quality.main(["--data", str(folder), "--models", "ease", "--json"]) == 0
    (first,) = json.loads(capsys.readouterr().out)
    earlier = {**first, "settings": {"l2": 77.0}}
    (tmp_path / "earlier.json").write_text(json.dumps([earlier]))

    settings = ["--settings", str(tmp_path / "earlier.json")]
    assert quality.main(["--data", str(folder), "--models", "ease", "--json", *settings]) == 0

    (second,) = json.loads(capsys.readouterr().out)
    assert second["settings"] == {"l2": 77.0}
    assert second["tuning_seconds"] == first["tuning_seconds"]


def test_a_model_whose_package_is_missing_is_left_out_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    folder = planted.tastes(tmp_path / "tastes")
    monkeypatch.setitem(peers.HOME, "implicit_als", ("not_installed", "Nothing"))

    assert quality.main(["--data", str(folder), "--models", "popularity,implicit_als", "--json"]) == 0

    said = capsys.readouterr()
    assert [row["model"] for row in json.loads(said.out)] == ["popularity"]
    assert "implicit_als is left out: No module named" in said.err


def test_an_unknown_model_is_one_clear_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = planted.tastes(tmp_path / "tastes")

    assert quality.main(["--data", str(folder), "--models", "popularity,eese"]) == 1

    said = capsys.readouterr().err
    assert said.startswith("error: There is no model 'eese'; there are popularity, ")
    assert said.count("\n") == 1


def test_a_folder_of_no_known_layout_is_one_clear_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert quality.main(["--data", str(tmp_path / "nowhere")]) == 1

    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path / 'nowhere'} holds none of schema.json, u.data")
    assert said.count("\n") == 1


def test_ease_is_the_same_from_the_side_of_people_as_from_the_side_of_items(tmp_path: Path):
    """The dual form spares the items x items inverse of a wide catalog; only what is ranked must agree."""
    tables = read_snapshot(planted.tastes(tmp_path / "tastes", users=40, items=60))
    data = TwoTowerDataset.build(tables, split(tables, "last-out", 1))
    cases = data.cases(TEST)
    by_people = EASE(l2=5.0)
    by_people.fit(data)
    bought = by_people.bought.toarray().astype(np.float64)
    p = np.linalg.inv(bought.T @ bought + 5.0 * np.eye(data.n_items))
    b = np.eye(data.n_items) - p / np.diag(p)

    assert not by_people.by_items
    for part, scores in score_batches(by_people, data, cases):
        for row, case in enumerate(part):
            open_items = np.isfinite(scores[row])
            history = np.zeros(data.n_items)
            history[cases[[case]].bought(data)[0]] = 1
            np.testing.assert_allclose(scores[row][open_items], (history @ b)[open_items], atol=1e-4)


def test_sasrec_learns_what_follows_what(tmp_path: Path):
    """Everybody walks around a circle of items from a place of their own: the order alone says what comes next."""
    users, items, steps = 120, 30, 9
    walk = [(f"u{u}", f"i{(u * 7 + n) % items}", 1.7e9 + 86_400.0 * n) for u in range(users) for n in range(steps)]
    tables = read_snapshot(planted.write_shop(tmp_path / "circle", walk))
    data = TwoTowerDataset.build(tables, split(tables, "last-out", 1))

    found = quality.choose("sasrec", data, [{"dim": 32, "blocks": 1, "dropout": 0.1}])
    row = quality.measure("sasrec", data, found)

    assert found["decided"]["epochs"] >= 5
    assert row["ndcg_10"] > 0.9


def shop_of_orders(people: int = 60):
    """A small order first, then one of five items, then for everybody another one of five."""
    user, item, time = [], [], []
    for person in range(people):
        mine = np.random.default_rng(person).permutation(40)
        for n, bought in enumerate((mine[:2], mine[2:7], mine[7:12])):
            user += [f"u{person}"] * len(bought)
            item += [f"i{i}" for i in bought]
            time += [1.7e9 + 1000.0 * person + 1e6 * n] * len(bought)
    return from_frame(pd.DataFrame({"user": user, "item": item, "time": time}), user="user", item="item", time="time")


def test_a_shop_of_first_orders_holds_out_one_item_of_each():
    tables, role = splits.first_orders(shop_of_orders(), 0.0, 1)
    data = TwoTowerDataset.build(tables, role)

    assert len(data) == 60 * 5, "the first order of four items or more, and nothing else"
    cases = data.with_role(np.where(role == TEST, TEST, TRAIN).astype(np.int8)).cases(TEST)
    assert len(cases) == 60
    assert [len(targets) for targets in cases.targets] == [1] * 60
    assert cases.lengths(data).tolist() == [4] * 60, "the rest of the order is known"
    assert (role == VALID).any()


def test_of_a_quarter_of_the_customers_the_last_order_is_held_out():
    tables, role = splits.first_orders(shop_of_orders(), 0.25, 1)
    data = TwoTowerDataset.build(tables, role)

    held_out = np.array([len(targets) for targets in data.cases(TEST).targets])
    assert set(held_out) == {1, 5}
    assert 5 <= (held_out == 5).sum() <= 25


def shop_of_staples(people: int = 80):
    """Everybody buys two staples of their own in every order, one popular thing and one new thing."""
    user, item, time = [], [], []
    for person in range(people):
        rng = np.random.default_rng(person)
        staples, others = rng.choice(20, 2, replace=False), 20 + rng.permutation(20)
        for n in range(5):
            bought = [*(f"s{i}" for i in staples), *(["hit"] if n % 2 else []), f"o{others[n]}"]
            user += [f"u{person}"] * len(bought)
            item += bought
            time += [1.7e9 + 1000.0 * person + 1e6 * n] * len(bought)
    return from_frame(pd.DataFrame({"user": user, "item": item, "time": time}), user="user", item="item", time="time")


def test_the_next_basket_is_the_last_one_whole_with_what_was_bought_before():
    tables = shop_of_staples()
    data = TwoTowerDataset.build(tables, splits.last_baskets(tables))

    cases = data.next_baskets(TEST)

    assert len(cases) == 80
    assert cases.reorders
    assert {len(targets) for targets in cases.targets} == {3}, "two staples among them"
    assert (data.role[cases.context] == VALID).all(), "the basket before is known"
    assert {len(targets) for targets in data.next_baskets(VALID).targets} == {4}


def test_staples_are_found_by_how_often_they_were_bought():
    tables = shop_of_staples()
    data = TwoTowerDataset.build(tables, splits.last_baskets(tables))

    rows = {}
    for name in ("popularity", "personal_frequency", "tifu_knn"):
        chosen = quality.choose(name, data, None, quality.BASKET)
        rows[name] = quality.measure(name, data, chosen, quality.BASKET)

    assert rows["popularity"]["ndcg_10"] < 0.4
    assert rows["personal_frequency"]["ndcg_10"] > 0.6
    assert rows["tifu_knn"]["ndcg_10"] > 0.5


def test_the_vector_of_tifu_knn_is_that_of_the_paper():
    user, item = ["u"] * 5 + ["v"], ["a", "b", "a", "c", "d", "a"]
    when = [1.7e9 + 1e6 * n for n in (0, 1, 2, 3, 3, 0)]
    frame = pd.DataFrame({"user": user, "item": item, "time": when})
    data = TwoTowerDataset.build(from_frame(frame, user="user", item="item", time="time"))

    model = load("tifu_knn", peers.BASKETS)(group=3, within=0.5, over=0.1, own=1.0, neighbours=1)
    model.fit(data)

    # Four baskets in groups of three: the first alone, then those with a decay of one half, the first group a tenth.
    vector = dict(zip(data.tables.item_keys.tolist(), model.people[0].toarray()[0].tolist(), strict=True))
    assert vector == pytest.approx({"a": (0.1 * 1 + 0.5 / 3) / 2, "b": 0.25 / 3 / 2, "c": 1 / 3 / 2, "d": 1 / 3 / 2})
