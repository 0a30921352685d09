import numpy as np
import pandas as pd
import pytest

from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import LEFT_OUT, TEST, TRAIN, VALID, held_out_last, split, split_by_date
from recommender.engine.data.tables import from_frame, read_snapshot
from recommender.engine.errors import SnapshotError
from recommender.engine.evaluation.metrics import rank_targets
from recommender.engine.training.batches import NegativeSampler, windows
from tests import planted


def purchases(folder, user, item, time, **more):
    users = {"user": sorted(set(user))}
    items = {"item": sorted(set(item))}
    schema = {k: more.pop(k) for k in list(more) if k in ("user_categorical", "user_numerical", "derived")}
    planted.write_snapshot(folder, users, items, {"user": user, "item": item, "time": time, **more}, **schema)
    return read_snapshot(folder)


def test_last_out_tests_the_last_purchase_and_validates_on_the_one_before(tmp_path):
    tables = purchases(tmp_path, ["a"] * 4 + ["b"] * 2, list("wxyzwx"), [1.0, 2, 3, 4, 1, 2])
    assert split(tables, "last-out").tolist() == [TRAIN, TRAIN, VALID, TEST, TRAIN, TEST]


def test_last_out_holds_out_whole_baskets_where_purchases_come_in_baskets(tmp_path):
    tables = purchases(tmp_path, ["a"] * 12, list("abcdefghijkl"), [1.0] * 4 + [2.0] * 4 + [3.0] * 4)
    assert split(tables, "last-out").tolist() == [TRAIN] * 4 + [VALID] * 4 + [TEST] * 4


def test_a_split_by_date_learns_from_the_past_only(tmp_path):
    tables = purchases(tmp_path, list("abcdefghij") * 2, list("xy") * 10, np.arange(20.0))
    role = split(tables, "date")
    assert tables.time[role == TRAIN].max() < tables.time[role == VALID].min() < tables.time[role == TEST].min()


def test_a_split_by_date_of_a_single_moment_says_so(tmp_path):
    tables = purchases(tmp_path, ["a", "b"], ["x", "y"], [1.0, 1.0])
    with pytest.raises(SnapshotError, match="share one moment"):
        split(tables, "date")


def test_one_purchase_each_still_leaves_newcomers_to_measure_on(tmp_path):
    tables = purchases(tmp_path, [f"u{i}" for i in range(200)], ["x", "y"] * 100, np.arange(200.0))
    role = split(tables, "last-out")
    assert 5 < (role == TEST).sum() < 40
    assert 5 < (role == VALID).sum() < 40


def test_features_from_purchases_are_as_of_the_moment_before_each_purchase(tmp_path):
    tables = purchases(
        tmp_path, ["a"] * 3, list("xyz"), [1.0, 2.0, 3.0], status=["new", "sent", "lost"], amount=[10.0, 20.0, 40.0],
        user_categorical=["status"], user_numerical=["n", "spent"],
        derived={
            "status": {"take": "latest", "column": "status"},
            "n": {"take": "count"},
            "spent": {"take": "sum", "column": "amount"},
        },
    )  # fmt: skip
    from recommender.engine.data.derived import columns_before

    data = TwoTowerDataset.build(tables)
    before = columns_before(tables, data.context)
    assert before["status"].tolist() == ["", "new", "sent"]
    assert before["n"].tolist() == [0, 1, 2]
    assert before["spent"].tolist() == [0, 10, 30]
    now = data.user_columns_now()
    assert (now["status"][0], now["n"][0], now["spent"][0]) == ("lost", 3, 70)


def test_what_a_held_out_purchase_says_does_not_reach_its_own_prediction(tmp_path):
    one = purchases(
        tmp_path / "1", ["a"] * 3, list("xyz"), [1.0, 2, 3], code=["p", "p", "q"],
        user_categorical=["code"], derived={"code": {"take": "latest", "column": "code"}},
    )  # fmt: skip
    other = purchases(
        tmp_path / "2", ["a"] * 3, list("xyz"), [1.0, 2, 3], code=["p", "p", "p"],
        user_categorical=["code"], derived={"code": {"take": "latest", "column": "code"}},
    )  # fmt: skip
    role = split(one, "last-out")
    encoders = TwoTowerDataset.build(one, role).encoders
    seen = [TwoTowerDataset.build(t, role, encoders).profile_ids[role == TEST].tolist() for t in (one, other)]
    assert seen[0] == seen[1]


@pytest.mark.parametrize(("others", "first"), [(0, [-1, -1, -1, -1]), (3, [-1, 0, 1, 2])])
def test_a_basket_is_predicted_from_those_before_and_a_first_one_from_itself_where_hardly_anybody_comes_back(
    tmp_path, others, first
):
    user = ["a"] * 8 + [f"b{n}" for n in range(others) for _ in range(4)]
    item, time = list("abcdefgh") + list("abcd") * others, [1.0] * 4 + [2.0] * 4 + [3.0] * 4 * others
    assert TwoTowerDataset.build(purchases(tmp_path, user, item, time)).context[:8].tolist() == first + [3] * 4


def test_the_last_purchase_of_something_new_is_held_out(tmp_path):
    tables = purchases(tmp_path, ["a"] * 6, ["x", "y", "y", "z", "x", "y"], [1.0, 2, 3, 4, 5, 6])
    data = TwoTowerDataset.build(tables, split(tables, "last-out"))
    assert data.role.tolist() == [TRAIN, VALID, LEFT_OUT, TEST, LEFT_OUT, LEFT_OUT]
    assert [t.tolist() for t in data.cases(TEST).targets] == [[2]]
    assert not data.cases(TEST).reorders


def test_where_everything_is_a_reorder_reorders_are_measured_among_all_items(tmp_path):
    tables = purchases(tmp_path, ["a"] * 4 + ["b"] * 4, list("xxxx") + list("yyyy"), [1.0, 2, 3, 4] * 2)
    data = TwoTowerDataset.build(tables, split(tables, "last-out"))
    cases = data.cases(TEST)
    assert data.role.tolist() == [TRAIN, TRAIN, VALID, TEST] * 2
    assert cases.reorders
    assert [t.tolist() for t in cases.targets] == [[0], [1]]

    class TheSameAgain:
        def scores(self, data, cases):
            return np.eye(2)[[items[-1] for items in cases.bought(data)]]

    assert [r.tolist() for r in rank_targets(TheSameAgain(), data, cases)] == [[1], [1]]


def test_reorders_are_measured_where_newcomers_alone_buy_something_new(tmp_path):
    old, new = [f"a{n}" for n in range(3)], [f"b{n}" for n in range(40)]
    user, item = [u for u in old for _ in range(4)] + new, [*"xxxxyyyyzzzz", *("xyzw" * 10)]
    tables = purchases(tmp_path, user, item, [1.0, 2, 3, 4] * 3 + [5.0] * 40)
    data = TwoTowerDataset.build(tables, split(tables, "last-out"))
    for role in (VALID, TEST):
        cases = data.cases(role)
        assert cases.reorders
        assert (cases.lengths(data) > 0).sum() == 3
        assert (cases.lengths(data) == 0).sum() == (data.role[data.user > 2] == role).sum() > 0


def one_order_each(tmp_path, people=40, items=4):
    return purchases(
        tmp_path,
        np.repeat([f"u{n}" for n in range(people)], items),
        [f"i{(n + k) % 12}" for n in range(people) for k in range(items)],
        np.repeat(np.arange(people) * 100.0, items),
    )


@pytest.mark.parametrize("how", ["last-out", "date"])
def test_part_of_an_only_order_is_held_out_and_the_rest_of_it_is_known(tmp_path, how):
    tables, role, order = held_out_last(t := one_order_each(tmp_path, people=100), split(t, how))
    data = TwoTowerDataset.build(tables, role)
    for of in (VALID, TEST) if how == "last-out" else (TEST,):
        cases = data.cases(of)
        known = cases.lengths(data)
        assert 0 in known, "newcomers"
        assert 3 in known, "people of whom the rest of the order is known"
        for bought, targets, length in zip(cases.bought(data), cases.targets, known, strict=True):
            assert len(bought) == length
            assert len(targets) == (1 if length else 4)
            assert not set(bought) & set(targets)
    assert (t.item[order] == tables.item).all()


@pytest.mark.parametrize("items", [1, 2, 4])
def test_one_more_customer_moves_nobody_else_between_training_and_test(tmp_path, items):
    before = one_order_each(tmp_path / "before", people=300, items=items)
    user, item = before.user_keys[before.user], before.item_keys[before.item]
    more = ["a", *user], ["i3", *item], [5000.0, *before.time]  # the first of all customers
    after = purchases(tmp_path / "after", *more)

    def role_of(tables):
        keys = zip(tables.user_keys[tables.user], tables.item_keys[tables.item], strict=True)
        return dict(zip(keys, split(tables, "last-out").tolist(), strict=True))

    then, now = role_of(before), role_of(after)
    assert TEST in then.values()
    assert {key: now[key] for key in then} == then


def test_of_many_people_the_same_are_measured_when_one_joins(tmp_path):
    def measured(people):
        user = [f"u{n:03}" for n in people for _ in range(3)]
        tables = purchases(tmp_path / str(len(people)), user, list("xyz") * len(people), [1.0, 2, 3] * len(people))
        data = TwoTowerDataset.build(tables, split(tables, "last-out"))
        return set(data.tables.user_keys[data.cases(TEST, at_most=50).users])

    then, now = measured(range(1, 200)), measured(range(200))
    assert len(then) == 50
    assert len(then & now) >= 49


def test_an_item_is_held_out_of_an_order_wherever_it_stands_in_it(tmp_path):
    tables = one_order_each(tmp_path, people=200)
    role = split(tables, "last-out").reshape(-1, 4)
    one = (role == TEST).sum(1) == 1
    assert ((role[one] == TEST).sum(0) > 10).all()


def test_of_orders_of_two_most_are_learned_whole(tmp_path):
    tables = one_order_each(tmp_path, people=400, items=2)
    role = split(tables, "last-out").reshape(-1, 2)
    assert 0.5 < (role == TRAIN).all(1).mean() < 0.7
    assert ((role == TEST).sum(1) == 1).any()


def test_windows_predict_every_purchase_once_and_remember_half_a_history(tmp_path):
    tables = purchases(tmp_path, ["a"] * 25 + ["b"] * 3, [f"i{k}" for k in range(28)], np.arange(28.0))
    made = windows(TwoTowerDataset.build(tables), max_history=10)
    assert sorted(r for w in made for r in range(w.target_from, w.stop)) == list(range(28))
    assert all(w.stop - w.start <= 10 for w in made)
    assert all(w.target_from - w.start >= 5 for w in made if w.start not in (0, 25))


def test_negatives_are_drawn_as_often_as_the_sampler_says():
    sampler = NegativeSampler.fit(np.array([100.0, 10.0, 1.0, 0.0]))
    drawn = np.bincount(sampler.draw(200_000, np.random.default_rng(0)), minlength=4) / 200_000
    np.testing.assert_allclose(drawn, sampler.probability, atol=0.005)
    assert sampler.probability[3] > 0


@pytest.mark.parametrize(
    ("days", "held_out"), [([0, 1], [TEST]), ([0, 1, 2], [VALID, TEST]), ([0, 1, 2, 3], [VALID, TEST])]
)
def test_by_date_the_last_days_are_held_out_however_few_there_are(days, held_out):
    frame = pd.DataFrame({"user": ["a"] * 5 * len(days), "item": [*"vwxyz"] * len(days), "time": np.repeat(days, 5)})
    role = split_by_date(from_frame(frame, user="user", item="item", time="time")).reshape(-1, 5)
    assert (role == role[:, :1]).all()
    assert role[-len(held_out) :, 0].tolist() == held_out
    assert (role[: -len(held_out)] == TRAIN).all()


def test_the_last_moment_is_the_next_basket_that_is_asked_for_whether_or_not_anything_new_was_bought_in_it():
    frame = pd.DataFrame(
        {"user": "u", "item": ["a", "b", "a", "c", "a", "b"], "time": [1e9 + 1e6 * n for n in range(6)]}
    )
    tables = from_frame(frame, user="user", item="item", time="time")
    data = TwoTowerDataset.build(tables, split(tables, "last-out"))
    assert data.role.tolist() == [TRAIN, VALID, LEFT_OUT, TEST, LEFT_OUT, LEFT_OUT]

    valid, test = data.next_baskets(VALID), data.next_baskets(TEST)

    named = [[data.tables.item_keys[i] for i in targets] for targets in (*valid.targets, *test.targets)]
    assert named == [["a"], ["b"]]
    assert [*valid.context, *test.context] == [1, 4]


def test_what_is_bought_again_beside_something_new_is_asked_for_with_it():
    """Baskets of two are no baskets to the split, which holds out the new one of the two alone."""
    baskets = ["a", "ab", "ac", "ad"]
    rows = [("u", item, 1e9 + 1e6 * n) for n, items in enumerate(baskets) for item in items]
    tables = from_frame(pd.DataFrame(rows, columns=["user", "item", "time"]), user="user", item="item", time="time")
    data = TwoTowerDataset.build(*held_out_last(tables, split(tables, "last-out"))[:2])

    valid, test = data.next_baskets(VALID), data.next_baskets(TEST)

    named = [
        ["".join(data.tables.item_keys[i] for i in targets) for targets in cases.targets] for cases in (valid, test)
    ]
    assert named == [["ac"], ["ad"]]
    assert [*valid.context, *test.context] == [2, 4]


def test_one_more_customer_hardly_changes_whose_next_baskets_are_measured():
    def asked(newcomers: list[str]) -> set[str]:
        users = [*newcomers, *(f"u{n}" for n in range(40))]
        rows = [(user, item, 1e9 + 1e6 * n) for user in users for n, item in enumerate("abcd")]
        tables = from_frame(pd.DataFrame(rows, columns=["user", "item", "time"]), user="user", item="item", time="time")
        data = TwoTowerDataset.build(*held_out_last(tables, split(tables, "last-out"))[:2])
        return set(data.tables.user_keys[data.next_baskets(TEST, at_most=20).users])

    assert len(asked([])) == 20
    assert len(asked([]) & asked(["a new one"])) >= 19
