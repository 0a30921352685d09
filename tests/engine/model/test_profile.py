"""People of whom only a profile is known, and products that nobody bought yet."""

import numpy as np
import torch

from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TEST, split
from recommender.engine.data.tables import read_snapshot
from recommender.engine.evaluation.metrics import case_inputs, rank_targets, user_metrics
from recommender.engine.model.scorer import TorchScorer
from recommender.engine.training.choosing import choose_profile_path
from recommender.engine.training.trainer import train_two_tower_model
from tests import planted

ONE_EPOCH = TrainConfig(dim=8, profile_rank=4, rating_dim=2, epochs=1)


def load(folder):
    tables = read_snapshot(folder)
    return TwoTowerDataset.build(tables, split(tables, "last-out"))


def leaning(folder, *, says=True, users=300, items=40, each=6):
    """Popular items for all; beside them women buy even items and men odd ones, if the field `says` the truth."""
    rng = np.random.default_rng(0)
    weight = (1.0 + np.arange(items)) ** -0.7
    rows = []
    for u in range(users):
        mine = np.where(np.arange(items) % 2 == u % 2, 6.0, 1.0) * weight
        rows += [(f"u{u}", f"i{i}", 1.7e9 + n) for n, i in enumerate(rng.choice(items, each, False, mine / mine.sum()))]
    gender = ["FM"[u % 2] if says else "FM"[int(rng.integers(0, 2))] for u in range(users)]
    return load(
        planted.write_shop(
            folder,
            rows,
            users={"user": [f"u{u}" for u in range(users)], "gender": gender},
            items={"item": [f"i{i}" for i in range(items)]},
            user_categorical=["gender"],
        )
    )


def bare_list(data, model, gender):
    scorer = TorchScorer(model, data)
    inputs = case_inputs(data, data.cases(TEST)[:1], 10, profile_only=True)
    inputs.ids[:] = data.encoders.user["gender"].encode([gender])
    scores = (scorer.users(inputs).rank @ scorer.items.rank.T)[0]
    return [data.tables.item_keys[row] for row in np.argsort(-scores, kind="stable")]


def test_a_profile_moves_the_popular_list(tmp_path):
    data = leaning(tmp_path)
    model = train_two_tower_model(data, ONE_EPOCH).model
    even = [int(key[1:]) % 2 == 0 for key in bare_list(data, model, "F")[:6]]
    odd = [int(key[1:]) % 2 == 1 for key in bare_list(data, model, "M")[:6]]
    assert sum(even) >= 5
    assert sum(odd) >= 5


def test_a_profile_that_tells_nothing_has_no_say(tmp_path):
    data = leaning(tmp_path, says=False)
    assert choose_profile_path(data, 4, 1).scale == 0


def test_an_empty_profile_gets_the_list_of_popular_items(tmp_path):
    data = leaning(tmp_path)
    trained = train_two_tower_model(data, ONE_EPOCH)
    popular = np.argsort(-data.item_counts(), kind="stable")[:5]
    listed = bare_list(data, trained.model, "")[:5]
    assert sorted(listed) == sorted(data.tables.item_keys[popular])


def test_bare_profiles_are_served_better_than_by_popularity(snapshot):
    """Of the planted tastes gender tells half: which two of the four kinds."""
    data = load(snapshot)
    trained = train_two_tower_model(data, ONE_EPOCH)
    cases = data.cases(TEST)
    bare = user_metrics(rank_targets(TorchScorer(trained.model, data), data, cases, profile_only=True))["hr_10"]
    assert bare.mean() > 0.3  # bought items are left out: 10 of 51 at random


def test_an_item_that_nobody_bought_stands_where_a_new_one_of_its_kind_would(tmp_path):
    folder = planted.tastes(tmp_path)
    tables = read_snapshot(folder)
    roles = split(tables, "last-out")
    unsold = int(np.flatnonzero(tables.item_keys == "i8")[0])
    roles[tables.item == unsold] = 3  # left out
    data = TwoTowerDataset.build(tables, roles)
    model = train_two_tower_model(data, ONE_EPOCH).model
    features = torch.from_numpy(data.item_features[[unsold, unsold]])
    for vectors in model.items(torch.tensor([unsold, -1]), features):
        assert torch.allclose(vectors[0], vectors[1], atol=1e-6)


def test_whatever_training_makes_of_the_bias_newcomers_get_what_most_people_buy(tmp_path):
    """Beside histories the bias learns something else."""
    data = leaning(tmp_path)
    model = train_two_tower_model(data, ONE_EPOCH).model

    def lists(profile_only):
        return rank_targets(TorchScorer(model, data), data, data.cases(TEST), profile_only=profile_only)

    bare, known = lists(True), lists(False)
    with torch.no_grad():
        model.items.bias.weight.normal_(std=5, generator=torch.Generator().manual_seed(1))
        model.users.popularity_weight.fill_(1.0)
    assert all((a == b).all() for a, b in zip(bare, lists(True), strict=True))
    assert not all((a == b).all() for a, b in zip(known, lists(False), strict=True))
