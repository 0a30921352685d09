"""Keys as long as other projects have them, sessions that have none, and sites without users."""

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from recommender import feedback
from recommender.errors import RecommendationError
from recommender.models import Dismissal, Event, ServedList
from recommender.serving import make_list, recommend
from tests.foreign import sources
from tests.foreign.models import Article, Reader

LONG, TOO_LONG = "ä/" * 127 + "x", "k" * 300


class BySku(sources.UsersAsCustomers):
    item_key = "sku"


@pytest.fixture
def api(stocked):
    client = APIClient()
    client.force_login(get_user_model().objects.get(username="p3"))
    return client


def first() -> str:
    return str(Article.objects.order_by("pk").first().pk)


def rename(item: str, customer: str) -> None:
    Article.objects.filter(sku="A0").update(sku=item)
    Reader.objects.filter(number="R/3").update(number=customer)


def test_keys_of_255_characters_work_at_every_door(source, api, client, train):
    assert len(LONG) == 255
    rename(LONG, LONG)

    class Both(sources.OneToOne):
        item_key = "sku"

    sources.Both, Both.__module__, Both.__qualname__ = Both, sources.__name__, "Both"
    source(Both)
    train()
    answer = api.post("/api/v1/recommendations/", {"count": 24}, format="json").json()
    assert (answer["source"], answer["fallback_reason"]) == ("two_tower", None)
    assert ServedList.objects.get().customer == LONG
    for sent in ({"kind": "view"}, {"kind": "click", "recommendation_id": answer["recommendation_id"]}):
        assert api.post("/api/v1/events/", {**sent, "item": LONG}, format="json").status_code == 201
    assert api.post("/api/v1/dismissals/", {"item": LONG}, format="json").status_code == 201
    assert Dismissal.objects.get().item == Dismissal.objects.get().customer == LONG
    assert api.get(f"/api/v1/products/{LONG}/similar/").status_code == 200
    client.force_login(get_user_model().objects.get(username="p3"))
    assert client.get(f"/articles/{LONG}/").status_code == 200
    feedback.erase_personal_data(LONG)
    assert not Event.objects.exists()


def test_a_longer_key_of_an_item_is_listed_breaks_no_page_and_is_named_where_it_would_be_stored(source, api, client):
    rename(TOO_LONG, "R/3")
    source(BySku)
    assert TOO_LONG in [item.item for item in make_list("popular", count=100).items]
    assert client.get(f"/articles/{TOO_LONG}/").status_code == 200
    refused = api.post("/api/v1/events/", {"kind": "view", "item": TOO_LONG}, format="json")
    assert refused.status_code == 400
    assert "255" in str(refused.json())
    with pytest.raises(RecommendationError, match=rf"The key '{TOO_LONG}' has 300 characters, and 255 can be stored"):
        feedback.record_event(kind="view", item=TOO_LONG)
    assert client.post(f"/recommendations/{TOO_LONG}/not-interested/", {"next": "/"}).status_code == 404


def test_a_customer_with_a_longer_key_gets_lists_and_is_not_on_record(source, api, client):
    rename("A0", TOO_LONG)
    source(sources.OneToOne)
    assert recommend(customer=TOO_LONG).fallback_reason == "no_model"
    assert api.post("/api/v1/recommendations/", {}, format="json").status_code == 200
    assert not ServedList.objects.exists()
    client.force_login(get_user_model().objects.get(username="p3"))
    assert client.get(f"/articles/{first()}/").status_code == 200
    refused = api.post("/api/v1/dismissals/", {"item": first()}, format="json")
    assert refused.status_code == 400
    assert "255" in str(refused.json())


def test_a_user_with_a_long_key_may_send_events(source, api):
    source(sources.UsersAsCustomers)
    assert (
        api.post("/api/v1/events/", {"kind": "view", "item": first(), "event_id": "e"}, format="json").status_code
        == 201
    )


@pytest.mark.parametrize("engine", ["signed_cookies", "cache", "db"])
def test_a_visit_is_one_visit_wherever_sessions_are_kept(source, stocked, settings, client, engine):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    source(sources.UsersAsCustomers)
    first, second = (str(pk) for pk in Article.objects.values_list("pk", flat=True)[:2])
    assert client.get(f"/articles/{first}/").status_code == 200
    assert client.get(f"/articles/{second}/").status_code == 200
    assert len(set(Event.objects.values_list("session", flat=True))) == 1
    assert client.post(f"/recommendations/{first}/not-interested/", {"next": "/"}).status_code == 302
    user = get_user_model().objects.get(username="p3")
    user.set_password("secret")
    user.save()
    assert client.login(username="p3", password="secret")
    client.get(f"/articles/{second}/")
    assert set(Event.objects.values_list("customer", flat=True)) == {str(user.pk)}


def test_a_site_without_users_shows_lists_to_visitors(source, stocked, settings, client):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "auth" not in name]
    source(sources.UsersAsCustomers)
    assert client.get(f"/articles/{first()}/").status_code == 200
    assert client.post(f"/recommendations/{first()}/not-interested/", {"next": "/"}).status_code == 302
    assert client.get("/recommendations/not-interested/").status_code == 200
    assert client.get(f"/recommendations/{first()}/why/?source=popular").status_code == 200


def test_a_site_without_sessions_shows_lists_too(source, stocked, settings, client):
    settings.MIDDLEWARE = []
    source(sources.UsersAsCustomers)
    assert client.get(f"/articles/{first()}/").status_code == 200
    assert client.post(f"/recommendations/{first()}/not-interested/", {"next": "/"}).status_code == 404
    assert client.get("/recommendations/not-interested/").status_code == 200
