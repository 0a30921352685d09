"""New items are placed by what they say of themselves."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from recommender.engine.bundle.comparison import open_for_comparison
from recommender.engine.bundle.inference import Inference
from recommender.engine.bundle.standalone import StandaloneRecommender
from recommender.engine.data.splits import split
from recommender.engine.data.tables import read_snapshot
from recommender.engine.errors import ProfileError
from recommender.engine.training.content import ContentRegression
from recommender.engine.training.pipeline import build_bundle
from tests import planted
from tests.engine.conftest import QUICK

FIELDS = ("name", "price", "tags", "picture")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return planted.described(tmp_path_factory.mktemp("described"))


@pytest.fixture(scope="module")
def bundle(snapshot, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundles") / "b"
    build_bundle(snapshot, out, config=replace(QUICK, epochs=2))
    return out


@pytest.fixture(scope="module")
def recommender(bundle):
    return StandaloneRecommender.from_bundle(bundle)


def kind(item):
    return int(item[1:]) % 4


def test_items_that_nobody_bought_are_listed_to_those_of_their_kind(snapshot, recommender):
    tables = read_snapshot(snapshot)
    own = []
    for row in range(40):
        mine = kind(tables.item_keys[tables.item[tables.user == row][0]])
        listed = recommender.recommend_for_user(f"u{row}", top_k=72)
        own += [kind(r.item) == mine for r in [r for r in listed if int(r.item[1:]) >= 60][:3]]
    assert np.mean(own) > 0.8  # three of each kind are new: by chance it is .25


def test_no_words_lift_a_new_item_above_the_best_sellers_of_whom_nobody_knows_better(recommender):
    inference = recommender.inference
    popular = inference.items.rank[:, -2:]
    described = [{"name": "cordless power drill", "price": price, "tags": ["C", "sale"]} for price in (1, 90, 1e6)]
    placed = inference.encode_items([inference.check_item(item) for item in described]).rank[:, -2:]
    most = np.quantile(popular[:60], 1 - 0.1 * 72 / 60, axis=0)
    assert (popular[60:] <= most + 1e-4).all()
    assert (placed <= most + 1e-4).all()


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_alone_places_an_item_and_finds_its_neighbours(snapshot, recommender, field):
    items = pq.read_table(snapshot / "items.parquet").to_pylist()
    inference = recommender.inference
    taste = inference.items.rank[:60, : inference.items.trace.shape[1]]
    near = []
    for item in items[60:72]:
        placed = inference.encode_items([inference.check_item({field: item[field]})]).rank[0, : taste.shape[1]]
        near += [kind(f"i{i}") == kind(item["item"]) for i in np.argsort(-(taste @ placed))[:5]]
        if field != "price":  # a price is no topic
            alike = recommender.similar({field: item[field]}, top_k=5)
            near += [kind(r.item) == kind(item["item"]) for r in alike]
    assert np.mean(near) > 0.8


def test_a_described_item_is_rated_and_a_wrong_value_names_its_field(recommender):
    item = {"name": "green walnut table", "price": 10, "tags": ["A"], "picture": [1, 0, 0, 0]}
    assert 0 <= recommender.predict_rating("u1", item) <= 5
    assert 0 <= recommender.predict_rating({"age": 30}, {"tags": ["never seen"], "name": None}) <= 5
    with pytest.raises(ProfileError, match="price: 'dear' is not a number"):
        recommender.predict_rating("u1", {"price": "dear"})
    with pytest.raises(ProfileError, match="it knows name, price, tags, picture"):
        recommender.similar({"colour": "red"})


def test_new_items_have_neighbours_by_what_they_say(recommender):
    of_new = [recommender.similar(f"i{row}", top_k=5) for row in range(60, 72)]
    assert np.mean([kind(r.item) == row % 4 for row, alike in enumerate(of_new, 60) for r in alike]) > 0.9


def test_known_items_and_people_learn_as_if_items_said_nothing(snapshot, bundle, tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    for file in snapshot.iterdir():
        (plain / file.name).write_bytes(file.read_bytes())
    schema = json.loads((plain / "schema.json").read_text())
    (plain / "schema.json").write_text(json.dumps({k: v for k, v in schema.items() if k not in planted.CONTENT}))
    build_bundle(plain, tmp_path / "b", config=replace(QUICK, epochs=2))
    with_content, without = Inference.open(bundle), Inference.open(tmp_path / "b")
    np.testing.assert_allclose(with_content.items.rank[:60], without.items.rank[:60], atol=1e-5)
    assert without.content.shape == (72, 0)
    assert not (tmp_path / "b" / "model" / "item_content.npy").exists()


def test_a_bundle_is_measured_on_a_snapshot_whose_items_say_less_or_other_things(snapshot, bundle, tmp_path):
    tables = read_snapshot(snapshot)
    items = {name: column for name, column in tables.items.items() if name not in ("name", "picture")}
    items["picture"] = np.ones((72, 9), np.float32)  # vectors of another model
    schema = replace(tables.schema, item_text=())
    scorer, data = open_for_comparison(bundle, replace(tables, schema=schema, items=items), split(tables, "last-out"))
    assert np.isfinite(scorer.items.rank).all()
    assert data.item_content.shape == (72, scorer.inference.encoders.content.width)


def test_a_warm_start_places_new_items_by_today_s_content(snapshot, bundle, tmp_path):
    report = build_bundle(snapshot, tmp_path / "b", config=replace(QUICK, epochs=1), live=bundle, warm_start=True)
    assert report.start == "warm"
    placed = Inference.open(tmp_path / "b").encode_items([{"tags": ["A"]}, {"tags": ["B"]}])
    assert not np.allclose(placed.rank[0], placed.rank[1])


def test_names_that_share_no_word_say_nothing_and_the_model_opens(snapshot, tmp_path):
    for file in snapshot.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    items = {"item": [f"i{i}" for i in range(72)], "name": [chr(0x4E00 + i) for i in range(72)]}
    pq.write_table(pa.table(items), tmp_path / "items.parquet")
    schema = json.loads((tmp_path / "schema.json").read_text())
    of_users = {name: columns for name, columns in schema.items() if name not in planted.CONTENT}
    (tmp_path / "schema.json").write_text(json.dumps(of_users | {"item_text": ["name"]}))
    build_bundle(tmp_path, tmp_path / "b", config=replace(QUICK, epochs=1))
    unread = StandaloneRecommender.from_bundle(tmp_path / "b")
    assert unread.inference.content.shape == (72, 0)
    assert len(unread.recommend_for_user("u1", top_k=5)) == len(unread.similar("i1", top_k=5)) == 5
    assert len(unread.similar({"name": "unheard"}, top_k=5)) == 5


def test_prices_of_items_that_nobody_bought_say_nothing_and_the_model_is_saved(snapshot, tmp_path):
    for file in snapshot.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    pq.write_table(
        pa.table({"item": [f"i{i}" for i in range(72)], "price": [None] * 71 + [5.0]}), tmp_path / "items.parquet"
    )
    schema = json.loads((tmp_path / "schema.json").read_text())
    of_users = {name: columns for name, columns in schema.items() if name not in planted.CONTENT}
    (tmp_path / "schema.json").write_text(json.dumps(of_users | {"item_numerical": ["price"]}))
    build_bundle(tmp_path, tmp_path / "b", config=replace(QUICK, epochs=1))
    weights = load_file(tmp_path / "b" / "model" / "weights.safetensors")
    assert all(
        np.isfinite(values).all() for values in weights.values()
    )  # the exported tower answers otherwise with inf


def test_placing_needs_neither_torch_nor_scipy(bundle):
    code = (
        "import sys; from recommender.engine import StandaloneRecommender\n"
        f"r = StandaloneRecommender.from_bundle({str(bundle)!r})\n"
        "r.predict_rating('u1', {'name': 'red table', 'tags': ['A'], 'price': 3}); r.similar({'name': 'toy train'})\n"
        "assert not {'torch', 'django', 'scipy', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_content_that_tells_nothing_moves_nothing_and_one_that_tells_all_is_believed():
    rng = np.random.default_rng(0)
    content, buyers = rng.normal(size=(400, 6)).astype(np.float32), rng.integers(1, 50, 400)
    regression = ContentRegression(content, buyers)
    assert not regression(rng.normal(size=(400, 3))).any()
    planted_map = rng.normal(size=(6, 3))
    learned = regression(content @ planted_map + 0.1 * rng.normal(size=(400, 3)))
    np.testing.assert_allclose(learned, planted_map, atol=0.05)
