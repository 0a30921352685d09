"""Items searched by Milvus (Milvus Lite, in a file): the answers of the exact index, up to what the graph misses."""

import os
from types import SimpleNamespace

import numpy as np
import pytest

from recommender.engine.bundle.retrieval import Index
from recommender.engine.errors import RetrievalError

try:
    import milvus_lite  # noqa: F401
    from pymilvus import MilvusException

    from recommender.engine.bundle import milvus
except ModuleNotFoundError as missing:
    if os.environ.get("CI"):  # requirements-dev.txt has them
        raise
    pytest.skip(f"{missing.name} is not installed", allow_module_level=True)

ITEMS, WIDTH, NEWER = 1_200, 16, 40


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return str(tmp_path_factory.mktemp("milvus") / "items.db")


@pytest.fixture(scope="module")
def vectors():
    """Items in forty clusters, as tastes are, with a last column that says how many buy them."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, WIDTH))
    tastes = centres[rng.integers(0, 40, ITEMS + NEWER)] + 0.4 * rng.normal(size=(ITEMS + NEWER, WIDTH))
    return np.concatenate([tastes, rng.normal(size=(ITEMS + NEWER, 1))], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def users(vectors):
    rng = np.random.default_rng(1)
    liked = vectors[rng.integers(0, ITEMS, 10), :WIDTH] + 0.3 * rng.normal(size=(10, WIDTH))
    return np.concatenate([liked, np.ones((10, 1))], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def collection(address, vectors):
    return milvus.MilvusVectors.open(address, "c0ffee", vectors[:ITEMS])


@pytest.fixture
def both(collection, vectors, monkeypatch):
    """Milvus and the exact index over the same items, the last of them newer than the collection."""
    monkeypatch.setattr(milvus, "FEW", 30)  # so that few rows are multiplied through here
    return milvus.MilvusIndex(collection, vectors), Index(vectors)


def agree(found, exact) -> float:
    """The share of the exact rows that were found; those found have the exact scores."""
    (rows, scores), (true_rows, true_scores) = found, exact
    assert rows.shape == true_rows.shape
    for mine, own, theirs, given in zip(rows, scores, true_rows, true_scores, strict=True):
        score_of = dict(zip(theirs.tolist(), given.tolist(), strict=True))
        for row, score in zip(mine.tolist(), own.tolist(), strict=True):
            assert score == pytest.approx(score_of.get(row, score), abs=1e-4)
        assert (np.diff(own[np.isfinite(own)]) <= 0).all()
    return float(np.mean([len(set(a) & set(b)) / len(set(b)) for a, b in zip(rows, true_rows, strict=True)]))


@pytest.mark.parametrize("k", [1, 10, 100])
def test_the_best_items_are_those_of_the_exact_index(both, users, k):
    remote, exact = both
    assert agree(remote.top_k(users, k), exact.top_k(users, k)) > 0.98


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02, 0.005])
def test_the_same_filters_give_the_same_answers(both, users, share):
    """Down to a filter that lets half a dozen items through, as one for a rare category would."""
    remote, exact = both
    mask = np.random.default_rng(2).random(len(exact)) < share
    found = remote.top_k(users, 20, mask=mask)
    assert agree(found, exact.top_k(users, 20, mask=mask)) > 0.98
    assert mask[found[0][found[0] >= 0]].all()


def test_a_filter_against_everybodys_taste_is_obeyed(both, users):
    """What may be listed is what the person likes least: hundreds of candidates fall through before one is allowed."""
    remote, exact = both
    for user in users[:3]:
        mask = np.zeros(len(exact), dtype=bool)
        mask[np.argsort(exact.scores(user[None])[0])[:300]] = True
        found = remote.top_k(user[None], 10, mask=mask)
        assert agree(found, exact.top_k(user[None], 10, mask=mask)) > 0.98


def test_everybodys_own_exclusions_hold(both, users):
    remote, exact = both
    bought = [exact.top_k(user[None], 60)[0][0][::2] for user in users]
    found = remote.top_k(users, 10, exclude=bought)
    assert agree(found, exact.top_k(users, 10, exclude=bought)) > 0.98
    for listed, out in zip(found[0], bought, strict=True):
        assert not set(listed) & set(out)


def test_items_newer_than_the_collection_are_all_found(both, users):
    remote, exact = both
    rows, true_rows = remote.top_k(users, 100)[0], exact.top_k(users, 100)[0]
    assert (true_rows >= ITEMS).any()
    assert (rows >= ITEMS).sum() == (true_rows >= ITEMS).sum()


@pytest.mark.parametrize("row", [0, 1_000, ITEMS + 5])
def test_what_goes_with_an_item_is_that_of_the_exact_index(both, vectors, row):
    rng = np.random.default_rng(3)
    mask, lift = rng.random(ITEMS + NEWER) < 0.5, np.where(rng.random(ITEMS + NEWER) < 0.02, 9, 0).astype(np.float32)
    (rows, found), (true_rows, true_found) = (index.nearest(vectors[row], lift, 15, mask) for index in both)
    assert mask[rows].all()
    assert len(set(rows.tolist()) & set(true_rows.tolist())) >= 14
    assert found == pytest.approx(true_found, abs=0.01)


def test_where_nothing_may_be_listed_nothing_is(both, users):
    rows, scores = both[0].top_k(users, 5, mask=np.zeros(len(both[0]), dtype=bool))
    assert (rows == -1).all()
    assert np.isneginf(scores).all()


def test_a_collection_is_filled_once_and_the_oldest_make_room(address, vectors, collection, monkeypatch):
    client = milvus._client(address)
    clock = iter(range(10))
    monkeypatch.setattr(milvus, "time", SimpleNamespace(time=lambda: 2e9 + next(clock)))
    some = vectors[:50]
    before = set(client.list_collections())
    milvus.MilvusVectors.open(address, "c0ffee", some)
    assert set(client.list_collections()) == before
    for checksum in ("a", "b", "c", "d"):
        assert len(milvus.MilvusVectors.open(address, checksum, some)) == 50
    assert list(milvus._finished(client)) == ["b", "c", "d"]
    assert len(client.list_collections()) == 3


def test_what_was_never_finished_is_not_opened(address, vectors, monkeypatch):
    client = milvus._client(address)

    def stopped_half_way(*args, **options):
        raise MilvusException(message="no room")

    monkeypatch.setattr(type(client), "insert", stopped_half_way)
    with pytest.raises(RetrievalError, match="Milvus does not answer as it should: no room"):
        milvus.MilvusVectors.open(address, "half", vectors[:50])
    assert "half" not in milvus._finished(client)


def test_a_server_that_is_not_there_is_an_error_of_ours(vectors, monkeypatch):
    monkeypatch.setattr(milvus, "TIMEOUT", 1.0)
    with pytest.raises(RetrievalError, match="Milvus does not answer"):
        milvus.MilvusVectors.open("http://127.0.0.1:1", "x", vectors[:5])
