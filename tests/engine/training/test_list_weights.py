from dataclasses import replace

import numpy as np
import pytest
import torch

from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.inputs import Vectors
from recommender.engine.data.splits import TEST, TRAIN, VALID, split
from recommender.engine.data.tables import read_snapshot
from recommender.engine.evaluation.metrics import rank_targets, user_metrics
from recommender.engine.model.scorer import TorchScorer
from recommender.engine.model.towers import LONG, SHORT, ListWeights, TowerSizes, UserTower
from recommender.engine.training.batches import drawn_later
from recommender.engine.training.choosing import (
    ENOUGH,
    QUIET_HISTORY,
    QUIET_VOTES,
    EncodedCases,
    choose_list_weights,
    cut_short,
)
from recommender.engine.training.trainer import Trained, train_two_tower_model
from tests import planted
from tests.engine.conftest import QUICK

EACH = 24  # purchases of everybody


def dataset(folder, history_of, people=80):
    """People who buy what `history_of` says, in that order."""
    rows = [(f"u{u:03}", item, float(n)) for u in range(people) for n, item in enumerate(history_of(u))]
    planted.write_shop(folder, rows)
    tables = read_snapshot(folder)
    return TwoTowerDataset.build(tables, split(tables, "last-out"))


@pytest.fixture
def last_of_all_is_bread(tmp_path):
    """Anything at first; then everybody's validation purchase is bread."""
    rng = np.random.default_rng(0)

    def history_of(_):
        anything = [f"i{i:02}" for i in rng.permutation(40)[:EACH]]
        return [*anything[: EACH - 2], "bread", anything[-1]]

    return dataset(tmp_path, history_of)


class SaysOppositeWhereLittleIsKnown:
    """A history of more than a few purchases is for bread, a shorter one against it; bread is popular."""

    max_history = 100

    def __init__(self, data):
        says = np.where(data.tables.item_keys == "bread", 1, np.random.default_rng(0).uniform(0, 0.5, data.n_items))
        rank = np.stack([says, np.zeros(data.n_items), says], 1).astype(np.float32)
        self.items = Vectors(rank, rank, rank[:, :1])

    def users(self, inputs):
        for_it = np.where(inputs.known > SHORT, 1, -1)
        rank = np.stack([for_it, np.zeros(len(for_it)), np.ones(len(for_it))], 1).astype(np.float32)
        return Vectors.of_people(rank, rank)


def test_what_several_weights_give_at_once_is_what_each_gives_alone(last_of_all_is_bread):
    data, rng = last_of_all_is_bread, np.random.default_rng(0)
    cases, items = data.cases(VALID), rng.normal(size=(last_of_all_is_bread.n_items, 6)).astype(np.float32)
    cases.context[:5] = data.first_row[cases.users[:5]] - 1  # newcomers

    class Model:
        max_history = 100

        def __init__(self, seed):
            table = np.random.default_rng(seed).normal(size=(EACH, 6)).astype(np.float32)
            table[0], table[:, -1] = 0, table[:, -1] * (np.arange(EACH) > 0)
            self.table, self.items = table, Vectors(items, items, items[:, :3])

        def users(self, inputs):
            return Vectors.of_people(self.table[inputs.known.astype(int)], np.zeros((len(inputs), 0)))

    model, voteless = Model(1), Model(2)
    candidates = [(1.0, 1.0, 1.0), (0.5, 0.25, 0.5), (0.1, 0.0, 1.0), (2.0, 1.25, 0.25)]
    at_once = EncodedCases.of(model, data, cases, voteless).ndcg(candidates)

    known = cases.lengths(data)
    for popularity, history, votes in candidates:

        class Alone(Model):
            def users(self, inputs, weights=(popularity, history, votes)):
                rank = weights[2] * super().users(inputs).rank + (1 - weights[2]) * voteless.users(inputs).rank
                rank[:, :3] *= weights[1]
                rank[:, 3:-1] = model.users(inputs).rank[:, 3:-1]
                rank[:, -1] = np.where(inputs.known > 0, weights[0], 0)
                return Vectors.of_people(rank, np.zeros((len(rank), 0)))

        alone = user_metrics(rank_targets(Alone(1), data, cases))["ndcg_10"]
        assert at_once[popularity, history, votes] == pytest.approx(alone)
    assert set(known) == {0, EACH - 2}


def test_cases_are_encoded_beside_others_of_like_history(tmp_path):
    """One in ten has a history ten times as long: reading them costs those with a short one nothing."""
    data = dataset(tmp_path, lambda u: [f"i{i}" for i in range(40 if u % 10 == 0 else 4)], people=1500)
    read = []

    class Reads(SaysOppositeWhereLittleIsKnown):
        def users(self, inputs):
            read.append(inputs.items.size)
            return super().users(inputs)

    cases = data.cases(VALID)
    EncodedCases.of(Reads(data), data, cases)
    assert sum(read) < 3 * cases.lengths(data).sum()  # 6 times, where each part has somebody with a long one


def test_short_histories_get_weights_of_their_own(tmp_path):
    """People with long histories buy tea, which only the history finds; others bread, which only popularity finds."""
    rng = np.random.default_rng(0)

    def history_of(person):
        anything = [f"i{i:02}" for i in rng.permutation(40)[:EACH]]
        known, bought = (3, "bread") if person % 3 == 0 else (EACH - 2, "tea")
        return [*anything[:known], bought, anything[-1]]

    class Says:
        max_history = 100

        def __init__(self, data):
            keys, popular = data.tables.item_keys, np.random.default_rng(0).uniform(0.5, 0.9, data.n_items)
            popular = np.select([keys == "bread", keys == "tea"], [1.0, 0.0], popular)
            rank = np.stack([keys == "tea", popular, popular], 1).astype(np.float32)
            self.items = Vectors(rank, rank, rank[:, :2])

        def users(self, inputs):
            short = (inputs.known <= SHORT).astype(np.float32)
            rank = np.stack([1.5 * (1 - short), -2 * short, np.ones(len(short))], 1).astype(np.float32)
            return Vectors.of_people(rank, rank)

    data = dataset(tmp_path, history_of, people=330)
    weights = choose_list_weights(Says(data), data, data.cases(VALID))
    assert weights.history >= 0.75
    assert weights.history_short < 0.5
    assert weights.popularity_short == 1


def test_where_few_have_a_short_history_the_beginnings_of_long_ones_stand_for_it(last_of_all_is_bread):
    data = last_of_all_is_bread
    weights = choose_list_weights(SaysOppositeWhereLittleIsKnown(data), data, data.cases(VALID))
    assert weights.history == 1
    assert weights.history_short < weights.popularity_short  # so much that bread is on top there, too


@pytest.mark.parametrize("known", [1, SHORT])
def test_a_history_cut_short_holds_the_first_purchases_and_wants_the_same(last_of_all_is_bread, known):
    data = last_of_all_is_bread
    whole = data.cases(VALID)
    cut = cut_short(data, whole, known)
    assert (cut.users == whole.users).all()
    assert all((a == b).all() for a, b in zip(cut.targets, whole.targets, strict=True))
    for bought, before in zip(cut.bought(data), whole.bought(data), strict=True):
        assert len(bought) == known
        assert (bought == before[: len(bought)]).all()
    assert (cut.rows == cut.context + 1).all()  # the profile is that of the moment after


def test_whoever_bought_little_is_taken_as_they_are(tmp_path):
    """Three purchases, then bread: with all three known the history is right to be trusted; of one it would not be."""
    data = dataset(
        tmp_path, lambda _: [*(f"i{i:02}" for i in np.random.default_rng(0).permutation(9)[:3]), "bread", "x"]
    )

    class SaysSo(SaysOppositeWhereLittleIsKnown):
        """And popularity, at .7 of what the history says, is against bread."""

        def __init__(self, data):
            super().__init__(data)
            self.items.rank[:, -1] *= -0.7

        def users(self, inputs):
            return super().users(replace(inputs, known=np.where(inputs.known == 3, LONG, 1)))

    weights = choose_list_weights(SaysSo(data), data, data.cases(VALID))
    assert weights.history_short > 0.7 * weights.popularity_short  # so much that bread is on top


def test_a_short_history_speaks_quietly_where_nothing_proves_that_it_should_not(last_of_all_is_bread):
    data = last_of_all_is_bread

    class SaysNothing(SaysOppositeWhereLittleIsKnown):
        """What the history says, aloud or not, moves nothing; with votes it says twice as much."""

        def __init__(self, data, loudness):
            super().__init__(data)
            self.items.rank[:, 0], self.loudness = 1, loudness

        def users(self, inputs):
            people = super().users(inputs)
            people.rank[:, 0] = self.loudness
            return people

    weights = choose_list_weights(SaysNothing(data, 2), data, data.cases(VALID), voteless=SaysNothing(data, 1))
    assert (weights.popularity_short, weights.history_short, weights.votes_short) == (1, QUIET_HISTORY, QUIET_VOTES)
    weights = choose_list_weights(SaysNothing(data, 2), data, data.cases(VALID), voteless=SaysNothing(data, 0))
    assert weights.votes_short == 1, "where nothing but votes speaks, trust says it all"


def test_votes_that_find_more_are_louder(tmp_path):
    """The history's votes are for bread, and what else it says is against it; or the other way round."""
    data = dataset(
        tmp_path, lambda _: [*(f"i{i:02}" for i in np.random.default_rng(0).permutation(9)[:3]), "bread", "x"]
    )

    class Says(SaysOppositeWhereLittleIsKnown):
        def __init__(self, data, says):
            super().__init__(data)
            self.items.rank[:, -1], self.says = 0, says

        def users(self, inputs):
            people = super().users(inputs)
            people.rank[:, 0] = self.says
            return people

    weights = choose_list_weights(Says(data, 1), data, data.cases(VALID), voteless=Says(data, -1))
    assert weights.votes_short == 1
    weights = choose_list_weights(Says(data, -0.1), data, data.cases(VALID), voteless=Says(data, 1))
    assert weights.votes_short < 1


def test_with_next_to_nobody_to_go_by_nothing_is_chosen(last_of_all_is_bread):
    data = last_of_all_is_bread
    model, cases = SaysOppositeWhereLittleIsKnown(data), data.cases(VALID)
    assert choose_list_weights(model, data, cases[:1]) == ListWeights()
    weights = choose_list_weights(model, data, cases[: ENOUGH - 1])
    assert (weights.popularity_short, weights.history_short) == (weights.popularity, weights.history)


@pytest.mark.parametrize(
    ("known", "share"), [(0, None), (1, 0), (SHORT, 0), (10, 0.5), (LONG, 1), (500, 1)]
)  # 10 is halfway between 5 and 20 in proportion
def test_the_tower_weighs_by_how_much_is_known(known, share):
    torch.manual_seed(0)
    tower = UserTower(TowerSizes(10, 4, (), (), 0, rated=False), TrainConfig(dim=4)).eval()
    votes, state = torch.randn(1, 4), torch.zeros(1, 4)
    tower.set_list_weights(
        ListWeights(popularity=0.2, history=0.8, popularity_short=1.0, history_short=0.4, votes_short=0.5)
    )
    said = tower.query(state, votes, torch.tensor([known]), torch.zeros(1, 0, dtype=torch.int64), torch.zeros(1, 0))[0]
    trust, newcomer, popularity = said[:4] / (tower.vote_scale * votes[0]), said[-2].item(), said[-1].item()
    if share is None:
        assert trust.tolist() == [0] * 4
        assert (newcomer, popularity) == (1, 0)
    else:
        assert trust.tolist() == pytest.approx([(0.4 + 0.4 * share) * (0.5 + 0.5 * share)] * 4)
        assert (newcomer, popularity) == pytest.approx((0, 1 - 0.8 * share))


def test_what_comes_much_later_is_learned_for_short_histories(tmp_path):
    """The first purchase tells the taste, some starters follow, and only then comes what one likes."""
    rng = np.random.default_rng(0)

    def history_of(person):
        liked = [f"{'ab'[person % 2]}{n}" for n in rng.permutation(25)]
        return [liked[0], *(f"starter{n}" for n in rng.permutation(30)[:5]), *liked[1:19]]

    data = dataset(tmp_path, history_of)
    cases = data.cases(TEST)
    first = data.first_row[cases.users]
    cases = replace(cases, rows=first + 1, context=first)  # the same purchases, of people known by their first one
    epochs = Trained(model=None, rates=[1e-2] * 8)
    without, with_later = (
        np.mean([ranks[0] for ranks in rank_targets(TorchScorer(model, data), data, cases)])
        for model in (train_two_tower_model(data, replace(QUICK, later=later), like=epochs).model for later in (0, 10))
    )
    assert with_later < without - 1


def test_what_is_learned_of_later_purchases_leaves_out_what_is_held_out(last_of_all_is_bread):
    data = last_of_all_is_bread
    start = np.tile(data.first_row[:-1], 50)

    def later(start, stop):
        return drawn_later(start, stop, start[:, None] + np.arange(EACH), 16, data)

    window, known, row = later(start, start + EACH - 2)
    drawn = 16 * EACH / (EACH + LONG) * len(start)  # less what is held out
    assert 0.7 * drawn < len(row) < 0.95 * drawn
    assert (data.role[row] == TRAIN).all()
    assert (data.user[row] == data.user[start[window]]).all()
    assert (row >= start[window] + known).all()
    assert set(known) == set(range(1, SHORT + 1))
    assert set(row - start[window]) == set(range(1, EACH - 2))
    assert len(later(start + 1, start + EACH - 2)[0]) == 0, "a window in the middle opens no history"
    short = later(start, start + 2)[1]
    assert short.max() == 2, "a state that was not read cannot be started from"
