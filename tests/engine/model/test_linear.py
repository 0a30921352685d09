"""The closed form that training starts from."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TRAIN, VALID, held_out_last, split
from recommender.engine.data.tables import from_frame, read_snapshot
from recommender.engine.evaluation.baselines import Popularity
from recommender.engine.evaluation.metrics import rank_targets, user_metrics
from recommender.engine.model import linear
from recommender.engine.model.linear import (
    FROM,
    TO,
    LinearPath,
    LinearSettings,
    exact_votes,
    factored_votes,
    summed_votes,
    transitions,
)
from recommender.engine.training import choosing
from recommender.engine.training.choosing import VotesAndPopularity, choose_linear_path
from tests import planted


def load(snapshot):
    tables = read_snapshot(snapshot)
    return TwoTowerDataset.build(tables, split(tables, "last-out"))


def ease(m: np.ndarray, ridge: float) -> np.ndarray:
    """The item-item matrix as the paper writes it."""
    inverse = np.linalg.inv(m.T @ m + ridge * np.eye(m.shape[1]))
    votes = -inverse / np.diag(inverse)
    np.fill_diagonal(votes, 0)
    return votes


def test_both_ways_to_the_votes_are_ease_where_nothing_is_cut_off():
    m = (np.random.default_rng(0).random((80, 20)) < 0.2).astype(np.float32)
    expected = ease(m, 10.0)
    elsewhere = ~np.eye(20, dtype=bool)
    m = sparse.csr_matrix(m)
    history, items = factored_votes(m, 20)(10.0).reduced(m, 20)
    np.testing.assert_allclose((history @ items.T)[elsewhere], expected[elsewhere], atol=1e-3)
    history, items = exact_votes(m)(10.0).reduced(m, 20)
    np.testing.assert_allclose(history @ items.T, expected, atol=1e-3)


@pytest.mark.parametrize("exact", [True, False])
def test_transitions_count_beside_the_votes_by_their_size(exact):
    rng = np.random.default_rng(0)
    m = sparse.csr_matrix((rng.random((80, 20)) < 0.2).astype(np.float32))
    follows = sparse.csr_matrix((rng.random((20, 20)) < 0.1).astype(np.float32) * 7)
    votes = (exact_votes(m) if exact else factored_votes(m, 20))(10.0)
    history, items = votes.beside(follows, 2.0, m).reduced(m, 20)
    linear = votes.linear_of(sparse.identity(20, np.float32, "csr"))
    added = history @ items.T - linear
    np.testing.assert_allclose(added, follows.toarray() * (added.max() / 7), atol=1e-3)
    assert np.linalg.norm(m @ added) == pytest.approx(2 * np.linalg.norm(m @ linear), rel=1e-3)


def test_votes_alone_find_the_planted_kinds(snapshot):
    data = load(snapshot)
    path = choose_linear_path(data, 16)
    cases = data.cases(VALID)
    scores = path.scale * summed_votes(data, cases, path.history, path.settings.recency) @ path.items.T
    of_kind = [scores[row, k::4].mean() for row in range(len(cases)) for k in [int(cases.targets[row][0]) % 4]]
    assert np.mean(of_kind) > 2 * scores.mean()


def test_a_later_purchase_speaks_louder(snapshot):
    data = load(snapshot)
    cases = data.cases(VALID)[:1]
    one_each = np.eye(data.n_items, dtype=np.float32)
    bought = cases.bought(data)[0]
    loud = summed_votes(data, cases, one_each, 0.7)[0][bought]
    assert (np.diff(loud) > 0).all()
    assert loud[-1] == pytest.approx(1)
    assert summed_votes(data, cases, one_each, 0.0)[0][bought] == pytest.approx(np.ones(len(bought)))


def test_what_was_bought_at_one_moment_speaks_alike(tmp_path):
    rows = [("u", item, time) for item, time in zip("abcde", (1, 1, 2, 2, 5), strict=True)]
    data = TwoTowerDataset.build(read_snapshot(planted.write_shop(tmp_path, [*rows, ("u", "f", 9)])))
    case = data.cases(TRAIN)[:1]
    case = replace(case, rows=np.array([5]), context=np.array([4]))
    spoken = summed_votes(data, case, np.eye(6, dtype=np.float32), 1.0)[0]
    assert spoken == pytest.approx([1 / 3, 1 / 3, 1 / 2, 1 / 2, 1, 0])


def test_transitions_count_what_came_how_soon_after_what(tmp_path):
    """Two items at once, one a moment later, then the first again and another."""
    rows = [("u", item, time) for item, time in zip("abcad", (1, 1, 2, 3, 3), strict=True)]
    data = TwoTowerDataset.build(read_snapshot(planted.write_shop(tmp_path, [*rows, ("v", "a", 1), ("v", "c", 2)])))
    counted = transitions(data).toarray()
    a, b, c, d = range(4)
    buyers = np.array([2, 1, 2, 1.0])
    expected = np.zeros((4, 4))
    expected[a, c], expected[b, c] = 1 / 2 + 1, 1 / 2
    expected[a, d], expected[b, d], expected[c, d] = 1 / 2 / 2, 1 / 2 / 2, 1
    np.testing.assert_allclose(counted, expected * buyers[:, None] ** -FROM * buyers**-TO, rtol=1e-6)


def test_of_very_many_transitions_a_sample_is_counted(snapshot, monkeypatch):
    data = load(snapshot)
    everything = transitions(data)
    monkeypatch.setattr(linear, "PAIRS", 500)
    assert 0 < transitions(data).sum() < 0.5 * everything.sum()


@pytest.mark.parametrize(("in_order", "chosen"), [(True, True), (False, False)])
def test_transitions_count_where_one_thing_leads_to_another_and_only_there(in_order, chosen):
    assert (choose_linear_path(chains(in_order), 16).settings.transitions > 0) is chosen


def chains(in_order: bool, people: int = 400, items: int = 60) -> TwoTowerDataset:
    """Everybody buys four pairs of neighbours in a ring, in order or in any, then something else."""
    rng = np.random.default_rng(0)
    pairs = ((rng.integers(0, items, (people, 4, 1)) + np.arange(2)) % items).reshape(people, 8)
    if not in_order:
        pairs = rng.permuted(pairs, axis=1)
    bought = np.hstack([pairs, rng.integers(0, items, (people, 1))])
    frame = pd.DataFrame(
        {"user": np.repeat(np.arange(people), 9), "item": bought.ravel(), "time": np.tile(np.arange(9), people)}
    )
    tables = from_frame(frame, user="user", item="item", time="time")
    return TwoTowerDataset.build(tables, split(tables, "last-out"))


def test_where_purchases_are_random_popularity_is_all_that_is_claimed(tmp_path):
    data = load(planted.leaking_label(tmp_path, users=200))
    settings = choose_linear_path(data, 8).settings
    popular = user_metrics(rank_targets(Popularity(data), data, data.cases(VALID)))["ndcg_10"].mean()
    path = LinearPath.fit(data, 8, LinearSettings(scale=0.0, popularity=1.0))
    assert path.scale == 0
    flat = user_metrics(
        rank_targets(VotesAndPopularity(path.history, path.items, 0.0, path.popular), data, data.cases(VALID))
    )
    assert settings.scale == 0 or flat["ndcg_10"].mean() < 1.2 * popular


def test_settings_given_are_kept_for_the_refit(snapshot):
    given = LinearSettings(rank=8, ridge=30.0, recency=0.3, scale=2.0, popularity=0.1, half_life=0.3, transitions=0.5)
    path = LinearPath.fit(load(snapshot), 4, given)
    assert path.settings == given
    assert path.history.shape == path.items.shape == (60, 8)


def test_the_path_is_wider_only_where_that_is_proven_or_cheap(monkeypatch):
    """Forty kinds that a person buys nothing but one of take more than eight dimensions; two kinds do not."""
    monkeypatch.setattr(choosing, "CHEAP", 0)
    assert choose_linear_path(kinds(40), 8).settings.rank > 8
    assert choose_linear_path(kinds(2), 8).settings.rank == 8


@pytest.mark.parametrize("size", [{"people": 12}, {"items": 12}])
def test_the_path_of_a_small_shop_is_not_widened_by_zeros(size):
    """Twelve people, or items, have votes of rank twelve: of 8, 16 and 32 dimensions the last has nothing to hold."""
    assert choose_linear_path(kinds(2, **size), 8).settings.rank <= 16


def kinds(number: int, people: int = 400, items: int = 200) -> TwoTowerDataset:
    """People who buy five different items of one kind, at random."""
    rng = np.random.default_rng(0)
    of_kind = np.arange(items) % number
    bought = [rng.choice(np.flatnonzero(of_kind == p % number), 5, replace=False) for p in range(people)]
    frame = pd.DataFrame(
        {"user": np.repeat(np.arange(people), 5), "item": np.concatenate(bought), "time": np.tile(np.arange(5), people)}
    )
    tables = from_frame(frame, user="user", item="item", time="time")
    return TwoTowerDataset.build(tables, split(tables, "last-out"))


def test_best_sellers_get_fewer_votes_where_they_drown_what_goes_with_an_order():
    assert choose_linear_path(baskets(best_sellers=12), 8).settings.discount > 0
    assert choose_linear_path(baskets(best_sellers=0), 8).settings.discount == 0


def baskets(best_sellers: int, people: int = 600, kinds: int = 30) -> TwoTowerDataset:
    """Orders of three items of one kind of eight, and two of the best sellers that stand beside anything."""
    rng = np.random.default_rng(1)
    bought = []
    for person in range(people):
        own = 8 * (person % kinds) + rng.permutation(8)[:3]
        beside = 8 * kinds + rng.permutation(best_sellers)[:2]
        bought.append(rng.permutation(np.concatenate([own, beside])))
    user = np.repeat(np.arange(people), [len(b) for b in bought])
    frame = pd.DataFrame({"user": user, "item": np.concatenate(bought), "time": user * 1000})
    tables = from_frame(frame, user="user", item="item", time="time")
    tables, role, _ = held_out_last(tables, split(tables, "last-out"))
    return TwoTowerDataset.build(tables, role)


def test_a_discount_divides_the_votes_for_an_item_by_a_power_of_its_buyers(snapshot):
    data = load(snapshot)
    flat, discounted = (LinearPath.fit(data, 16, LinearSettings(rank=16, discount=d)) for d in (0.0, 0.2))
    votes = [path.scale * path.history @ path.items.T for path in (flat, discounted)]
    buyers = np.maximum(data.item_counts(), 1)
    np.testing.assert_allclose(votes[1], votes[0] * buyers**-0.2, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("fashions", "fades"), [(3, True), (1, False)])
def test_popularity_fades_where_fashions_change_and_only_there(fashions, fades):
    assert (choose_linear_path(fashion(fashions), 8).settings.half_life > 0) is fades


def fashion(fashions: int, people: int = 300, items: int = 90, each: int = 12) -> TwoTowerDataset:
    """Everybody buys what is popular at the time, each fashion other items."""
    rng = np.random.default_rng(0)
    place = (np.arange(items) - items // fashions * (np.arange(each) * fashions // each)[:, None]) % items
    weight = (5.0 + place) ** -2.0  # [each, items]
    bought = [rng.choice(items, p=w / w.sum(), size=people) for w in weight]
    user, time = np.tile(np.arange(people), each), np.repeat(np.arange(each), people)
    frame = pd.DataFrame({"user": user, "item": np.concatenate(bought), "time": time * 1000})
    tables = from_frame(frame, user="user", item="item", time="time")
    return TwoTowerDataset.build(tables, split(tables, "last-out"))
