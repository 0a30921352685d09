"""Which items go with which: on planted purchases, and in the odd shops that have no purchases to tell it."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from recommender.engine.bundle.inference import Inference
from recommender.engine.bundle.neighbours import QUESTIONS, Neighbours, feature_codes
from recommender.engine.bundle.retrieval import Index
from recommender.engine.bundle.standalone import StandaloneRecommender
from recommender.engine.data.inputs import Vectors
from recommender.engine.errors import EngineError, InferenceError
from recommender.engine.training.questions import learn_questions

ITEMS, GROUPS, WIDTH = 60, 6, 12
GROUP = np.arange(ITEMS) % GROUPS


def histories(*people):
    """first_row and item of people's purchases."""
    return np.cumsum([0, *map(len, people)]), np.concatenate([np.asarray(p, np.int64) for p in people])


def shoppers(n: int, seed: int = 0):
    """People who each buy six things of one group and one of anything."""
    rng = np.random.default_rng(seed)
    return [
        [*rng.choice(np.flatnonzero(person % GROUPS == GROUP), 6, replace=False), rng.integers(ITEMS)]
        for person in range(n)
    ]


def shop(people, items: int = ITEMS, fields: dict[str, list[str]] | None = None, new: int = 0, noise: float = 0.3):
    """Neighbours and index of a shop whose item vectors show the groups, with noise; the last `new` came later."""
    rng = np.random.default_rng(7)
    group = np.arange(items) % GROUPS
    rank = np.zeros((items, WIDTH + 4), np.float32)
    rank[:, :WIDTH] = np.eye(WIDTH)[group] + noise * rng.normal(size=(items, WIDTH))
    first_row, item = histories(*people)
    rank[:, -2] = np.log(0.5 + np.bincount(item, minlength=items))
    known = items - new
    first_row, item = histories(*([i for i in bought if i < known] for bought in people))
    questions = learn_questions(rank[:known], WIDTH, first_row, item)
    codes, _ = feature_codes(fields or {}, list(fields or {}), items)
    vectors = Vectors(rank, rank, rank[:, :WIDTH])
    nothing = np.zeros((len(rank), 0), np.float32)
    return Neighbours(SimpleNamespace(questions=questions), vectors, codes, nothing), Index(rank)


def listed(world, row: int, k: int = 5) -> list[int]:
    neighbours, index = world
    return neighbours.nearest(row, index, k, np.ones(len(index), dtype=bool))[0].tolist()


def test_of_an_item_that_nobody_bought_and_nobody_described_nothing_is_known():
    neighbours, _ = shop(shoppers(50), fields={"kind": [*map(str, GROUP[:-2]), "", "3"]}, new=2)
    assert [neighbours.knows(row) for row in (0, ITEMS - 2, ITEMS - 1)] == [True, False, True]


def test_what_goes_with_an_item_is_what_its_buyers_buy():
    world = shop(shoppers(200))
    for row in range(ITEMS):
        found = listed(world, row)
        assert row not in found
        assert (GROUP[found] == GROUP[row]).all()


def test_what_goes_together_is_not_what_has_like_vectors():
    world = neighbours, _ = shop(shoppers(400), noise=0.6)
    taste = neighbours.vectors.rank[:, :WIDTH] / np.linalg.norm(neighbours.vectors.rank[:, :WIDTH], axis=1)[:, None]
    cosine = taste @ taste.T - 9 * np.eye(ITEMS)
    by_cosine = np.mean([GROUP[np.argsort(-cosine[row])[:5]] == GROUP[row] for row in range(ITEMS)])
    by_purchases = np.mean([GROUP[listed(world, row)] == GROUP[row] for row in range(ITEMS)])
    assert by_cosine < 0.6
    assert by_purchases > 0.85


def test_no_item_stands_in_most_lists():
    rng = np.random.default_rng(0)
    group = np.arange(240) % GROUPS
    people = [rng.choice(np.flatnonzero(group == n % GROUPS), 6, replace=False).tolist() for n in range(600)]
    everybody_buys_the_first = [[0, *person] for person in people]
    world = shop(everybody_buys_the_first, items=240)
    counts = np.bincount([o for row in range(240) for o in listed(world, row, 10)], minlength=240)
    assert counts.max() <= 0.2 * 240


def test_one_account_that_buys_everything_often_pairs_nothing():
    hoard = [list(range(ITEMS)) * 50]
    calm, loud = shop(shoppers(200)), shop(shoppers(200) + hoard)
    same = [len(set(listed(calm, row)) & set(listed(loud, row))) for row in range(ITEMS)]
    assert np.mean(same) > 4.5


def test_an_item_bought_once_goes_with_its_like():
    people = [[i for i in person if i != 7] for person in shoppers(200)]
    people[2].append(7)  # whose group is another than that of item 7
    world = shop(people, fields={"group": [f"G{g}" for g in GROUP]})
    assert (GROUP[listed(world, 7)] == GROUP[7]).all()


def test_a_new_item_has_neighbours_and_is_one():
    fields = {"group": [f"G{g}" for g in np.arange(ITEMS + 1) % GROUPS]}
    world = shop(shoppers(200), items=ITEMS + 1, fields=fields, new=1)
    group = ITEMS % GROUPS
    assert (GROUP[listed(world, ITEMS)] == group).all()
    assert any(ITEMS in listed(world, row, 10) for row in np.flatnonzero(group == GROUP))


def test_an_item_whose_category_nobody_else_has_goes_with_what_its_buyers_buy():
    groups = [f"G{g}" for g in GROUP]
    groups[8] = "alone"
    world = shop(shoppers(200), fields={"group": groups})
    assert (GROUP[listed(world, 8)] == GROUP[8]).all()


@pytest.mark.parametrize("fields", [{}, {"group": ["one"] * (ITEMS + 1)}, {"group": [""] * (ITEMS + 1)}])
def test_where_features_tell_nothing_purchases_do_and_a_new_item_goes_with_what_is_popular(fields):
    people = shoppers(200) + [[3, 4]] * 100
    world = shop(people, items=ITEMS + 1, fields=fields, new=1)
    assert (GROUP[listed(world, 5)] == GROUP[5]).all()
    assert {3, 4} <= set(listed(world, ITEMS))


def test_where_everybody_bought_one_thing_features_tell_and_then_what_is_popular():
    people = [[row] for row in range(ITEMS) for _ in range(1 + row % 7)]
    world = shop(people, fields={"group": [f"G{g}" for g in GROUP]})
    found = listed(world, 9, 20)
    mine = [row for row in range(ITEMS) if GROUP[row] == GROUP[9] and row != 9]
    assert set(found[: len(mine)]) == set(mine)
    sold = [1 + row % 7 for row in found[: len(mine)]]
    assert sold == sorted(sold, reverse=True)
    assert all(1 + row % 7 == 7 for row in found[len(mine) :][:3])


def test_a_shop_without_purchases_answers():
    world = shop([[]], fields={"group": [f"G{g}" for g in GROUP]})
    assert (GROUP[listed(world, 0)] == GROUP[0]).all()


def test_the_standalone_lists_what_goes_with_an_item(bundle):
    recommender = StandaloneRecommender.from_bundle(bundle)
    for key in recommender.inference.item_keys[:10]:
        found = recommender.similar(key, 4)
        assert len(found) == 4
        assert key not in [one.item for one in found]
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    with pytest.raises(EngineError, match="knows no item 'nothing'"):
        recommender.similar("nothing")
    with pytest.raises(EngineError, match="top_k is 0"):
        recommender.similar(key, 0)


def test_a_bundle_from_before_there_were_questions_says_so(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "old")
    (tmp_path / "old" / "model" / QUESTIONS).unlink()
    old = Inference(model=tmp_path / "old" / "model", artifacts=tmp_path / "old" / "artifacts.json")
    with pytest.raises(InferenceError, match="train again"):
        _ = old.questions
