"""One account with very many rows does not decide what others are shown."""

import numpy as np

from recommender.engine.bundle.standalone import StandaloneRecommender
from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset, activity_cap
from recommender.engine.data.distribution import of_training
from recommender.engine.data.tables import read_snapshot
from recommender.engine.evaluation.baselines import Popularity, SegmentPopularity
from recommender.engine.model.linear import log_share
from recommender.engine.training.batches import windows
from recommender.engine.training.pipeline import build_bundle
from tests import planted

SMALL = TrainConfig(dim=8, profile_rank=2, rating_dim=4, epochs=2)


def shop(folder, *, users=120, items=40, each=8, extra=()):
    """Item n is bought the more the smaller n is; ratings are 4 and 5. extra : more rows (user, item, time, rating)."""
    rng = np.random.default_rng(0)
    share = 1 / (np.arange(items) + 3.0)
    rows = [
        (f"u{u}", f"i{i:02}", 1.7e9 + 86_400.0 * n + u, 4.0 + float(rng.random() < 0.5))
        for u in range(users)
        for n, i in enumerate(rng.choice(items, each, replace=False, p=share / share.sum()))
    ]
    rows += extra
    keys = sorted({user for user, *_ in rows})
    kinds = ["A" if i < items // 2 else "B" for i in range(items)]
    return planted.write_shop(
        folder,
        rows,
        users={"user": keys, "country": ["Nowhere" if key == "many" else "UK" for key in keys]},
        items={"item": [f"i{i:02}" for i in range(items)], "kind": kinds},
        user_categorical=["country"],
        user_numerical=["purchases"],
        item_categorical=["kind"],
        derived={"purchases": {"take": "count"}},
    )


def by_one_account(n, items, rating=None):
    return [("many", f"i{items[k % len(items)]:02}", 1.7e9 + 60.0 * k, rating) for k in range(n)]


def everything(folder):
    return TwoTowerDataset.build(read_snapshot(folder))


def test_purchases_of_one_account_do_not_lead_the_popular_list(tmp_path):
    before = everything(shop(tmp_path / "before"))
    after = everything(shop(tmp_path / "after", extra=by_one_account(5000, [37, 38, 39])))
    assert Popularity(after).counts.tolist()[:37] == Popularity(before).counts.tolist()[:37]
    assert (Popularity(after).counts - Popularity(before).counts).max() == 1
    for popularity in (SegmentPopularity(after).share, log_share(after, 0.3)):
        assert not {37, 38, 39} & set(np.argsort(-popularity)[:10].tolist())


def test_what_one_account_buys_again_and_again_is_no_change_of_what_the_shop_sells(tmp_path):
    data = everything(shop(tmp_path, extra=by_one_account(5000, [37, 38, 39])))
    kinds = of_training(data).purchases["kind"].values
    assert kinds["A"] > kinds["B"]


def test_the_purchases_of_one_account_are_not_most_of_what_is_trained_on(tmp_path):
    items, each = 400, 8
    extra = by_one_account(20_000, range(items))
    data = everything(shop(tmp_path, items=items, each=each, extra=extra))
    rows = [row for window in windows(data, 20) for row in range(window.target_from, window.stop)]
    of_the_account = data.tables.user_keys[data.user[rows]] == "many"
    assert 0 < of_the_account.sum() <= activity_cap(np.full(100, each)) == 50
    assert (~of_the_account).sum() == 120 * each


def test_a_very_active_person_is_learned_from_in_full(tmp_path):
    data = everything(shop(tmp_path, extra=[("keen", f"i{i:02}", 1.7e9 + i, 5.0) for i in range(20)]))
    keen = data.tables.user_keys.tolist().index("keen")
    assert data.user_weight[keen] == 1
    assert sum(w.stop - w.target_from for w in windows(data, 100) if data.user[w.start] == keen) == 20


def test_the_count_of_purchases_of_one_account_does_not_set_the_scale_for_all(tmp_path):
    before = everything(shop(tmp_path / "before")).encoders.number["purchases"]
    extra = by_one_account(20_000, range(40))
    after = everything(shop(tmp_path / "after", extra=extra)).encoders.number["purchases"]
    assert after.edges[-1] <= 2 * before.edges[-1]


def test_a_changed_opinion_counts_once_and_it_is_the_latest(tmp_path):
    extra = [("many", "i00", 1.7e9 + n, 1.0) for n in range(5)] + [("many", "i00", 1.7e9 + 9, 5.0)]
    data = everything(shop(tmp_path, extra=extra))
    latest = data.latest_ratings() & (data.tables.user_keys[data.user] == "many")
    assert data.rating[latest].tolist() == [5.0]


def test_one_star_rows_of_one_account_leave_the_ratings_of_newcomers(tmp_path):
    extra = by_one_account(5000, range(40), rating=1.0)
    before, after = (
        ratings_of_a_newcomer(shop(tmp_path / name, extra=more), tmp_path / f"{name}-bundle")
        for name, more in (("before", []), ("after", extra))
    )
    assert abs(after - before).mean() < 0.25


def test_one_star_rows_for_items_that_nobody_else_rated_leave_the_ratings_of_newcomers(tmp_path):
    extra = by_one_account(1000, range(40, 1000), rating=1.0)
    before, after = (
        ratings_of_a_newcomer(shop(tmp_path / name, users=60, items=1000, extra=more), tmp_path / f"{name}-bundle")
        for name, more in (("before", []), ("after", extra))
    )
    assert abs(after - before).mean() < 0.25


def ratings_of_a_newcomer(snapshot, bundle):
    build_bundle(snapshot, bundle, config=SMALL)
    recommender = StandaloneRecommender.from_bundle(bundle)
    return np.array([recommender.predict_rating({"country": "UK"}, f"i{i:02}") for i in range(40)])
