"""Every error of the API is a problem (RFC 9457), whatever went wrong and wherever."""

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client
from knox.models import AuthToken
from rest_framework.test import APIClient

from catalog.models import Product
from tests.problems import fields, problem

LISTS = "/api/v1/recommendations/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def stranger():
    return APIClient()


def test_a_malformed_field_is_named_with_a_word_for_programs_and_a_sentence_for_people(stranger):
    body = problem(stranger.post(LISTS, {"count": -1, "diversity": 2}), 400)
    assert body["type"] == "urn:problem-type:recsite:malformed"
    assert body["detail"] == "count: Ensure this value is greater than or equal to 1."
    assert [(error["field"], error["code"]) for error in body["errors"]] == [
        ("count", "min_value"),
        ("diversity", "max_value"),
    ]


def test_a_place_within_a_field_is_told_with_dots(stranger):
    assert fields(stranger.post(LISTS, {"exclude": ["P1", ["P2"]]})) == ["exclude.1"]
    assert fields(stranger.post(LISTS, {"filter": {"category": "Books"}})) == ["filter.category"]


def test_what_is_wrong_with_the_whole_body_is_of_no_field(stranger):
    assert fields(stranger.post(LISTS, [])) == [None]
    assert "JSON parse error" in problem(stranger.generic("POST", LISTS, b"{", "application/json"), 400)["detail"]


def test_a_search_that_is_too_long_has_a_word_for_programs_too(stranger):
    told = problem(stranger.get("/api/v1/products/", {"q": "a " * 20}), 400)
    assert [(error["field"], error["code"]) for error in told["errors"]] == [("q", "invalid")]


def test_an_address_that_leads_nowhere_is_told_as_a_problem(stranger):
    problem(stranger.get("/api/v1/nothing/"), 404)
    assert "end with a slash" in problem(stranger.delete("/api/v1/runs"), 404)["detail"]
    assert problem(stranger.get("/api/v1/products/nothing/"), 404)["title"] == "Not Found"
    assert stranger.get("/nothing/")["Content-Type"].startswith("text/html")


def test_methods_and_formats_that_there_are_not(stranger):
    assert problem(stranger.get(LISTS), 405)["detail"] == 'Method "GET" not allowed.'
    assert stranger.get(LISTS)["Allow"] == "POST, OPTIONS"
    problem(stranger.generic("POST", LISTS, b"count=1", "application/x-www-form-urlencoded"), 415)
    problem(stranger.post(LISTS, {}, headers={"accept": "text/csv"}), 406)
    problem(stranger.get("/api/v1/schema", headers={"accept": "text/csv"}), 406)


def test_a_stranger_is_told_how_to_come_in(stranger):
    response = stranger.get("/api/v1/customers/")
    assert problem(response, 401)["title"] == "Unauthorized"
    assert response["WWW-Authenticate"] == "Token"


def test_a_page_of_another_site_cannot_write_with_somebodys_session():
    Product.objects.create(key="lamp", name="Lamp")
    elsewhere = Client(enforce_csrf_checks=True)
    elsewhere.force_login(User.objects.create_superuser("root"))
    for send in (elsewhere.patch, elsewhere.put, elsewhere.delete):
        response = send("/api/v1/products/lamp/", {"name": "Mine"}, content_type="application/json")
        assert "CSRF" in problem(response, 403)["detail"]
    problem(elsewhere.post(LISTS, {}, content_type="application/json"), 403)
    assert Product.objects.get().name == "Lamp"


def test_too_many_calls_say_when_to_come_again(stranger, settings, monkeypatch):
    monkeypatch.setattr("recommender.api.throttles.WindowThrottle.timer", lambda self: 1_000_000.0)
    settings.RECOMMENDER_THROTTLES = {"visitor": "1/min"}
    stranger.post(LISTS, {})
    response = stranger.post(LISTS, {})
    assert "throttled" in problem(response, 429)["detail"]
    assert 0 < int(response["Retry-After"]) <= 60


def test_a_failure_of_the_server_is_a_problem_that_gives_nothing_away(stranger, monkeypatch):
    def broken(**asked):
        raise RuntimeError("password=1234")

    monkeypatch.setattr("recommender.api.recommendations.recommend", broken)
    stranger.raise_request_exception = False
    response = stranger.post(LISTS, {})
    assert problem(response, 500)["title"] == "Internal Server Error"
    assert b"password" not in response.content


@pytest.mark.parametrize("token", [b"\xff", b"a\x00b", b"x" * 200, b"", b"a b"])
def test_no_token_however_odd_is_a_server_error(stranger, token):
    # As a server hands it over: bytes read as Latin-1.
    response = stranger.get("/api/v1/customers/", HTTP_AUTHORIZATION="Token " + token.decode("latin-1"))
    problem(response, 401)


DEEP = [
    b"[" * 2_000,
    b"[" * 200_000,
    b'{"a":' * 2_000,
    b"[" * 100 + b"]" * 100,
    b'{"filter":' + b"[" * 40 + b"]" * 40 + b"}",
]


@pytest.mark.parametrize("address", [LISTS, "/api/v1/events/", "/api/v1/tokens/", "/api/v1/products/"])
@pytest.mark.parametrize(
    "body",
    [
        *DEEP,
        b'{"count": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        b'{"count": NaN}',
        b'{"value": Infinity}',
        b'{"value": -1e999}',
        b'{"value": 1' + b"0" * 400 + b"}",
        b'{"value": 1' + b"0" * 5_000 + b"}",
        b"",
        b"\x00",
        b'{"a" 1}',
    ],
)
def test_a_body_that_is_no_json_is_malformed_and_no_failure(stranger, address, body):
    if address == "/api/v1/products/":
        stranger.force_authenticate(User.objects.create_superuser("root"))
    if body == b"" and address == LISTS:
        return  # nothing asked: a list for whoever comes
    problem(stranger.generic("POST", address, body, "application/json"), 400)


@pytest.mark.parametrize("signed_in", [False, True])
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k-1"}])
@pytest.mark.parametrize("address", [LISTS, "/api/v1/events/", "/api/v1/products/"])
def test_a_body_that_is_too_large_is_told_so(stranger, address, headers, signed_in):
    if signed_in:
        stranger.force_login(User.objects.create_superuser("root"))
    body = json.dumps({"exclude": ["x" * 100] * 30_000})
    response = stranger.generic("POST", address, body, "application/json", headers=headers)
    assert "at most 2,621,440" in problem(response, 413)["detail"]


LARGE = b"q=" + b"x" * 3_000_000
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (400, {"HTTP_HOST": "evil.example"}),
        (400, {"method": "POST", "data": b"&".join([b"a=1"] * 5_000)}),
        (411, {"method": "POST", "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}),
        (413, {"method": "POST", "data": LARGE}),
        (413, {"method": "POST", "data": LARGE, "content_type": "multipart/form-data; boundary=x"}),
    ],
    ids=["an unknown host", "too many fields", "chunks", "too large", "a file"],
)
def test_a_request_that_cannot_be_read_gets_a_page_with_a_way_back(status, sent):
    """Of whom the site knows: then the protection from other sites' forms reads what was sent."""
    visitor = Client(enforce_csrf_checks=True, raise_request_exception=False)
    visitor.get("/accounts/login/")
    given = {"method": "GET", "data": b"", "content_type": FORM, **sent}
    response = visitor.generic(given.pop("method"), "/accounts/login/", given.pop("data"), **given)
    assert response.status_code == status
    page = response.content.decode()
    assert page.count("<h1>") == 1
    assert 'href="/">Go home' in page


def test_an_unknown_host_is_a_problem_to_a_program(stranger):
    assert problem(stranger.get("/api/v1/products/", HTTP_HOST="evil.example"), 400)["title"] == "Bad Request"


def test_a_form_of_the_admin_that_is_too_large_gets_a_page_with_a_way_back():
    root = Client(raise_request_exception=False)
    root.force_login(User.objects.create_superuser("root"))
    response = root.generic("POST", "/admin/catalog/product/add/", LARGE, FORM)
    assert (response.status_code, 'href="/">Go home' in response.content.decode()) == (413, True)


@pytest.mark.parametrize("sent", ["Bearer {}", "Basic {}", "token:{}", "{}", "Digest a=b"])
@pytest.mark.parametrize("address", [LISTS, "/api/v1/events/", "/api/v1/products/"])
def test_another_scheme_is_turned_away_and_not_taken_for_a_stranger(stranger, sent, address):
    _, text = AuthToken.objects.create(User.objects.create_superuser("root"))
    for method in ("GET", "POST"):
        response = stranger.generic(method, address, b"{}", "application/json", HTTP_AUTHORIZATION=sent.format(text))
        assert "Authorization: Token" in problem(response, 401)["detail"]
        assert response["WWW-Authenticate"] == "Token"
    assert stranger.get("/api/v1/customers/", HTTP_AUTHORIZATION=f"token {text}").status_code == 200


def test_the_rows_of_a_list_are_told_of_in_the_same_words(stranger):
    stranger.force_authenticate(User.objects.create_superuser("root"))
    body = json.loads(stranger.post("/api/v1/products/", [{"key": "a", "name": "A"}, {"price": -1}, 7]).content)
    assert body["results"][0]["errors"] == []
    told = [(row["row"], error["field"], error["code"]) for row in body["results"] for error in row["errors"]]
    assert told[:3] == [(1, "key", "required"), (1, "name", "required"), (1, "price", "min_value")]
    assert told[3] == (2, None, "invalid")
