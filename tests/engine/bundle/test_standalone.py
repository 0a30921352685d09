import csv
import re
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from recommender.engine.__main__ import _bar, main
from recommender.engine.bundle import standalone
from recommender.engine.bundle.inference import Inference, Interaction, Person
from recommender.engine.bundle.retrieval import Index, best_rows, diversify
from recommender.engine.bundle.standalone import StandaloneRecommender
from recommender.engine.data.tables import read_snapshot
from recommender.engine.errors import EngineError, ProfileError
from recommender.engine.training.pipeline import Progress, build_bundle
from tests import planted
from tests.engine.conftest import QUICK, person_of


@pytest.fixture(scope="module")
def inference(bundle):
    return Inference.open(bundle)


@pytest.fixture(scope="module")
def recommender(bundle):
    return StandaloneRecommender.from_bundle(bundle)


def kind(item: str) -> int:
    return int(item[1:]) % 4


def bought(snapshot, user):
    tables = read_snapshot(snapshot)
    return tables.item_keys[tables.item[tables.user_keys[tables.user] == user]].tolist()


def test_a_customer_sees_unbought_items_of_their_own_kind(snapshot, recommender):
    own_kind = []
    for user in ("u3", "u8", "u21", "u40", "u77", "u90"):
        mine = bought(snapshot, user)
        listed = [r.item for r in recommender.recommend_for_user(user, top_k=5)]
        assert len(set(listed)) == 5
        assert not set(listed) & set(mine)
        own_kind += [kind(i) == kind(mine[0]) for i in listed]
    assert np.mean(own_kind) > 0.8  # five of a kind are left of sixty items: at random it would be .1


def test_bought_items_may_be_asked_for(snapshot, recommender):
    listed = recommender.recommend_for_user("u3", top_k=60, exclude_purchased=False)
    assert set(bought(snapshot, "u3")) <= {r.item for r in listed}


def test_a_bare_profile_leans_to_what_its_like_buy(recommender):
    def share_of_a_and_b(gender):
        return np.mean([kind(r.item) < 2 for r in recommender.recommend_for_new_user({"gender": gender}, top_k=10)])

    assert share_of_a_and_b("F") > 0.7
    assert share_of_a_and_b("M") < 0.3


def test_missing_and_unseen_values_are_welcome_and_wrong_types_are_not(recommender):
    for profile in ({}, {"gender": "X"}, {"gender": None, "age": ""}, {"age": "33"}):
        assert len(recommender.recommend_for_new_user(profile, top_k=3)) == 3
    with pytest.raises(ProfileError, match="age: 'old' is not a number"):
        recommender.recommend_for_new_user({"age": "old"})
    with pytest.raises(ProfileError, match=r"shoe_size: .* it knows gender, age"):
        recommender.recommend_for_new_user({"shoe_size": 44})


@pytest.mark.parametrize(
    "user",
    ["u3", "nobody", 3, {"gender": "F", "age": 30}, {"age": "30"}, {"gender": "X"}, {"gender": None}, {}],
    ids=str,
)
def test_a_rating_exists_for_every_pair(recommender, user):
    for item in ("i5", {"kind": "A"}, {"kind": "unseen"}, {"kind": None}, {}):
        assert 0 <= recommender.predict_rating(user, item) <= 5


def test_who_and_what_say_nothing_are_rated_alike(recommender):
    for item in ("i5", {"kind": "A"}, {}):
        nobody = recommender.predict_rating({}, item)
        assert recommender.predict_rating("nobody", item) == pytest.approx(nobody, abs=1e-6)
        assert recommender.predict_rating({"gender": "", "age": None}, item) == pytest.approx(nobody, abs=1e-6)
    assert recommender.predict_rating("u3", {}) == pytest.approx(recommender.predict_rating("u3", {"kind": ""}))


@pytest.mark.parametrize(
    ("user", "item", "words"),
    [
        ("u3", "i999", "no item 'i999'"),
        ("u3", ["i5"], "The item is ['i5']"),
        ("u3", None, "The item is None"),
        (None, "i5", "The user is None; a key is text or a whole number."),
        (True, "i5", "The user is True"),
        (3.5, "i5", "The user is 3.5"),
        ({"age": "old"}, "i5", "age: 'old' is not a number."),
        ({"age": [30]}, "i5", "age: [30] is not a number."),
        ({"gender": {}}, "i5", "gender: {} is not text."),
        ({"shoe_size": 44}, "i5", "shoe_size: this model knows no such field of a profile; it knows gender, age."),
        ("u3", {"colour": "red"}, "colour: this model knows no such field of an item; it knows kind."),
        ("u3", {"kind": ["A"]}, "kind: ['A'] is not text."),
    ],
    ids=str,
)
def test_a_rating_of_nothing_is_refused_in_a_sentence(recommender, user, item, words):
    with pytest.raises(EngineError) as caught:
        recommender.predict_rating(user, item)
    assert words in str(caught.value)


@pytest.mark.parametrize("top_k", [0, -1, "3", 2.0])
def test_a_senseless_length_is_refused(recommender, top_k):
    with pytest.raises(EngineError, match="top_k is"):
        recommender.recommend_for_user("u3", top_k=top_k)
    with pytest.raises(EngineError, match="top_k is"):
        recommender.recommend_for_new_user({}, top_k=top_k)


def test_a_profile_that_is_none_is_refused(recommender):
    with pytest.raises(ProfileError, match=r"profile: 'u3' is not a mapping"):
        recommender.recommend_for_new_user("u3")
    with pytest.raises(EngineError, match="The customer is None"):
        recommender.recommend_for_users(["u3", None])


def test_one_by_one_and_in_a_batch_the_lists_are_the_same(recommender):
    users = ["u1", "nobody", "u2", "u117"]
    together = recommender.recommend_for_users(users, top_k=4)
    for user, listed in zip(users, together, strict=True):
        alone = recommender.recommend_for_user(user, top_k=4)
        assert [r.item for r in listed] == [r.item for r in alone]
        np.testing.assert_allclose([r.score for r in listed], [r.score for r in alone], atol=1e-5)


def test_a_stream_lists_as_one_by_one_and_works_only_so_far_ahead(recommender, monkeypatch):
    monkeypatch.setattr(standalone, "USERS_AT_ONCE", 4)
    monkeypatch.setattr(standalone, "TOWER_USERS", 3)
    taken = []

    class Users(list):
        def __getitem__(self, part):
            taken.append(part)
            return super().__getitem__(part)

    users = Users([*recommender.user_keys, "nobody"])
    parts = recommender.stream(users, 4)
    first = next(parts)
    assert len(taken) <= standalone.AHEAD  # of 31: memory does not grow with the number of users
    streamed = [listed for part in (first, *parts) for listed in part]
    assert len(streamed) == len(users)
    for user, listed in list(zip(users, streamed, strict=True))[::10]:
        assert [r.item for r in listed] == [r.item for r in recommender.recommend_for_user(user, top_k=4)]


def test_who_wants_an_item_are_those_of_its_kind_who_have_not_bought_it(recommender, snapshot, monkeypatch):
    found = recommender.recommend_users("i1", top_k=20)

    assert len({one.user for one in found}) == 20
    own = [user for user in recommender.user_keys if kind(bought(snapshot, user)[0]) == kind("i1")]
    left = {user for user in own if "i1" not in bought(snapshot, user)}
    assert {one.user for one in found[: len(left)]} == left
    assert not any("i1" in bought(snapshot, one.user) for one in found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(one.score < 0 for one in found), "the logarithm of a share"
    assert found[0].rating == pytest.approx(recommender.predict_rating(found[0].user, "i1"), abs=1e-4)
    everybody = recommender.recommend_users("i1", top_k=1000, exclude_purchased=False)
    assert {one.user for one in everybody} == set(recommender.user_keys)

    monkeypatch.setattr(standalone, "USERS_AT_ONCE", 7)
    assert [one.user for one in recommender.recommend_users("i1", top_k=20)] == [one.user for one in found]
    described = recommender.recommend_users({"kind": "B"}, top_k=20)
    assert {one.user for one in described} <= set(own)
    with pytest.raises(EngineError, match="knows no item"):
        recommender.recommend_users("nothing")
    with pytest.raises(EngineError, match="top_k is 0"):
        recommender.recommend_users("i1", top_k=0)


def test_a_shop_without_any_rating_serves_one_person_and_many(snapshot, tmp_path):
    unrated = tmp_path / "unrated"
    shutil.copytree(snapshot, unrated)
    interactions = pq.read_table(unrated / "interactions.parquet").drop_columns("rating")
    pq.write_table(interactions, unrated / "interactions.parquet")
    build_bundle(unrated, tmp_path / "bundle", config=QUICK)
    recommender = StandaloneRecommender.from_bundle(tmp_path / "bundle")
    alone = recommender.recommend_for_user("u3", top_k=5)
    assert np.mean([kind(r.item) == kind(bought(snapshot, "u3")[0]) for r in alone]) >= 0.8
    together = recommender.recommend_for_users(["u3", "u8"], top_k=5)
    assert [r.item for r in alone] == [r.item for r in together[0]]

    assert recommender.predict_rating("u3", "i0") is None
    assert recommender.predict_rating({"gender": "F"}, {"kind": "A"}) is None
    assert {listed.rating for lists in together for listed in lists} == {None}
    for name in ("lists.parquet", "lists.csv"):
        out = tmp_path / name
        assert main(["recommend", "--bundle", str(tmp_path / "bundle"), "--users", "all", "--out", str(out)]) == 0
    assert pq.read_table(tmp_path / "lists.parquet")["rating"].null_count > 0
    assert {row["rating"] for row in csv.DictReader((tmp_path / "lists.csv").open())} == {""}


def test_a_person_put_together_by_hand_is_the_person_of_the_assets(snapshot, recommender, bundle):
    inference = Inference.open(bundle)
    by_hand = inference.encode_users([person_of(snapshot, "u7")]).rank
    stored = recommender.vectors(np.array([recommender._row_of_user["u7"]])).rank
    np.testing.assert_allclose(by_hand, stored, atol=1e-5)


def test_a_new_item_is_placed_among_its_like(snapshot, recommender):
    """Of four new items, one a kind, everybody is offered first the one of the kind they buy."""
    new_items = recommender.inference.encode_items([{"kind": name} for name in planted.KINDS])
    users = [f"u{u}" for u in range(120)]
    vectors = recommender.vectors(np.array([recommender._row_of_user[user] for user in users]))
    first = (vectors.rank @ new_items.rank.T).argmax(1)
    assert np.mean(first == [kind(bought(snapshot, user)[0]) for user in users]) > 0.9  # at random it would be .25


def test_top_k_is_exact_with_masks_and_exclusions():
    rng = np.random.default_rng(0)
    vectors, users = rng.normal(size=(500, 8)).astype(np.float32), rng.normal(size=(7, 8)).astype(np.float32)
    mask = rng.random(500) < 0.5
    exclude = [rng.integers(0, 500, 20) for _ in range(7)]
    rows, scores = Index(vectors).top_k(users, 10, mask=mask, exclude=exclude)
    for u in range(7):
        allowed = [i for i in range(500) if mask[i] and i not in set(exclude[u].tolist())]
        best = sorted(allowed, key=lambda i: -float(users[u] @ vectors[i]))[:10]
        assert rows[u].tolist() == best
        assert (np.diff(scores[u]) <= 0).all()


def test_a_list_longer_than_the_catalog_ends_in_minus_one():
    rows, scores = best_rows(np.array([[1.0, -np.inf, 3.0]], dtype=np.float32), 5)
    assert rows.tolist() == [[2, 0, -1, -1, -1]]
    assert np.isneginf(scores[0, 2:]).all()


def test_the_nearest_are_lifted_and_masked():
    index, query = Index(np.array([[1, 0], [0.9, 0.1], [0, 1]], dtype=np.float32)), np.array([1, 0], np.float32)
    lift, mask = np.array([0, 0, 5], dtype=np.float32), np.array([False, True, True])
    assert index.nearest(query, lift, 5, mask)[0].tolist() == [2, 1]


def test_diversity_breaks_up_twins():
    vectors = np.array([[1, 0], [1, 0.01], [0, 1]], dtype=np.float32)
    relevance = np.array([1.0, 0.99, 0.5])
    assert diversify(vectors, relevance, 2, 0.0).tolist() == [0, 1]
    assert diversify(vectors, relevance, 2, 0.6).tolist() == [0, 2]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_command_writes_every_users_list(bundle, tmp_path, suffix):
    out = tmp_path / f"lists{suffix}"
    assert main(["recommend", "--bundle", str(bundle), "--users", "all", "--top-k", "3", "--out", str(out)]) == 0
    rows = pq.read_table(out).to_pylist() if suffix == ".parquet" else list(csv.DictReader(out.open()))
    assert len(rows) == 120 * 3
    assert list(rows[0]) == ["user", "item", "rank", "score", "rating"]
    assert [int(r["rank"]) for r in rows[:3]] == [1, 2, 3]


def test_the_commands_fail_with_a_sentence(bundle, tmp_path, capsys):
    assert main(["recommend", "--bundle", str(tmp_path), "--users", "all", "--out", str(tmp_path / "x.csv")]) == 1
    assert "is not a bundle" in capsys.readouterr().err
    assert main(["train", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "b")]) == 1
    assert "is not a folder" in capsys.readouterr().err


def test_evaluate_prints_one_json_object(bundle, snapshot, capsys):
    assert main(["evaluate", "--bundle", str(bundle), "--data", str(snapshot), "--json"]) == 0
    import json

    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["model"] == "two_tower"
    assert found["metrics"]["ndcg_10"] > 0


@pytest.mark.parametrize("n", [40, 3000])
@pytest.mark.parametrize("levels", [1, 3, 200])
def test_among_equal_scores_the_lower_row_comes_first_and_is_the_one_listed(n, levels):
    scores = np.random.default_rng(0).integers(0, levels, (4, n)).astype(np.float32)
    scores[1, ::2] = -np.inf
    scores[2] = -np.inf
    rows, found = best_rows(scores, 7)
    for row, listed, of_listed in zip(scores, rows, found, strict=True):
        wanted = [i for i in np.argsort(-row, kind="stable")[:7].tolist() if np.isfinite(row[i])]
        assert listed.tolist() == wanted + [-1] * (7 - len(wanted))
        assert of_listed[: len(wanted)].tolist() == row[wanted].tolist()


def test_the_progress_line_says_what_is_done_after_the_time_and_one_comma(capsys):
    with _bar() as tell:
        tell(Progress("training", 0.5, "epoch 1"))
    assert re.search(r"\d\d:\d\d, epoch 1", capsys.readouterr().err)


SOMEBODY = Person({"gender": "F", "age": 31.0}, [Interaction("i1", 1.7e9, 4.0), Interaction("i2", 1.8e9)], 2)


@pytest.mark.parametrize(
    "other",
    [
        replace(SOMEBODY, profile={"gender": "M", "age": 31.0}),
        replace(SOMEBODY, profile={"gender": "F", "age": 32.0}),
        replace(SOMEBODY, profile={"gender": "F"}),
        replace(SOMEBODY, purchases=3),
        replace(SOMEBODY, history=SOMEBODY.history[:1]),
        replace(SOMEBODY, history=SOMEBODY.history[::-1]),
        *(
            replace(SOMEBODY, history=[SOMEBODY.history[0]._replace(**change), SOMEBODY.history[1]])
            for change in ({"item": "i3"}, {"time": 1.7e9 + 9e7}, {"rating": 5.0}, {"rating": None})
        ),
    ],
)
def test_the_user_tower_reads_all_that_is_known_of_somebody(inference, other):
    assert not same_inputs(inference, SOMEBODY, other)


@pytest.mark.parametrize(
    "same",
    [
        replace(SOMEBODY, profile={"age": 31, "gender": "F", "shoe_size": 40}),
        replace(SOMEBODY, purchases=None),
        replace(SOMEBODY, history=[SOMEBODY.history[0]._replace(quantity=2.0), SOMEBODY.history[1]]),
        replace(SOMEBODY, history=[SOMEBODY.history[0], Interaction("nowhere", 1.75e9), SOMEBODY.history[1]]),
        replace(SOMEBODY, history=[event._replace(time=event.time + 3600) for event in SOMEBODY.history]),
    ],
)
def test_what_the_user_tower_does_not_read_makes_no_difference(inference, same):
    assert same_inputs(inference, SOMEBODY, same)


def same_inputs(inference, one: Person, other: Person) -> bool:
    """Whether the user tower reads the same of both."""
    ours, theirs = (vars(inference.inputs([person])) for person in (one, other))
    return all(np.array_equal(ours[name], theirs[name], equal_nan=True) for name in ours)


def test_of_a_long_history_the_purchases_that_are_read_and_the_one_before_are_enough(inference):
    reads = inference.max_history
    events = [Interaction(f"i{n % 50}", 1.7e9 + 1e5 * n, float(n % 6)) for n in range(reads + 5)]
    whole, read = Person({}, events), Person({}, events[-reads - 1 :], len(events))
    without_the_one_before = Person({}, events[-reads:], len(events))
    assert same_inputs(inference, whole, read)
    assert not same_inputs(inference, whole, without_the_one_before)
