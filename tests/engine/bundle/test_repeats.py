"""What somebody bought before: how likely it is next, whether it is due, and the lists made of it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from recommender.engine.__main__ import main
from recommender.engine.bundle.inference import Inference
from recommender.engine.bundle.repeats import REPEATS, BoughtBefore, Repeats
from recommender.engine.bundle.retrieval import Index
from recommender.engine.bundle.standalone import StandaloneRecommender
from recommender.engine.data.tables import read_snapshot
from recommender.engine.errors import EngineError
from recommender.engine.training.pipeline import build_bundle
from tests import planted
from tests.engine.conftest import QUICK

DAY = 86_400.0
HISTORY = np.array([4, 2, 4, 7]), np.array([0.0, 0.0, 10 * DAY, 30 * DAY])  # three baskets
SIMPLE = Repeats(np.array([1.0, 0, 0, 0]), np.full(9, -3.0), np.full(9, 20 * DAY))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return planted.staples(tmp_path_factory.mktemp("staples"))


@pytest.fixture(scope="module")
def bundle(snapshot, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundles") / "staples"
    build_bundle(snapshot, out, config=QUICK)
    return out


@pytest.fixture(scope="module")
def recommender(bundle):
    return StandaloneRecommender.from_bundle(bundle)


def staples_of(snapshot, user):
    tables = read_snapshot(snapshot)
    bought = tables.item_keys[tables.item[tables.user_keys[tables.user] == user]]
    return {item for item in bought if item.startswith("s")}


def test_a_history_is_counted_in_baskets():
    bought = BoughtBefore.of(HISTORY)

    assert bought.rows.tolist() == [2, 4, 7]
    assert np.exp(bought.counts).round().tolist() == [[1, 3, 3, 3], [2, 2, 3, 3], [1, 1, 1, 3]]
    assert bought.last.tolist() == [0, 10 * DAY, 30 * DAY]
    assert bought.interval[1] == 10 * DAY
    assert np.isnan(bought.interval[[0, 2]]).all()
    nothing = BoughtBefore.of((np.zeros(0, np.int64), np.zeros(0)))
    assert (len(nothing.rows), nothing.counts.shape) == (0, (0, 4))


def test_what_is_bought_often_is_likely_and_a_new_item_counts_as_an_usual_one():
    unusual = replace(SIMPLE, items=np.append(np.full(5, 2.0), -3.0))

    assert SIMPLE.likelihood(BoughtBefore.of(HISTORY)).argmax() == 1
    likelihood = unusual.likelihood(BoughtBefore.of(HISTORY))
    assert likelihood[2] == pytest.approx(np.log(1 / (1 + np.exp(3)))), "row 7 is newer than the model"


def test_an_item_is_due_by_its_own_interval_and_by_that_of_who_buys_it():
    bought = BoughtBefore.of(HISTORY)

    assert SIMPLE.due(bought, 39 * DAY).tolist() == [True, True, False]
    assert SIMPLE.due(bought, 41 * DAY).tolist() == [True, True, True]
    # Bought twice within ten days: usual is between these and the item's twenty, and half of it is 7.9.
    assert SIMPLE.due(bought, 17 * DAY)[1] == np.False_
    assert SIMPLE.due(bought, 18 * DAY)[1] == np.True_


def test_a_list_holds_what_was_bought_where_its_likelihood_puts_it_and_hides_what_may_not_be_listed():
    index = Index(np.eye(9, dtype=np.float32))
    users, allowed = np.arange(9, dtype=np.float32)[None] / 10, np.arange(9) != 2

    first, _ = replace(SIMPLE, lift=9.0).top_k(index, users, 4, allowed, [HISTORY])
    last, scores = replace(SIMPLE, lift=-9.0).top_k(index, users, 8, allowed, [HISTORY])

    assert first[0].tolist() == [4, 7, 8, 6]
    assert last[0].tolist() == [8, 6, 5, 3, 1, 0, 4, 7]
    assert (np.diff(scores[0]) <= 0).all()
    again, _ = SIMPLE.buy_again(4, allowed, [HISTORY], 39 * DAY)
    assert again[0].tolist() == [4, -1, -1, -1], "2 may not be listed, 7 is not due"


def test_where_staples_are_bought_again_a_list_with_purchases_begins_with_them(recommender, snapshot):
    found = []
    for user in recommender.user_keys[::10]:
        listed = [r.item for r in recommender.recommend_for_user(user, top_k=3, exclude_purchased=False)]
        found.append(len(staples_of(snapshot, user) & set(listed)))
    assert np.mean(found) > 1.8
    listed = [r.item for r in recommender.recommend_for_user("u3", top_k=60, exclude_purchased=False)]
    assert len(listed) == len(set(listed)) == 60, "everything else follows, each once"
    assert not staples_of(snapshot, "u3") & {r.item for r in recommender.recommend_for_user("u3", top_k=60)}


def test_buy_again_lists_only_what_was_bought_and_is_due(recommender, snapshot):
    tables = read_snapshot(snapshot)
    own = tables.item_keys[tables.item[tables.user_keys[tables.user] == "u0"]]

    listed = recommender.buy_again("u0", top_k=30)

    assert listed
    assert {r.item for r in listed} <= set(own)
    assert not staples_of(snapshot, "u0") & {r.item for r in listed}, "bought an hour before the latest purchase of all"
    assert recommender.buy_again("nobody") == []
    with pytest.raises(EngineError, match="top_k is 0"):
        recommender.buy_again("u0", top_k=0)


def test_a_shop_in_which_nobody_buys_anything_twice_has_no_repeats(tmp_path):
    build_bundle(planted.tastes(tmp_path / "tastes"), tmp_path / "bundle", config=QUICK)

    assert not (tmp_path / "bundle" / "model" / "repeats.npz").exists()
    assert json.loads((tmp_path / "bundle" / "report.json").read_text())["next_baskets"] is None
    recommender = StandaloneRecommender.from_bundle(tmp_path / "bundle")
    assert recommender.buy_again("u3") == []
    assert len(recommender.recommend_for_user("u3", top_k=60, exclude_purchased=False)) == 60


def test_the_report_measures_next_baskets_beside_what_each_bought_most_often(bundle, snapshot, capsys):
    report = json.loads((bundle / "report.json").read_text())["next_baskets"]

    ndcg = {row["model"]: row["ndcg_10"] for row in report["models"]}
    assert list(ndcg) == ["two_tower", "popularity", "personal_frequency"]
    assert ndcg["two_tower"] > ndcg["personal_frequency"] > ndcg["popularity"]
    assert report["paired"]["personal_frequency"]["low"] > 0
    assert report["users"] == 120
    assert 0.4 < report["bought_again"] < 0.9
    assert main(["evaluate", "--bundle", str(bundle), "--data", str(snapshot)]) == 0
    assert "next baskets of 120 users" in capsys.readouterr().out


def test_a_bundle_measured_on_another_snapshot_knows_its_items_by_their_keys(bundle):
    repeats = Inference.open(bundle).repeats

    turned = repeats.of_items(np.array([2, -1, 0]))

    assert turned.items.tolist() == repeats.items[[2, -1, 0, -1]].tolist()
    assert turned.interval.tolist() == repeats.interval[[2, -1, 0, -1]].tolist()


def test_the_judged_weights_know_less_of_what_people_come_back_to_than_those_that_serve(bundle):
    served, judged = (Inference.open(bundle, weights).repeats for weights in ("served", "judged"))

    assert served.lift == judged.lift
    assert not np.array_equal(served.items, judged.items)


def test_the_command_writes_what_is_bought_next_and_what_is_due_again(bundle, recommender, tmp_path):
    def written(*options):
        out = tmp_path / "lists.parquet"
        asked = ["recommend", "--bundle", str(bundle), "--users", "all", "--top-k", "5", "--out", str(out), *options]
        assert main(asked) == 0
        return pq.read_table(out).to_pylist()

    included, only = written("--include-purchased"), written("--only-purchased")

    for user in ("u0", "u77"):
        listed = [row["item"] for row in included if row["user"] == user]
        assert listed == [r.item for r in recommender.recommend_for_user(user, 5, exclude_purchased=False)]
        assert [row["item"] for row in only if row["user"] == user] == [r.item for r in recommender.buy_again(user, 5)]
    shards = [written("--include-purchased", "--shard", f"{n}/3") for n in (1, 2, 3)]
    assert all(shards)
    for of_shard, of_all in zip([row for shard in shards for row in shard], included, strict=True):
        # A product of fewer rows rounds otherwise in the last digit.
        assert of_shard == of_all | {"score": pytest.approx(of_all["score"], rel=1e-6)}
    with pytest.raises(SystemExit):
        written("--include-purchased", "--only-purchased")
    with pytest.raises(SystemExit):
        written("--shard", "4/3")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_the_command_writes_what_goes_with_each_item(bundle, recommender, tmp_path, suffix):
    out, some = tmp_path / f"pairs{suffix}", tmp_path / "items.txt"
    some.write_text("s0\nh1\n")
    asked = ["similar", "--bundle", str(bundle), "--top-k", "4", "--out", str(out), "--items"]

    assert main([*asked, str(some)]) == 0
    read = pq.read_table if suffix == ".parquet" else pyarrow.csv.read_csv
    rows = read(out).to_pylist()
    assert main([*asked, "all"]) == 0
    of_all = read(out).to_pylist()

    assert list(rows[0]) == ["item", "other", "rank", "score"]
    for item in ("s0", "h1"):
        listed = recommender.similar(item, 4)
        for part in (rows, of_all):
            own = [row for row in part if row["item"] == item]
            assert [row["other"] for row in own] == [r.item for r in listed]
            assert [row["rank"] for row in own] == [1, 2, 3, 4]
            assert [row["score"] for row in own] == pytest.approx([r.score for r in listed], abs=1e-5)
    assert {row["item"] for row in of_all} == set(recommender.inference.item_keys)


def test_items_and_users_that_the_model_does_not_know_are_named_and_passed_over(bundle, tmp_path, capsys):
    out, some = tmp_path / "lists.parquet", tmp_path / "keys.txt"
    some.write_text("s0\nnothing\n")
    similar = ["similar", "--bundle", str(bundle), "--out", str(out), "--items", str(some)]
    assert main(similar) == 0
    assert "1 items that the model does not know are left out: nothing" in capsys.readouterr().err
    assert {row["item"] for row in pq.read_table(out).to_pylist()} == {"s0"}

    some.write_text("nothing\n")
    assert main(similar) == 1
    assert "knows none of the 1 items" in capsys.readouterr().err

    some.write_text("u0\nnobody\n")
    assert main(["recommend", "--bundle", str(bundle), "--out", str(out), "--users", str(some)]) == 0
    said = capsys.readouterr()
    assert "1 users that the model does not know get the list of a newcomer: nobody" in said.err
    assert "2 lists of 2 users" in said.out
    only = ["recommend", "--bundle", str(bundle), "--out", str(out), "--users", str(some), "--only-purchased"]
    assert main(only) == 0
    assert "1 lists of 2 users" in capsys.readouterr().out


def test_a_bundle_that_knows_of_no_repeats_says_why_nothing_is_due(bundle, tmp_path, capsys):
    old, out = tmp_path / "old", tmp_path / "lists.parquet"
    shutil.copytree(bundle, old)
    for file in old.rglob(REPEATS):
        file.unlink()
    manifest = json.loads((old / "manifest.json").read_text())
    manifest["files"] = {name: of for name, of in manifest["files"].items() if not name.endswith(REPEATS)}
    (old / "manifest.json").write_text(json.dumps(manifest))

    assert main(["recommend", "--bundle", str(old), "--out", str(out), "--users", "all", "--only-purchased"]) == 0
    said = capsys.readouterr()
    assert "does not know what is bought again" in said.err
    assert said.out.startswith("0 lists of ")
    assert pq.read_table(out).num_rows == 0
