"""The site with a Milvus server (Milvus Lite, in a file) in place of its own search: the same lists, by one setting."""

import sys

import pytest
from django.utils import timezone

from catalog.models import Product
from recommender.registry.vector_index import send_vectors
from recommender.serving import live as serving
from recommender.serving import recommend
from tests.engine.bundle.test_milvus import milvus
from tests.recommender.lists import similar
from tests.recommender.serving.test_recommendations import keys

ASKED = [
    {"customer": "C2"},
    {"customer": "C0", "count": 30, "exclude_purchased": False},
    {"profile": {"Gender": "F"}, "filter": {"category": ["Books", "Running"]}},
    {"session_items": ["P3", "P7"], "exclude": ["P11"], "diversity": 0.5},
]


@pytest.fixture
def by_milvus(trained, settings, tmp_path, monkeypatch):
    settings.RECOMMENDER_RETRIEVAL_ADDRESS = str(tmp_path / "items.db")
    monkeypatch.setattr(milvus, "FEW", 0)
    serving.forget_live_state()
    assert isinstance(serving.live_catalog().placed.index, milvus.MilvusIndex)


def answers() -> list:
    serving.forget_live_state()
    lists = [recommend(**asked) for asked in ASKED] + [similar("P1", 5), similar("P1", 5, filter={"brand": [""]})]
    assert {answer.source for answer in lists} == {"two_tower"}
    return [[(item.item, round(item.score, 4), item.reasons) for item in answer.items] for answer in lists]


def test_one_setting_changes_where_items_are_searched_and_no_list(by_milvus, settings):
    remote = answers()
    settings.RECOMMENDER_RETRIEVAL_ADDRESS = ""
    assert remote == answers()


def test_new_and_withdrawn_products_are_known_at_once(by_milvus):
    Product.objects.create(key="new", name="Kitchen thing", category="Kitchen")
    assert "new" in keys(recommend(customer="C2", count=48))
    first = keys(recommend(customer="C2"))[0]
    Product.objects.filter(key=first).update(active=False, updated=timezone.now())
    assert first not in keys(recommend(customer="C2", count=48))


def test_a_server_that_stops_answering_costs_popular_lists(by_milvus, monkeypatch, caplog):
    assert recommend(customer="C2").source == "two_tower"

    def gone(*args, **options):
        raise milvus.MilvusException(message="gone")

    monkeypatch.setattr(milvus.MilvusClient, "search", gone)
    for answer in (recommend(customer="C2"), similar("P1")):
        assert (answer.source, answer.fallback_reason) == ("popular", "model_failed")
    assert "Milvus does not answer as it should: gone" in caplog.text


def test_a_model_whose_items_cannot_be_sent_leaves_the_old_one_serving(by_milvus, promote, monkeypatch):
    assert recommend(customer="C2").model_version == "v1"

    def gone(*args, **options):
        raise milvus.MilvusException(message="gone")

    monkeypatch.setattr(milvus.MilvusClient, "list_collections", gone)
    promote("v2")
    assert recommend(customer="C2").model_version == "v1"
    assert "v2 does not open: Milvus does not answer as it should: gone" in serving.serving_problem()


def test_a_training_run_sends_the_items_before_anybody_serves_them(trained, bundle, settings, tmp_path, monkeypatch):
    settings.RECOMMENDER_RETRIEVAL_ADDRESS = str(tmp_path / "items.db")
    assert send_vectors(bundle) == "The retrieval server has the items."
    filled = milvus._finished(milvus._client(settings.RECOMMENDER_RETRIEVAL_ADDRESS))
    monkeypatch.setattr(milvus, "_fill", lambda *args: pytest.fail("filled twice"))
    serving.forget_live_state()
    assert recommend(customer="C2").source == "two_tower"
    assert len(filled) == 1
    settings.RECOMMENDER_RETRIEVAL_ADDRESS = "http://127.0.0.1:1"
    monkeypatch.setattr(milvus, "TIMEOUT", 1.0)
    assert "The items are sent when this version is served." in send_vectors(bundle)
    settings.RECOMMENDER_RETRIEVAL_ADDRESS = ""
    assert send_vectors(bundle) == "Every process searches the items itself."


def test_a_missing_client_is_said_in_a_sentence(trained, settings, monkeypatch):
    settings.RECOMMENDER_RETRIEVAL_ADDRESS = "http://milvus:19530"
    monkeypatch.setitem(sys.modules, "recommender.engine.bundle.milvus", None)
    serving.forget_live_state()
    assert recommend(customer="C2").source == "popular"
    assert "pip install 'django-two-towers[milvus]'" in serving.serving_problem()
