"""Who may open which address. The whole URL table is walked, so a new address fails here until somebody decides.

An address that strangers may use is named in PUBLIC with the methods they may use. Everything else must turn a
stranger away: to the sign-in page, or with 401, 403 or 405. A 404 is no refusal: things with the sample keys exist.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.contrib.admindocs.views import simplify_regex
from django.contrib.auth.models import Permission, User
from django.core.management.color import no_style
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from django.urls.resolvers import RoutePattern
from knox.models import AuthToken

from catalog.models import Product
from customers.models import Customer, Purchase

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
READ, SEND, FORM = {"GET"}, {"POST"}, {"GET", "POST", "PUT"}  # a Django FormView takes PUT for POST

PUBLIC = {
    # the shop's window
    "": READ,
    "products/": READ,
    "media/products/<path:name>": READ,
    "media/products/sizes/<path:name>/<int:width>.webp": READ,
    "products/<key:key>/": READ,
    "cart/": {"GET", "POST"},
    "cart/add/<key:key>/": SEND,
    # what this visitor does not want to be shown, and why something is
    "recommendations/not-interested/": READ,
    "recommendations/<item_key:key>/why/": READ,
    "recommendations/<item_key:key>/not-interested/": SEND,
    "recommendations/<item_key:key>/take-back/": SEND,
    "recommendations/<item_key:key>/forget/": SEND,
    # becoming somebody: allauth's pages for those who are not signed in
    "accounts/login/": FORM,
    "accounts/signup/": FORM,
    "accounts/logout/": {"GET", "POST"},
    "accounts/inactive/": READ,
    "accounts/confirm-email/": READ,
    "accounts/confirm-email/(?P<key>[-:\\w]+)/$": {"GET", "POST"},
    "accounts/password/reset/": FORM,
    "accounts/password/reset/done/": READ,
    "accounts/password/reset/key/done/": READ,
    "accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": set(METHODS),
    "accounts/login/code/confirm/": FORM,
    "accounts/2fa/webauthn/login/": FORM,  # signing in with a passkey
    "admin/login/": FORM,
    "admin/logout/": set(METHODS),
    "admin/jsi18n/": set(METHODS),
    # for supervisors and load balancers
    "health/live": READ,
    "health/ready": READ,
    # in which language the pages are read
    "language/": SEND,
    # the API
    "api/<path:address>": set(METHODS),  # leads nowhere, for everybody
    "api/v1/tokens/": SEND,
    "api/v1/schema": READ,
    "api/v1/docs": READ,
    "api/v1/recommendations/": SEND,
    "api/v1/recommendations/popular/": READ,
    "api/v1/recommendations/trending/": READ,
    "api/v1/recommendations/recently-viewed/": READ,
    "api/v1/recommendations/because-you-bought/": READ,
    "api/v1/recommendations/buy-again/": READ,
    "api/v1/ratings/": SEND,
    "api/v1/products/<item_key:key>/similar/": READ,
    "api/v1/products/<item_key:key>/bought-together/": READ,
    "api/v1/products/<item_key:key>/also-viewed/": READ,
    "api/v1/cart/recommendations/": SEND,
    "api/v1/dismissals/": {"GET", "POST"},
    "api/v1/dismissals/<item_key:key>/": {"DELETE"},
    "api/v1/events/": SEND,
    "api/v1/products/$": READ,
    "api/v1/products/(?P<key>[^\\x00]+)/$": READ,
}
OWN = {"api/v1/tokens/this/"}  # ends the token that it is sent with, and no other
# What knows no session: a name and a password come instead, a token ends itself, and nothing is there at all.
NO_SESSION = {"api/v1/tokens/", "api/v1/tokens/this/"}
LOGIN_PAGES = ("/accounts/login/", "/admin/login/")
SAMPLES = {"uuid": "00000000-0000-4000-8000-000000000001", "app_label": "catalog"}
CONVERTER = re.compile(r"<(?:(?P<converter>[^>:]+):)?(?P<name>[^>]+)>")


def sample(found: re.Match) -> str:
    return SAMPLES.get(found["converter"]) or SAMPLES.get(found["name"]) or "1"


def walk(resolver: URLResolver, route: str = "", path: str = "") -> Iterator[tuple[str, str]]:
    """Every address: its route, as Django names it, and a path with sample values that leads there."""
    for entry in resolver.url_patterns:
        written = str(entry.pattern).removeprefix("^")
        example = written if isinstance(entry.pattern, RoutePattern) else simplify_regex(written).lstrip("/")
        here = path + CONVERTER.sub(sample, example)
        if isinstance(entry, URLResolver):
            yield from walk(entry, route + written, here)
        elif isinstance(entry, URLPattern):
            yield route + written, "/" + here


ADDRESSES = dict(walk(get_resolver()))


@pytest.fixture
def bob(db):
    """Somebody with something to hide, under the key, number and id that the sample paths ask for."""
    product = Product.objects.create(pk=1, key="1", name="Lamp")
    user = User.objects.create_user("bob", email="bob@private.example", pk=1)
    customer = Customer.objects.create(pk=1, key="1", name="Bob Private", user=user)
    purchase = Purchase.objects.create(
        pk=1, customer=customer, product=product, rating=4, shipping_method="Private", order=SAMPLES["uuid"]
    )
    with connection.cursor() as cursor:  # or the first one made by a test alone would be the second number 1
        for reset in connection.ops.sequence_reset_sql(no_style(), [Product, User, Customer, Purchase]):
            cursor.execute(reset)
    return purchase


def call(client, method: str, path: str):
    return client.generic(method, path, b"{}", content_type="application/json")


def all_of(purchase: Purchase) -> tuple:
    """Every value that is stored of a purchase, of who made it and of their account."""
    rows = [
        model.objects.filter(pk=pk).values().get()
        for model, pk in ((Purchase, purchase.pk), (Customer, purchase.customer_id), (User, purchase.customer.user_id))
    ]
    return tuple(rows)


def turned_away(response) -> bool:
    if response.status_code == 302:
        return urlsplit(response.url).path in LOGIN_PAGES
    return response.status_code in (401, 403, 405)


@pytest.mark.parametrize(("route", "path"), ADDRESSES.items(), ids=ADDRESSES)
def test_a_stranger_is_turned_away_unless_the_address_is_public(client, bob, route, path):
    found = resolve(path)
    assert found.route == route, f"{path} leads to {found.route}: give SAMPLES a value that leads to {route}"
    for method in METHODS:
        response = call(client, method, path)
        if method in PUBLIC.get(route, ()):
            assert response.status_code not in (401, 403, 405), f"a stranger's {method} {path}: {response.status_code}"
        else:
            assert turned_away(response), f"a stranger's {method} {path}: {response.status_code}"
        assert b"Private" not in response.content


def test_the_public_list_names_nothing_that_is_gone():
    assert set(PUBLIC) <= set(ADDRESSES)


@pytest.mark.parametrize(("route", "path"), ADDRESSES.items(), ids=ADDRESSES)
def test_a_customer_sees_nothing_of_another(client, bob, route, path):
    ada = User.objects.create_user("ada")
    Customer.objects.create(key="ada", user=ada)
    before = all_of(bob)
    for method in METHODS:
        client.force_login(ada)
        response = call(client, method, path)
        assert b"Private" not in response.content, f"ada's {method} {path} shows Bob"
        assert b"bob@private" not in response.content
        if route.startswith("admin/") and route not in PUBLIC:
            assert turned_away(response), f"ada's {method} {path}: {response.status_code}"
        assert all_of(bob) == before, f"ada's {method} {path} changes Bob"


API = {route: path for route, path in ADDRESSES.items() if route.startswith("api/v1/")}


@pytest.mark.parametrize(("route", "path"), API.items(), ids=API)
@pytest.mark.parametrize("staff", [False, True], ids=["service account", "staff"])
def test_neither_a_key_nor_being_staff_opens_anything_without_a_right(bob, route, path, staff):
    user = User.objects.create_user("till", is_staff=staff)
    token = AuthToken.objects.create(user)[1]
    before = all_of(bob)
    for method in METHODS:
        response = call(Client(headers={"authorization": f"Token {token}"}), method, path)
        if method not in PUBLIC.get(route, ()) and route not in OWN:
            assert turned_away(response), f"{method} {path}: {response.status_code}"
        assert b"Private" not in response.content
        assert all_of(bob) == before, f"{method} {path} changes Bob"


@pytest.mark.parametrize(("route", "path"), API.items(), ids=API)
def test_no_session_writes_without_its_csrf_token(bob, route, path):
    """A superuser's session: were it not for the token, everything would be open."""
    elsewhere = Client(enforce_csrf_checks=True)
    elsewhere.force_login(User.objects.create_superuser("root"))
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        status = call(elsewhere, method, path).status_code
        open_to_all = route in NO_SESSION
        assert open_to_all or status in (403, 405), f"{method} {path} without a CSRF token: {status}"


def test_a_key_with_a_right_opens_what_it_is_for(bob):
    user = User.objects.create_user("till")
    user.user_permissions.add(Permission.objects.get(codename="view_customer"))
    with_key = Client(headers={"authorization": f"Token {AuthToken.objects.create(user)[1]}"})
    assert b"Bob Private" in call(with_key, "GET", "/api/v1/customers/1/").content
    assert turned_away(call(with_key, "PATCH", "/api/v1/customers/1/"))
    assert turned_away(call(with_key, "GET", "/api/v1/purchases/1/"))
