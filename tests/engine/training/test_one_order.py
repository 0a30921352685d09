"""Shops in which nobody, or hardly anybody, comes twice: what an order holds speaks for the rest of it."""

import json

import numpy as np
import pytest

from recommender.engine.bundle.standalone import StandaloneRecommender
from recommender.engine.training.pipeline import build_bundle
from tests import planted
from tests.engine.conftest import QUICK

KINDS, ITEMS = 4, 60


def shop(folder, *, people=300, order=5, come_back=0.0, seed=0):
    """Everybody buys items of one kind of four. Each order is of one moment; some come back a month later."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        mine = rng.permutation(np.arange(person % KINDS, ITEMS, KINDS))
        orders = 2 if rng.random() < come_back else 1
        for n in range(orders):
            at = 1.7e9 + 3600.0 * person + 2.6e6 * n
            rows += [(f"u{person}", f"i{item}", at) for item in mine[n * order : (n + 1) * order]]
    users, items = {"user": [f"u{n}" for n in range(people)]}, {"item": [f"i{n}" for n in range(ITEMS)]}
    return planted.write_shop(folder, rows, users=users, items=items)


def of_own_kind(bundle, users):
    """The share of listed items that are of the user's own kind, in lists of five."""
    lists = StandaloneRecommender.from_bundle(bundle).recommend_for_users(users, 5)
    kinds = [
        (int(user[1:]) % KINDS, int(one.item[1:]) % KINDS)
        for user, found in zip(users, lists, strict=True)
        for one in found
    ]
    assert len(kinds) == 5 * len(users)
    return np.mean([own == listed for own, listed in kinds])


@pytest.mark.parametrize("come_back", [0.0, 0.25])
def test_customers_of_one_order_are_listed_what_goes_with_it(tmp_path, come_back):
    report = build_bundle(shop(tmp_path / "data", come_back=come_back), tmp_path / "bundle", config=QUICK)
    measured = {row["segment"]: row["users"] for row in report.segments}
    assert measured["1-5 purchases"] > 100, "people of whom a part of the order is known are measured"
    assert measured["no history"] > 10, "and newcomers"
    assert of_own_kind(tmp_path / "bundle", [f"u{n}" for n in range(300)]) > 0.9


def test_where_nothing_goes_with_anything_popular_items_are_listed(tmp_path):
    """One item each, of which some sell more: nothing can be learned of anybody."""
    rng = np.random.default_rng(0)
    items = (20 * rng.random(400) ** 3).astype(int)
    snapshot = planted.write_snapshot(
        tmp_path / "data",
        {"user": [f"u{n}" for n in range(400)]},
        {"item": [f"i{n:02}" for n in reversed(range(20))]},
        {"user": [f"u{n}" for n in range(400)], "item": [f"i{n:02}" for n in items], "time": 1.7e9 + np.arange(400.0)},
    )
    report = build_bundle(snapshot, tmp_path / "bundle", config=QUICK)
    assert {row["segment"] for row in report.segments} == {"profile only", "no history"}
    counts = np.bincount(items, minlength=20)
    recommender = StandaloneRecommender.from_bundle(tmp_path / "bundle")
    for user in (0, 17, 399):
        listed = [int(one.item[1:]) for one in recommender.recommend_for_user(f"u{user}", top_k=5)]
        others = [n for n in np.argsort(-counts, kind="stable") if n != items[user]]
        assert counts[listed].tolist() == counts[others[:5]].tolist()


def test_no_weight_is_zero_where_nobody_known_can_be_measured(tmp_path):
    build_bundle(shop(tmp_path / "data", order=1), tmp_path / "bundle", config=QUICK)
    weights = json.loads((tmp_path / "bundle" / "training.json").read_text())["weights"]
    assert weights["popularity"] > 0
    assert weights["popularity_short"] > 0


def test_one_order_customers_with_ratings_and_quantities_are_listed_what_goes_with_it(tmp_path):
    """The order of rows within an order says nothing, and neither does how much was bought or how it was rated."""
    from recommender.engine.data.tables import read_snapshot

    tables = read_snapshot(shop(tmp_path / "plain"))
    rng = np.random.default_rng(1)
    planted.write_snapshot(
        tmp_path / "data",
        {"user": tables.user_keys.tolist()},
        {"item": tables.item_keys.tolist()},
        {
            "user": tables.user_keys[tables.user].tolist(),
            "item": tables.item_keys[tables.item].tolist(),
            "time": tables.time,
            "rating": rng.integers(1, 6, len(tables)).astype(float),
            "quantity": rng.integers(1, 50, len(tables)).astype(float),
        },
        user_numerical=["quantity"],
        derived={"quantity": {"take": "sum", "column": "quantity"}},
    )
    build_bundle(tmp_path / "data", tmp_path / "bundle", config=QUICK)
    assert of_own_kind(tmp_path / "bundle", [f"u{n}" for n in range(300)]) > 0.9


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_popularity_beside_a_history_is_never_zero(share):
    from recommender.engine.model.linear import LinearSettings
    from recommender.engine.training.trainer import popularities

    weights = popularities(LinearSettings(popularity=share))
    assert min(weights) > 0
    assert share in (0.0, *weights)


@pytest.mark.parametrize("categories", [0, 1, 3])
def test_two_customers_of_one_order_each_are_listed_what_the_other_bought(tmp_path, categories):
    """Nothing is known of the other fifty-two items: they come last, in whatever order."""
    orders = {"u0": ("i31", "i42", "i55", "i58"), "u1": ("i29", "i40", "i53", "i57")}
    snapshot = planted.write_snapshot(
        tmp_path / "data",
        {"user": list(orders)},
        {
            "item": [f"i{n:02}" for n in range(60)],
            **({"category": [f"c{n % categories}" for n in range(60)]} if categories else {}),
        },
        {
            "user": [user for user, items in orders.items() for _ in items],
            "item": [item for items in orders.values() for item in items],
            "time": [1.7e9] * 4 + [1.7e9 + 3600] * 4,
        },
        item_categorical=["category"] if categories else [],
    )
    build_bundle(snapshot, tmp_path / "bundle", config=QUICK)
    recommender = StandaloneRecommender.from_bundle(tmp_path / "bundle")
    for user, other in (("u0", "u1"), ("u1", "u0")):
        listed = {one.item for one in recommender.recommend_for_user(user, top_k=4)}
        assert listed == set(orders[other])
    newcomer = {one.item for one in recommender.recommend_for_new_user({}, top_k=8)}
    assert newcomer == {item for items in orders.values() for item in items}


def test_where_hardly_anything_sold_what_sold_comes_first(tmp_path):
    """Five customers, one purchase each, of five products in five hundred, three of them of one category."""
    sold = ["i498", "i401", "i303", "i220", "i499"]
    snapshot = planted.write_snapshot(
        tmp_path / "data",
        {"user": [f"u{n}" for n in range(5)]},
        {"item": [f"i{n:03}" for n in range(500)], "category": [f"c{n % 7}" for n in range(500)]},
        {"user": [f"u{n}" for n in range(5)], "item": sold, "time": [1.7e9 + n for n in range(5)]},
        item_categorical=["category"],
    )
    build_bundle(snapshot, tmp_path / "bundle", config=QUICK)
    recommender = StandaloneRecommender.from_bundle(tmp_path / "bundle")
    for person, bought in enumerate(sold):
        listed = {one.item for one in recommender.recommend_for_user(f"u{person}", top_k=4)}
        assert listed == {*sold} - {bought}
    assert {one.item for one in recommender.recommend_for_new_user({}, top_k=5)} == {*sold}
