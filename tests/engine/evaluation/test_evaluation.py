import numpy as np

from benchmarks.peers.neighbours import CoPurchase
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TEST, TRAIN, VALID, split
from recommender.engine.data.tables import read_snapshot
from recommender.engine.evaluation.baselines import Popularity, SegmentPopularity
from recommender.engine.evaluation.metrics import bootstrap_interval, rank_targets, user_metrics


class Fixed:
    def __init__(self, row):
        self.row = np.asarray(row, dtype=np.float32)

    def scores(self, data, cases):
        return np.tile(self.row, (len(cases), 1))


def load(snapshot):
    tables = read_snapshot(snapshot)
    return TwoTowerDataset.build(tables, split(tables, "last-out"))


def test_ties_count_against_the_model(snapshot):
    data = load(snapshot)
    cases = data.cases(TEST)
    ranks = rank_targets(Fixed(np.zeros(data.n_items)), data, cases)
    left = data.n_items - np.array([len(b) for b in cases.bought(data)])
    assert [r[0] for r in ranks] == left.tolist()


def test_what_is_not_a_number_ranks_last(snapshot):
    data = load(snapshot)
    ranks = rank_targets(Fixed(np.full(data.n_items, np.nan)), data, data.cases(TEST))
    assert user_metrics(ranks)["hr_10"].sum() == 0


def test_bought_items_are_no_rivals(snapshot):
    data = load(snapshot)
    cases = data.cases(TEST)[:1]
    scores = np.zeros(data.n_items)
    scores[cases.bought(data)[0]] = 9
    scores[cases.targets[0]] = 1
    assert rank_targets(Fixed(scores), data, cases)[0].tolist() == [1]


def test_metrics_of_known_ranks():
    found = user_metrics([np.array([1]), np.array([10]), np.array([11]), np.array([1, 2, 30])])
    np.testing.assert_allclose(found["ndcg_10"][:3], [1, 1 / np.log2(11), 0])
    np.testing.assert_allclose(found["ndcg_10"][3], (1 + 1 / np.log2(3)) / (1 + 1 / np.log2(3) + 0.5))
    assert found["hr_10"].tolist() == [1, 1, 0, 1]
    np.testing.assert_allclose(found["recall_20"], [1, 1, 1, 2 / 3])
    np.testing.assert_allclose(found["mrr"], [1, 0.1, 1 / 11, 1])


def test_an_interval_covers_the_mean_and_narrows_with_people():
    rng = np.random.default_rng(1)
    few, many = rng.normal(1, 1, 50), rng.normal(1, 1, 5000)
    assert bootstrap_interval(few, 500)[0] < few.mean() < bootstrap_interval(few, 500)[1]
    width = [np.ptp(bootstrap_interval(v, 500)) for v in (few, many)]
    assert width[1] < width[0] / 5


def test_segment_popularity_finds_the_field_that_matters_and_co_purchase_the_kind(snapshot):
    data = load(snapshot)
    cases = data.cases(TEST)
    co_purchase = CoPurchase()
    co_purchase.fit(data)
    ndcg = {
        type(model).__name__: user_metrics(rank_targets(model, data, cases))["ndcg_10"].mean()
        for model in (Popularity(data), SegmentPopularity(data), co_purchase)
    }
    assert SegmentPopularity(data).field == 0  # gender, not age
    assert ndcg["CoPurchase"] > ndcg["SegmentPopularity"] > ndcg["Popularity"]


def test_without_validation_no_segment_is_better_than_popularity(snapshot):
    data = load(snapshot)
    everything = data.with_role(np.where(data.role == VALID, TRAIN, data.role))
    cases = everything.cases(TEST)
    by_segment, overall = SegmentPopularity(everything), Popularity(everything)
    assert by_segment.field is None
    ranks = [rank_targets(model, everything, cases) for model in (by_segment, overall)]
    assert [r.tolist() for r in ranks[0]] == [r.tolist() for r in ranks[1]]
