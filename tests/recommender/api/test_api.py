"""The recommender's part of the API as a caller meets it."""

import json
import re
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken
from rest_framework.test import APIClient

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.api.throttles import VisitorThrottle
from recommender.models import Event, ServedList
from tests.problems import fields, problem
from tests.shop import PRODUCTS, category_of

LISTS = "/api/v1/recommendations/"
SHAPE = {"recommendation_id", "model_version", "source", "fallback_reason", "next_page_token", "items"}


@pytest.fixture
def stranger():
    return APIClient()


@pytest.fixture
def ada(stocked):
    """Customer C0, signed in."""
    user = User.objects.create_user("ada")
    Customer.objects.filter(key="C0").update(user=user)
    client = APIClient()
    client.force_login(user)
    return client


def keys(response) -> list[str]:
    assert response.status_code == 200, response.content
    return [item["item"] for item in response.json()["items"]]


# --- lists ------------------------------------------------------------------------------------------------------------


def test_a_list_has_the_shape_of_the_contract(trained, api_key):
    body = api_key.post(LISTS, {"customer": "C2", "count": 3}).json()
    assert set(body) == SHAPE
    assert (body["source"], body["model_version"], body["fallback_reason"]) == ("two_tower", "v1", None)
    assert len(body["items"]) == 3
    for item in body["items"]:
        assert set(item) == {"item", "score", "rating", "reasons"}
        for reason in item["reasons"]:
            assert set(reason) in ({"kind", "item"}, {"kind", "field"}, {"kind", "field", "value"})


def test_a_profile_is_read_in_both_spellings(trained, stranger):
    theirs = stranger.post(LISTS, {"profile": {"Gender": "F", "Age": 30, "Country": "UK"}, "count": 6})
    ours = stranger.post(LISTS, {"profile": {"gender": "F", "age": 30, "country": "UK"}, "count": 6})
    assert keys(theirs) == keys(ours)
    assert theirs.json()["source"] == "two_tower"


def test_a_small_request_with_a_long_value_is_refused_with_a_short_sentence(stocked, stranger):
    """It took minutes of the CPU: the whole value was quoted, and matched against every template."""
    for unit in (" is ", ": ", "; it must be "):
        answer = stranger.post(LISTS, {"profile": {"gender": [unit * (16_000 // len(unit))]}}, format="json")
        assert answer.status_code == 400
        assert len(answer.content) < 1_000


def test_the_seeds_whole_profile_is_welcome(trained, stranger):
    profile = {
        "Age": 28,
        "Gender": "Female",
        "Country": "UK",
        "City": "London",
        "State": "England",
        "Income": "High",
        "Customer_Segment": "Premium",
        "Feedback": "Excellent",
        "Shipping_Method": "Express",
        "Payment_Method": "Credit Card",
        "Order_Status": "Delivered",
        "Total_Purchases": 3,
        "Amount": 300.0,
    }
    assert len(keys(stranger.post(LISTS, {"profile": profile, "count": 5}))) == 5


def test_who_is_signed_in_need_not_say_who_they_are(trained, ada, api_key):
    own = keys(ada.post(LISTS, {}))
    assert own == keys(ada.post(LISTS, {"customer": "C0"})) == keys(api_key.post(LISTS, {"customer": "C0"}))


def test_a_customer_may_ask_for_nobody_else(trained, ada, stranger, api_key):
    assert ada.post(LISTS, {"customer": "C1"}).status_code == 403
    assert ada.post(LISTS, {"customer": "nobody"}).status_code == 403
    assert stranger.post(LISTS, {"customer": "C1"}).status_code == 401
    unknown = api_key.post(LISTS, {"customer": "nobody"}).json()
    assert (unknown["source"], unknown["fallback_reason"]) == ("popular", "unknown_customer")


def test_a_key_that_is_a_number_is_read_as_its_text(trained, api_key):
    Customer.objects.create(key="12345", gender="F")
    for key in (12345, 12345.0):
        assert api_key.post(LISTS, {"customer": key}, format="json").json()["source"] == "two_tower"


def test_a_value_to_filter_by_that_is_a_number_is_read_as_its_text(trained, stranger):
    Product.objects.filter(key="P1").update(brand="1234567")
    for value in ("1234567", 1234567, 1234567.0):
        answer = stranger.post(LISTS, {"filter": {"brand": [value]}}, format="json").json()
        assert [item["item"] for item in answer["items"]] == ["P1"]


def test_a_visitor_gets_a_list_and_then_one_from_what_they_viewed(trained, stranger):
    assert stranger.post(LISTS, {"count": 3}).json()["fallback_reason"] == "anonymous"
    for key in ("P3", "P7", "P11"):
        assert stranger.post("/api/v1/events/", {"kind": "view", "item": key}).status_code == 201
    after = stranger.post(LISTS, {"count": 6})
    assert after.json()["source"] == "two_tower"
    assert [category_of(key) for key in keys(after)].count("Garden") >= 5


def test_pages_go_on_where_the_last_one_ended(trained, api_key):
    first = api_key.post(LISTS, {"customer": "C0", "count": 30})
    second = api_key.post(LISTS, {"customer": "C0", "count": 30, "page_token": first.json()["next_page_token"]})
    assert len({*keys(first), *keys(second)}) == 40
    assert second.json()["next_page_token"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"count": -1}, "count"),
        ({"count": "many"}, "count"),
        ({"count": 1000}, "count"),
        ({"count": None}, "count"),
        ({"count": 3, "filter": 7}, "filter"),
        ({"filter": {"category": "Books"}}, "filter.category"),
        ({"filter": {"colour": ["red"]}}, "filter"),
        ({"profile": {"Age": "old"}}, "profile"),
        ({"profile": {"Agee": 3}}, "profile"),
        ({"profile": "young"}, "profile"),
        ({"profile": {"Age": 1}, "customer": "C0"}, "profile"),
        ({"exclude": "P1"}, "exclude"),
        ({"exclude_purchased": "maybe"}, "exclude_purchased"),
        ({"diversity": 2}, "diversity"),
        ({"page_token": "made up"}, "page_token"),
        ({"scenario": "x" * 51}, "scenario"),
        ({"cuont": 3}, "cuont"),
        ({"\udc80": 3}, "\\udc80"),
        ({"customer": "a\x00b"}, "customer"),
        ({"customer": ["C0"]}, "customer"),
    ],
)
@pytest.mark.django_db
@pytest.mark.parametrize("world", ["stocked", "trained"])
def test_a_malformed_request_is_answered_with_the_field(request, world, stranger, body, field):
    request.getfixturevalue(world)
    response = stranger.generic("POST", LISTS, json.dumps(body).encode(), content_type="application/json")
    assert fields(response) == [field]


@pytest.mark.parametrize("body", [b"[]", b"7", b"null", b'{"count": NaN}', b"{", b"\xff"])
def test_a_body_that_is_no_object_is_refused(stocked, stranger, body):
    assert stranger.generic("POST", LISTS, body, content_type="application/json").status_code == 400


def test_who_opted_out_gets_popular_items_and_leaves_no_trace(trained, ada):
    Customer.objects.filter(key="C0").update(personalisation=False)
    body = ada.post(LISTS, {}).json()
    assert (body["source"], body["fallback_reason"]) == ("popular", "opted_out")
    event = ada.post("/api/v1/events/", {"kind": "view", "item": "P1", "recommendation_id": body["recommendation_id"]})
    assert (event.status_code, event.json()["recorded"]) == (200, False)
    assert (ServedList.objects.count(), Event.objects.count()) == (0, 0)


# --- batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_answers_each_and_failures_one_by_one(trained, api_key):
    asked = [
        {"customer": "C0", "count": 2},
        {"count": -1},
        {"profile": {"Age": "old"}},
        {"customer": "nobody"},
        {"x": 1},
    ]
    for body in (asked, {"requests": asked}):
        results = api_key.post(LISTS + "batch/", body).json()["results"]
        assert [row["row"] for row in results] == [0, 1, 2, 3, 4]
        assert len(results[0]["answer"]["items"]) == 2
        assert set(results[0]["answer"]) == SHAPE
        assert results[3]["answer"]["source"] == "popular"
        assert [[error["field"] for error in row["errors"]] for row in results] == [
            [],
            ["count"],
            ["profile"],
            [],
            ["x"],
        ]
        assert [row["answer"] is None for row in results] == [False, True, True, False, True]


def test_a_batch_of_a_thousand_takes_few_queries(trained, api_key, django_assert_max_num_queries):
    asked = [{"customer": f"C{n % 60}", "count": 1} for n in range(1000)]
    with django_assert_max_num_queries(40):
        results = api_key.post(LISTS + "batch/", asked).json()["results"]
    assert all(row["answer"]["source"] == "two_tower" for row in results)
    assert api_key.post(LISTS + "batch/", [*asked, {}]).status_code == 400


def test_a_batch_takes_an_api_key(trained, ada, stranger):
    assert stranger.post(LISTS + "batch/", []).status_code == 401
    assert ada.post(LISTS + "batch/", []).status_code == 403


@pytest.mark.parametrize("body", [{}, {"requests": 7}, [7], "x"])
def test_a_malformed_batch_is_refused(db, api_key, body):
    assert api_key.post(LISTS + "batch/", body, format="json").status_code == 400


# --- ratings ----------------------------------------------------------------------------------------------------------


def test_a_rating_is_answered_with_its_model(trained, ada, stranger, api_key):
    assert set(ada.post("/api/v1/ratings/", {"item": "P1"}).json()) == {"rating", "model_version", "fallback_reason"}
    named = api_key.post("/api/v1/ratings/", {"customer": "C0", "item": "P1"}).json()
    assert named == ada.post("/api/v1/ratings/", {"item": "P1"}).json()
    assert (named["model_version"], 0 <= named["rating"] <= 5) == ("v1", True)
    described = {"profile": {"Age": 28}, "item_features": {"products": "iPhone 14", "Product_Brand": "Apple"}}
    assert 0 <= stranger.post("/api/v1/ratings/", described).json()["rating"] <= 5


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "item"),
        ({"item": "P1", "item_features": {}}, "item"),
        ({"item": "nothing"}, "item"),
        ({"item_features": {"colour": "red"}}, "item_features"),
        ({"item": "P1", "profile": {"Age": "old"}}, "profile"),
        ({"item": "P1", "stars": 3}, "stars"),
    ],
)
def test_a_malformed_rating_request_is_answered_with_the_field(trained, stranger, body, field):
    response = stranger.post("/api/v1/ratings/", body)
    assert fields(response) == [field]


def test_ratings_of_others_are_not_for_strangers(trained, ada, stranger):
    asked = {"customer": "C1", "item": "P1"}
    assert stranger.post("/api/v1/ratings/", asked).status_code == 401
    assert ada.post("/api/v1/ratings/", asked).status_code == 403


# --- lists of an item, of a cart and of the shop ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["similar", "bought-together", "also-viewed"])
def test_an_items_lists_are_for_everybody(trained, stranger, kind):
    response = stranger.get(f"/api/v1/products/P1/{kind}/?count=3")
    assert len(keys(response)) == 3
    assert "P1" not in keys(response)
    assert stranger.get(f"/api/v1/products/nothing/{kind}/").status_code == 404
    assert fields(stranger.get(f"/api/v1/products/P1/{kind}/?count=0")) == ["count"]
    assert fields(stranger.get(f"/api/v1/products/P1/{kind}/?size=0")) == ["size"]


ADDRESSES = [
    *[f"/api/v1/products/P1/{kind}/" for kind in ("similar", "bought-together", "also-viewed")],
    *[f"/api/v1/recommendations/{kind}/" for kind in ("popular", "trending", "recently-viewed")],
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_lists_with_an_address_of_their_own_take_filters_exclusions_and_pages(trained, stranger, address):
    for p in range(30):
        stranger.post("/api/v1/events/", {"kind": "view", "item": f"P{p}"})
    kitchen = stranger.get(f"{address}?count=3&category=Kitchen")
    assert set(kitchen.json()) == SHAPE
    assert {category_of(key) for key in keys(kitchen)} == {"Kitchen"}
    two = keys(stranger.get(f"{address}?count=100&category=Kitchen&category=Books"))
    assert {category_of(key) for key in two} <= {"Kitchen", "Books"}
    left_out = keys(kitchen)[:2]
    rest = keys(stranger.get(f"{address}?category=Kitchen&exclude={left_out[0]}&exclude={left_out[1]}"))
    assert rest
    assert not set(left_out) & set(rest)
    second = stranger.get(address, {"count": 3, "category": "Kitchen", "page_token": kitchen.json()["next_page_token"]})
    assert keys(second)
    assert not set(keys(kitchen)) & set(keys(second))
    assert fields(stranger.get(f"{address}?count=many")) == ["count"]
    assert fields(stranger.get(f"{address}?colour=red")) == ["colour"]
    assert fields(stranger.get(f"{address}?page_token=x")) == ["page_token"]


def test_what_was_looked_at_is_listed_for_whoever_looked(trained, stranger, ada, api_key):
    address = "/api/v1/recommendations/recently-viewed/"
    stranger.post("/api/v1/events/", {"kind": "view", "item": "P3"})
    unbought = [f"P{p}" for p in range(1, PRODUCTS, 4)]  # of another taste than hers
    for item in unbought[:2]:
        ada.post("/api/v1/events/", {"kind": "view", "item": item})
    assert keys(stranger.get(address)) == ["P3"]
    assert keys(ada.get(address)) == unbought[1::-1]
    assert keys(api_key.get(f"{address}?customer=C0")) == unbought[1::-1]
    assert keys(api_key.get(address)) == []
    assert stranger.get(f"{address}?customer=C0").status_code == 401
    assert ada.get(f"{address}?customer=C1").status_code == 403


def test_a_view_told_a_moment_ago_changes_the_next_list(trained, api_key):
    before = keys(api_key.post(LISTS, {"customer": "C0", "count": 6}))
    for item in ("P3", "P7", "P11"):
        api_key.post("/api/v1/events/", {"kind": "view", "item": item, "customer": "C0"})
    after = api_key.post(LISTS, {"customer": "C0", "count": 6})
    assert keys(after) != before
    reasons = [reason for item in after.json()["items"] for reason in item["reasons"]]
    assert {r["item"] for r in reasons if r["kind"] == "because_you_viewed"} & {"P3", "P7", "P11"}


def test_a_key_may_hold_slashes(trained, stranger):
    Product.objects.create(key="shoes/44 wide", name="Shoes", category="Running")
    assert keys(stranger.get("/api/v1/products/shoes/44%20wide/similar/?count=3"))
    assert stranger.get("/api/v1/products/shoes/44%20wide/").json()["name"] == "Shoes"


def test_a_cart_gets_what_goes_with_it(trained, stranger, ada):
    for client in (stranger, ada):
        listed = keys(client.post("/api/v1/cart/recommendations/", {"items": ["P3", "P7", "P11"], "count": 5}))
        assert not {"P3", "P7", "P11"} & set(listed)
        assert "Garden" in {category_of(key) for key in listed}
    assert ServedList.objects.filter(scenario="cart", customer="C0").count() == 1
    asked = {"items": ["P3", "P7"], "filter": {"category": ["Books"]}, "exclude": ["P2"], "count": 12}
    books = keys(stranger.post("/api/v1/cart/recommendations/", asked))
    assert {category_of(key) for key in books} == {"Books"}
    assert len(books) == 11
    assert "P2" not in books
    assert stranger.post("/api/v1/cart/recommendations/", asked | {"customer": "C1"}).status_code == 401
    assert ada.post("/api/v1/cart/recommendations/", asked | {"customer": "C1"}).status_code == 403
    assert fields(stranger.post("/api/v1/cart/recommendations/", {"items": []})) == ["items"]
    assert fields(stranger.post("/api/v1/cart/recommendations/", {})) == ["items"]


# --- events -----------------------------------------------------------------------------------------------------------


def test_an_event_told_twice_is_stored_once_and_answered_alike(trained, ada):
    told = {"kind": "click", "item": "P1", "event_id": "e-1"}
    first, second = ada.post("/api/v1/events/", told), ada.post("/api/v1/events/", told)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json() == {"event_id": "e-1", "recorded": True}
    event = Event.objects.get()
    assert (event.kind, event.item, event.customer) == ("click", "P1", "C0")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "view"}, "kind"),
        ({"item": "P2"}, "item"),
        ({"value": 3}, "value"),
        ({"time": "2026-01-02T00:00:00Z"}, "time"),
    ],
)
def test_an_event_id_that_comes_again_with_other_content_is_told_so(trained, ada, change, field):
    first = {"kind": "click", "item": "P1", "event_id": "e-1", "time": "2026-01-01T00:00:00Z", "value": 2}
    assert ada.post("/api/v1/events/", first).status_code == 201
    assert ada.post("/api/v1/events/", first).status_code == 200
    before = Event.objects.values().get()
    body = problem(ada.post("/api/v1/events/", {**first, **change}), 409)
    assert [error["field"] for error in body["errors"]] == [field]
    assert "sent again as" in body["errors"][0]["detail"]
    assert Event.objects.values().get() == before


def test_an_event_id_is_the_senders_own(trained, ada, api_key):
    one, another = APIClient(), APIClient()
    for sender in (one, another, ada, api_key):
        assert sender.post("/api/v1/events/", {"kind": "view", "item": "P1", "event_id": "e-1"}).status_code == 201
    for sender in (one, another, ada, api_key):
        assert sender.post("/api/v1/events/", {"kind": "view", "item": "P1", "event_id": "e-1"}).status_code == 200
    assert Event.objects.count() == 4


def test_an_event_belongs_to_the_list_it_happened_in(trained, ada):
    shown = ada.post(LISTS, {"count": 2}).json()
    told = {"kind": "add_to_cart", "item": shown["items"][0]["item"], "recommendation_id": shown["recommendation_id"]}
    assert ada.post("/api/v1/events/", told).status_code == 201
    assert str(Event.objects.get().recommendation_id) == shown["recommendation_id"]
    assert ada.post("/api/v1/events/", {**told, "recommendation_id": str(uuid4())}).status_code == 201


def test_a_visitors_events_belong_to_their_session(trained, stranger):
    stranger.post("/api/v1/events/", {"kind": "view", "item": "P1"})
    stranger.post("/api/v1/events/", {"kind": "view", "item": "P2"})
    sessions = set(Event.objects.values_list("session", flat=True))
    assert len(sessions) == 1
    assert sessions != {""}


def test_an_api_key_tells_of_anyone_and_no_event_makes_a_purchase(trained, api_key):
    told = {"kind": "purchase", "item": "P1", "customer": "C0", "value": 12.5, "time": "2026-05-01T10:00:00Z"}
    before = Purchase.objects.count()
    assert api_key.post("/api/v1/events/", told).status_code == 201
    assert Purchase.objects.count() == before
    event = Event.objects.get()
    assert (event.customer, event.value, event.time.isoformat()) == ("C0", 12.5, "2026-05-01T10:00:00+00:00")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "stare"}, "kind"),
        ({"item": "nothing"}, "item"),
        ({"kind": "rating"}, "value"),
        ({"kind": "rating", "value": 6}, "value"),
        ({"value": -1}, "value"),
        ({"recommendation_id": "x"}, "recommendation_id"),
        ({"time": "yesterday"}, "time"),
        ({"event_id": "x" * 101}, "event_id"),
        ({"event_id": "\x00"}, "event_id"),
        ({"customer": "nobody"}, "customer"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_malformed_event_is_answered_with_the_field(trained, api_key, change, field):
    response = api_key.post("/api/v1/events/", {"kind": "view", "item": "P1", **change})
    assert fields(response) == [field]
    assert not Event.objects.exists()


def test_nobody_tells_of_others(trained, ada, stranger):
    told = {"kind": "view", "item": "P1", "customer": "C1"}
    assert stranger.post("/api/v1/events/", told).status_code == 401
    assert ada.post("/api/v1/events/", told).status_code == 403


# --- the whole --------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """Stands still, and is moved by hand: seconds."""
    now = {"at": 1_000_000.0}
    monkeypatch.setattr("recommender.api.throttles.WindowThrottle.timer", lambda self: now["at"])
    return now


def test_visitors_users_and_keys_are_held_back_at_their_own_rates(stocked, stranger, ada, api_key, settings, clock):
    settings.RECOMMENDER_THROTTLES = {"visitor": "3/min", "user": "2/min", "key": "4/min"}
    assert [stranger.post(LISTS, {}).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert [ada.post(LISTS, {}).status_code for _ in range(3)] == [200, 200, 429]
    assert [api_key.post(LISTS, {}).status_code for _ in range(5)] == [200] * 4 + [429]
    second = APIClient()
    token = AuthToken.objects.create(User.objects.get(username="till"))[1]
    second.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    assert second.post(LISTS, {}).status_code == 200  # each key by itself
    response = stranger.post(LISTS, {})
    assert problem(response, 429)["title"] == "Too Many Requests"
    clock["at"] += int(response["Retry-After"]) + 1
    assert stranger.post(LISTS, {}).status_code == 200


def test_rates_hold_for_every_part_of_the_api(stocked, stranger, settings, clock):
    settings.RECOMMENDER_THROTTLES = {"visitor": "2/min"}
    statuses = [
        stranger.get(f"/api/v1/{part}/").status_code for part in ("products", "recommendations/popular", "products")
    ]
    assert statuses == [200, 200, 429]


def test_no_rate_is_no_limit(stocked, stranger, settings):
    settings.RECOMMENDER_THROTTLES = {"visitor": None}
    assert stranger.post(LISTS, {}).status_code == 200
    assert VisitorThrottle().rate is None


def test_a_visitor_cannot_escape_by_making_up_addresses(stocked, stranger, settings, clock):
    settings.RECOMMENDER_THROTTLES = {"visitor": "1/min"}
    statuses = [stranger.post(LISTS, {}, headers={"x-forwarded-for": f"10.0.0.{n}"}).status_code for n in range(2)]
    assert statuses == [200, 429]


def test_health_is_told_without_signing_in(stocked, stranger, promote):
    ready = {"status": "ready", "degraded": []}
    assert stranger.get("/health/live").json() == {"status": "alive"}
    assert stranger.get("/health/ready").json() == {**ready, "model": None, "model_opens": True}
    promote("broken", broken=True)
    response = stranger.get("/health/ready")
    assert (response.status_code, response.json()["reason"]) == (503, "The promoted model does not open.")
    promote("v1")
    assert stranger.get("/health/ready").json() == {**ready, "model": "v1", "model_opens": True}
    promote("v2", broken=True)
    response = stranger.get("/health/ready")
    assert (response.status_code, response.json()) == (200, {**ready, "model": "v1", "model_opens": False})


@pytest.mark.django_db
def test_not_ready_without_a_database(stranger, monkeypatch):
    from django.db import OperationalError, connection

    def gone(*args):
        raise OperationalError("no route to host 10.1.2.3")

    monkeypatch.setattr(connection, "cursor", gone)
    response = stranger.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "reason": "The database does not answer."}


def test_the_schema_names_every_address_of_ours(stranger):
    schema = stranger.get("/api/v1/schema", headers={"accept": "application/json"})
    assert schema.status_code == 200
    paths = json.loads(schema.content)["paths"]
    for address in (
        "recommendations/",
        "recommendations/batch/",
        "ratings/",
        "products/{key}/similar/",
        "products/{key}/bought-together/",
        "products/{key}/also-viewed/",
        "recommendations/popular/",
        "recommendations/trending/",
        "recommendations/recently-viewed/",
        "cart/recommendations/",
        "events/",
    ):
        assert f"/api/v1/{address}" in paths
    docs = stranger.get("/api/v1/docs").content.decode()
    assert "/static/drf_spectacular_sidecar/" in docs
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)""", docs)
    assert loaded
    assert all(address.startswith("/") for address in loaded), "nothing from elsewhere"
