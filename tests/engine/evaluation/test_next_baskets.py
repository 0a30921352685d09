"""The next basket, bought before or not, on shops where what people come back to is planted."""

import numpy as np

from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TEST, split
from recommender.engine.data.tables import read_snapshot
from recommender.engine.evaluation.metrics import rank_targets, user_metrics
from recommender.engine.evaluation.next_baskets import NextBaskets, PersonalFrequency
from recommender.engine.training.choosing import choose_repeats
from tests import planted


class LogPopularity:
    """A model that knows nothing of a person."""

    def scores(self, data, cases):
        return np.tile(np.log(data.item_counts() + 0.5), (len(cases), 1))


def data_of(folder) -> TwoTowerDataset:
    tables = read_snapshot(folder)
    return TwoTowerDataset.build(tables, split(tables, "last-out"))


def test_what_was_bought_before_beside_popularity_is_ahead_of_personal_frequency(tmp_path):
    data = data_of(planted.staples(tmp_path / "staples"))
    cases = data.next_baskets(TEST)
    chosen = choose_repeats(LogPopularity(), data)

    def ndcg(model):
        return user_metrics(rank_targets(model, data, cases))["ndcg_10"].mean()

    assert chosen is not None
    ours, frequency = ndcg(NextBaskets(LogPopularity(), chosen)), ndcg(PersonalFrequency(data))
    assert ours > frequency > ndcg(LogPopularity())
    assert ndcg(NextBaskets(LogPopularity(), None)) == ndcg(LogPopularity())


def test_a_habit_that_people_gave_up_is_put_beside_nothing(tmp_path):
    """Everybody buys a staple of their own in each of six orders; in the two that follow, the fashion of the day."""
    rows = []
    for u in range(120):
        for n in range(8):
            bought = [f"s{u % 30}", f"o{(7 * u + n) % 40}"] if n < 6 else [f"fashion {n}"]
            rows += [(f"u{u}", item, 1e9 + 1e6 * n) for item in bought]
    data = data_of(planted.write_shop(tmp_path / "shop", rows))

    class Fashionable:
        def scores(self, data, cases):
            latest = np.array([item.startswith("fashion") for item in data.tables.item_keys])
            return np.tile(latest * 1.0, (len(cases), 1))

    assert choose_repeats(LogPopularity(), data) is not None
    assert choose_repeats(Fashionable(), data) is None


def test_where_nobody_is_held_out_nothing_is_put_beside_the_towers(tmp_path):
    data = TwoTowerDataset.build(read_snapshot(planted.staples(tmp_path / "staples")))

    assert choose_repeats(LogPopularity(), data) is None
