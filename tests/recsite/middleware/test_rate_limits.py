"""One address asks for so many pages, and one search for so many words."""

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from catalog.models import Product
from tests.problems import problem

pytestmark = pytest.mark.django_db
LONG = ["w " * 2_000, "a b c d e f g h i j k l m", "x" * 201]


@pytest.fixture
def lamp():
    return Product.objects.create(key="lamp", name="A very red lamp")


@pytest.mark.parametrize("words", LONG)
def test_a_search_of_too_many_words_is_told_so_and_asks_the_database_for_none(client, lamp, words):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = client.get("/products/", {"q": words})
    assert page.status_code == 200
    assert "A search has at most" in page.content.decode()
    assert not [one for one in queries if "LIKE" in one["sql"]]
    response = APIClient().get("/api/v1/products/", {"q": words})
    assert "A search has at most" in problem(response, 400)["detail"]


def test_a_search_of_a_few_words_finds(client, lamp):
    assert "A very red lamp" in client.get("/products/", {"q": "very red lamp"}).content.decode()


@pytest.mark.parametrize("words", LONG)
@pytest.mark.parametrize("address", ["catalog/product", "customers/customer", "auth/user", "recommender/event"])
def test_the_admin_searches_for_a_few_words_as_well(admin_client, words, address):
    response = admin_client.get(f"/admin/{address}/", {"q": words})
    assert (response.status_code, b"at most" in response.content) == (400, True)
    assert admin_client.get(f"/admin/{address}/", {"q": "a few words"}).status_code == 200


def test_a_field_that_completes_what_is_typed_does_as_well(admin_client):
    asked = {"app_label": "customers", "model_name": "purchase", "field_name": "customer", "term": LONG[0]}
    assert admin_client.get("/admin/autocomplete/", asked).status_code == 400


def test_pages_are_limited_by_address(client, lamp, settings, monkeypatch):
    monkeypatch.setattr("recommender.api.throttles.WindowThrottle.timer", lambda self: 1_000_000.0)
    settings.RECOMMENDER_THROTTLES = {"page": "3/min"}
    cache.clear()
    client.force_login(User.objects.create_user("ada"))
    seen = [client.get("/products/", {"q": f"lamp {n}"}).status_code for n in range(5)]
    assert seen == [200, 200, 200, 429, 429]
    response = client.get("/")
    assert 0 < int(response["Retry-After"]) <= 60
    assert "Too many pages from your address" in response.content.decode()
    assert 'href="/">Go home' in response.content.decode()
    assert client.get("/health/live").status_code == 200
    assert client.get("/", REMOTE_ADDR="10.0.0.9").status_code == 200, "another address"


@pytest.mark.parametrize(
    ("first", "again", "another"),
    [
        ("6.6.6.6", "6.6.6.6", "1.2.3.4"),
        ("6.6.6.6:50001", "6.6.6.6:50002", "1.2.3.4:50001"),
        ("[2001:db8::1]:50001", "[2001:db8::2]:50002", "[2001:db8:0:1::1]:50001"),
        ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1"),
        ("::ffff:6.6.6.6", "6.6.6.6", "::ffff:1.2.3.4"),
    ],
    ids=["the address", "a port", "a port of IPv6", "one subscriber's addresses", "IPv4 in IPv6"],
)
def test_a_reader_behind_a_proxy_is_one_reader_however_they_change(
    client, lamp, settings, monkeypatch, first, again, another
):
    settings.RECOMMENDER_TRUSTED_PROXIES = 1
    monkeypatch.setattr("recommender.api.throttles.WindowThrottle.timer", lambda self: 1_000_000.0)
    settings.RECOMMENDER_THROTTLES = {"page": "1/min", "visitor": "1/min"}
    cache.clear()
    for page in ("/", "/api/v1/recommendations/popular/"):
        asking = [{"X-Forwarded-For": f"9.9.9.9, {who}"} for who in (first, again, another)]
        assert [client.get(page, headers=headers).status_code for headers in asking] == [200, 429, 200], page
