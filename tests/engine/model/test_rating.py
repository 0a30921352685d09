"""Ratings in closed form, on planted tastes: what is known of a person decides what they are predicted to say."""

import numpy as np
import pytest

from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TEST, TRAIN, VALID, split
from recommender.engine.data.tables import read_snapshot
from recommender.engine.evaluation.metrics import case_inputs
from recommender.engine.model.rating import fit_rating_paths, posterior, ridge_regression
from recommender.engine.model.scorer import TorchScorer
from recommender.engine.training.choosing import NOISES
from recommender.engine.training.trainer import train_two_tower_model
from tests import planted

ONE_EPOCH = TrainConfig(dim=8, profile_rank=2, rating_dim=4, epochs=1)


def even_and_odd(folder, *, users=200, items=40, each=12, told=True):
    """Even people rate even items 5 and odd items 1, odd people the other way round; their profiles may tell."""
    kinds = [("even" if u % 2 == 0 else "odd") if told else "any" for u in range(users)]
    return read(folder, planted.even_and_odd(users, items, each), kinds)


def read(folder, rows, kinds):
    users = {"user": [f"u{u}" for u in range(len(kinds))], "kind": kinds}
    planted.write_shop(folder, rows, users=users, user_categorical=["kind"])
    tables = read_snapshot(folder)
    return TwoTowerDataset.build(tables, split(tables, "last-out"))


def without_validation(data):
    return data.with_role(np.where(data.role == VALID, TRAIN, data.role).astype(np.int8))


def predicted(data, model, history, rating, kind="any"):
    """Ratings of all items by somebody with these purchases (item keys) and ratings (nan: none)."""
    keys = data.tables.item_keys.tolist()
    scorer = TorchScorer(model, data)
    person = case_inputs(data, data.cases(TEST)[:1], 100)
    rows = np.array([[keys.index(i) for i in history] or [0]])
    values = np.array([rating or [np.nan]], np.float32)
    ids = data.encoders.user["kind"].encode([kind])[None, :]
    inputs = type(person)(
        items=rows, rating=values, gap=np.zeros_like(rows), moment=np.zeros_like(rows), length=np.array([len(history)]),
        known=np.array([len(history)], np.float32), ids=ids, numbers=person.numbers,
    )  # fmt: skip
    stars = 5 / (1 + np.exp(-(scorer.users(inputs).rate @ scorer.items.rate.T)[0]))
    return {key: stars[row] for row, key in enumerate(keys)}


def test_a_few_ratings_tell_the_taste(tmp_path):
    data = even_and_odd(tmp_path, told=False)
    model = train_two_tower_model(data, ONE_EPOCH).model
    even = predicted(data, model, ["i0", "i1", "i2"], [5, 1, 5])
    odd = predicted(data, model, ["i0", "i1", "i2"], [1, 5, 1])
    assert even["i6"] > 3.5 > 2.5 > even["i7"]
    assert odd["i7"] > 3.5 > 2.5 > odd["i6"]


def test_one_more_rating_counts_at_once(tmp_path):
    data = even_and_odd(tmp_path, told=False)
    model = train_two_tower_model(data, ONE_EPOCH).model
    nothing, one = predicted(data, model, [], []), predicted(data, model, ["i0"], [5])
    assert nothing["i6"] == pytest.approx(3, abs=0.4)
    assert one["i6"] > nothing["i6"] + 0.1
    assert one["i7"] < nothing["i7"] - 0.1


def test_a_bare_profile_is_enough_where_it_decides(tmp_path):
    data = even_and_odd(tmp_path)
    model = train_two_tower_model(data, ONE_EPOCH).model
    assert predicted(data, model, [], [], "even")["i6"] > predicted(data, model, [], [], "odd")["i6"] + 2
    assert predicted(data, model, [], [], "never seen")["i6"] == pytest.approx(3, abs=0.4)


def test_a_purchase_without_a_rating_says_what_its_buyers_say(tmp_path):
    """Generous people buy a mug, stern ones a pen; both rate everything else alike but for their sternness."""
    rng = np.random.default_rng(1)
    rows = []
    for u in range(150):
        rows.append((f"u{u}", "mug" if u % 2 else "pen", 0.0, None))
        rows += [(f"u{u}", f"i{i}", 1.0 + n, 4.0 if u % 2 else 2.0) for n, i in enumerate(rng.permutation(20)[:8])]
    data = without_validation(read(tmp_path, rows, ["any"] * 150))  # which knows everybody by their ratings already
    model = train_two_tower_model(data, ONE_EPOCH).model
    generous, stern = (predicted(data, model, [item], [np.nan])["i3"] for item in ("mug", "pen"))
    assert generous > 3.3 > 2.7 > stern


def test_the_towers_solve_what_the_closed_form_says(snapshot):
    tables = read_snapshot(snapshot)
    data = TwoTowerDataset.build(tables, split(tables, "last-out"))
    trained = train_two_tower_model(without_validation(data), ONE_EPOCH)
    (path,) = fit_rating_paths(without_validation(data), ONE_EPOCH.rating_dim, ONE_EPOCH.seed, NOISES[:1])
    cases = data.cases(TEST)[:20]
    vectors = TorchScorer(trained.model, data).users(case_inputs(data, cases, 100)).rate
    for case, vector in enumerate(vectors):
        rows = np.arange(data.first_row[cases.users[case]], cases.context[case] + 1)
        mean = path.traces[data.item[rows]].sum(0) / np.sqrt(len(rows))
        mean = mean + sum(table[i] for table, i in zip(path.profile, data.profile_ids[cases.rows[case]], strict=True))
        rows = rows[np.isfinite(data.rating[rows])]
        ratings = np.zeros(len(rows), np.int64), data.item[rows], data.rating[rows]
        exact, _ = posterior(path.factors, path.bias, path.precision, mean[None, :], *ratings)
        assert vector[: len(mean)] == pytest.approx(exact[0], abs=1e-3)


def test_the_noise_is_chosen_on_validation_and_repeated(tmp_path):
    """Where the profile decides everything, ratings about what it says vary little: less noise than the default's."""
    data = even_and_odd(tmp_path)
    trained = train_two_tower_model(data, ONE_EPOCH)
    assert trained.rating_noise is not None
    assert trained.rating_noise < NOISES[0]
    everything = without_validation(data)
    assert train_two_tower_model(everything, ONE_EPOCH, like=trained).rating_noise == trained.rating_noise
    assert train_two_tower_model(everything, ONE_EPOCH).rating_noise == NOISES[0]


def test_ridge_regression_is_the_solution_of_the_normal_equations():
    from scipy import sparse

    rng = np.random.default_rng(0)
    x, y = sparse.random(50, 8, 0.4, format="csr", random_state=0), rng.normal(size=(50, 3))
    exact = np.linalg.solve((x.T @ x).toarray() + np.eye(8), x.T @ y)
    assert ridge_regression(x, y, np.zeros((8, 3))) == pytest.approx(exact, abs=1e-6)
