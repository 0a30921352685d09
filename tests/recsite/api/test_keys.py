"""Service accounts and their keys: made in the admin, shown once, rotated, revoked; and the tokens of people."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from customers.models import Customer
from recsite.api import keys
from recsite.models import ApiKey, ServiceAccount
from tests.problems import fields, problem

pytestmark = pytest.mark.django_db
ACCOUNTS, CUSTOMERS, TOKENS = "/admin/recsite/serviceaccount/", "/api/v1/customers/", "/api/v1/tokens/"


def right(codename: str) -> Permission:
    return Permission.objects.get(codename=codename)


@pytest.fixture
def root():
    return User.objects.create_superuser("root")


@pytest.fixture
def admin(client, root):
    client.force_login(root)
    return client


@pytest.fixture
def till(root):
    return keys.create_account(name="till", purpose="Leeds", given=[right("view_customer")], by=root)


def status_with(text: str) -> int:
    return APIClient(headers={"authorization": f"Token {text}"}).get(CUSTOMERS).status_code


def the_key(response) -> str:
    """The text of the key that a page of the admin shows."""
    return re.search(r'id="key"[^>]*value="(\w{64})"', response.content.decode())[1]


# --- in the admin -----------------------------------------------------------------------------------------------------


def test_an_account_is_made_given_rights_and_a_key_that_is_shown_once(admin):
    told = {"name": "till", "purpose": "Leeds", "active": "on", "rights": [right("view_customer").pk]}
    assert admin.post(f"{ACCOUNTS}add/", told).status_code == 302
    account = ServiceAccount.objects.get()
    assert (account.user.has_usable_password(), account.user.is_staff) == (False, False)
    assert account.created_by.username == "root"
    shown = admin.post(f"{ACCOUNTS}{account.pk}/new-key/", {"name": "Leeds 1", "lifetime": "90"})
    text = the_key(shown)
    assert "no-store" in shown["Cache-Control"]
    assert status_with(text) == 200
    page = admin.get(f"{ACCOUNTS}{account.pk}/change/").content.decode()
    assert "Leeds 1" in page
    assert text not in page
    key = ApiKey.objects.get()
    assert timedelta(days=89) < key.expires - timezone.now() <= timedelta(days=90)
    history = [str(entry.get_change_message()) for entry in LogEntry.objects.all()]
    assert f"Made the key 'Leeds 1' ({key.start}...)." in history
    assert not any(text in words for words in history)


def test_a_key_opens_what_its_account_may_and_nothing_else(admin, till):
    text = the_key(admin.post(f"{ACCOUNTS}{till.pk}/new-key/", {"name": "a", "lifetime": ""}))
    with_key = APIClient(headers={"authorization": f"Token {text}"})
    assert with_key.get(CUSTOMERS).status_code == 200
    assert with_key.post(CUSTOMERS, {"key": "eve"}).status_code == 403
    assert with_key.get("/api/v1/purchases/").status_code == 403
    assert with_key.get("/api/v1/runs/").status_code == 403
    assert with_key.get("/metrics").status_code == 403
    assert with_key.get("/admin/", follow=False).status_code == 302
    told = {"purpose": "Leeds", "active": "on", "rights": [right("add_customer").pk]}
    assert admin.post(f"{ACCOUNTS}{till.pk}/change/", told).status_code == 302
    assert with_key.get(CUSTOMERS).status_code == 403
    assert with_key.post(CUSTOMERS, {"key": "eve"}).status_code == 201


def test_a_monitoring_systems_key_reads_the_metrics_and_no_runs(root):
    account = keys.create_account(name="prometheus", purpose="x", given=[right("view_trainingrun")], by=root)
    _, text = keys.make_key(account=account, name="a", lifetime=None, by=root)
    scraper = APIClient(headers={"authorization": f"Token {text}"})
    assert scraper.get("/metrics").status_code == 200
    assert scraper.get("/api/v1/runs/").status_code == 403


def test_a_rotated_key_works_on_as_long_as_was_said(admin, root, till):
    key, old = keys.make_key(account=till, name="a", lifetime=timedelta(days=30), by=root)
    new = the_key(admin.post(reverse("admin:recsite_apikey_rotate", args=[key.pk]), {"overlap": "24"}))
    assert (status_with(old), status_with(new)) == (200, 200)
    key.refresh_from_db()
    assert key.expires - timezone.now() <= timedelta(hours=24)
    assert key.token.expiry == key.expires
    second = ApiKey.objects.first()
    assert (second.name, round((second.expires - second.created) / timedelta(days=1))) == ("a", 30)
    third = the_key(admin.post(reverse("admin:recsite_apikey_rotate", args=[second.pk]), {"overlap": "0"}))
    assert (status_with(new), status_with(third)) == (401, 200)


def test_a_key_that_is_rotated_lives_no_longer_than_it_would_have(admin, root, till):
    key, old = keys.make_key(account=till, name="a", lifetime=timedelta(hours=2), by=root)
    ends = key.expires
    the_key(admin.post(reverse("admin:recsite_apikey_rotate", args=[key.pk]), {"overlap": "168"}))
    key.refresh_from_db()
    assert (key.expires, key.token.expiry) == (ends, ends)
    assert status_with(old) == 200


def test_a_revoked_key_is_turned_away_and_stays_on_record(admin, root, till):
    key, text = keys.make_key(account=till, name="a", lifetime=None, by=root)
    address = reverse("admin:recsite_apikey_revoke", args=[key.pk])
    assert admin.get(address).status_code == 200
    assert status_with(text) == 200
    assert admin.post(address).status_code == 302
    assert status_with(text) == 401
    key.refresh_from_db()
    assert (key.state, key.revoked_by.username) == ("revoked", "root")
    assert b"is revoked already" in admin.post(address).content
    assert "Revoked the key 'a'" in LogEntry.objects.first().get_change_message()


def test_an_expired_key_is_turned_away_and_said_to_be(root, till):
    key, text = keys.make_key(account=till, name="a", lifetime=timedelta(days=1), by=root)
    ApiKey.objects.update(expires=timezone.now() - timedelta(seconds=1))
    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert status_with(text) == 401
    key.refresh_from_db()
    assert (key.state, key.token) == ("expired", None)


def test_an_account_that_is_switched_off_is_turned_away_with_all_its_keys(admin, root, till):
    _, text = keys.make_key(account=till, name="a", lifetime=None, by=root)
    admin.post(f"{ACCOUNTS}{till.pk}/change/", {"purpose": "x", "rights": [right("view_customer").pk]})
    assert status_with(text) == 401
    refused = admin.post(f"{ACCOUNTS}{till.pk}/new-key/", {"name": "b", "lifetime": ""})
    assert "till is switched off" in refused.content.decode()
    assert admin.post(f"{ACCOUNTS}{till.pk}/delete/").status_code == 403


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"name": "root"}, "There is a user named root already."),
        ({"name": "two words"}, "Enter a valid username"),
        ({"name": ""}, "This field is required."),
        ({"purpose": ""}, "This field is required."),
        ({"rights": ["start_training"]}, "is not one of the available choices"),
        ({"rights": ["view_customer", "change_user"]}, "is not one of the available choices"),
    ],
)
def test_a_mistake_in_the_form_is_told_and_makes_nothing(admin, told, words):
    form = {"name": "till", "purpose": "x", **told}
    response = admin.post(f"{ACCOUNTS}add/", form | {"rights": [right(name).pk for name in told.get("rights", ())]})
    assert words in response.content.decode()
    assert not ServiceAccount.objects.exists()


def test_a_second_key_of_the_same_name_is_refused(admin, root, till):
    keys.make_key(account=till, name="a", lifetime=None, by=root)
    again = admin.post(f"{ACCOUNTS}{till.pk}/new-key/", {"name": "a", "lifetime": ""})
    assert "Rotate it, or give this one another name." in again.content.decode()
    assert ApiKey.objects.count() == 1


def test_nobody_gives_a_right_or_makes_a_key_beyond_their_own(client, root, till):
    clerk = User.objects.create_user("clerk", is_staff=True)
    of_accounts = Permission.objects.filter(content_type__app_label="recsite")
    clerk.user_permissions.set([*of_accounts, right("view_product")])
    client.force_login(clerk)
    told = {"name": "crm", "purpose": "x", "active": "on", "rights": [right("view_customer").pk]}
    assert "what you may not do yourself" in client.post(f"{ACCOUNTS}add/", told).content.decode()
    assert client.post(f"{ACCOUNTS}add/", {**told, "rights": [right("view_product").pk]}).status_code == 302
    refused = client.post(f"{ACCOUNTS}{till.pk}/new-key/", {"name": "a", "lifetime": ""}).content.decode()
    assert "opens what you may not open yourself: customers.view_customer" in refused
    assert not ApiKey.objects.exists()
    assert (
        client.post(f"{ACCOUNTS}{till.pk}/change/", {"purpose": "y", "active": "on", "rights": []}).status_code == 200
    )
    with pytest.raises(keys.KeyRefused):
        keys.set_rights(account=till, given=[], by=clerk)


def test_who_may_only_look_at_accounts_touches_no_key(client, root, till):
    key, _ = keys.make_key(account=till, name="a", lifetime=None, by=root)
    viewer = User.objects.create_user("vera", is_staff=True)
    viewer.user_permissions.add(right("view_serviceaccount"))
    client.force_login(viewer)
    page = client.get(f"{ACCOUNTS}{till.pk}/change/")
    assert page.status_code == 200
    assert b"Rotate" not in page.content
    for address in ("admin:recsite_apikey_rotate", "admin:recsite_apikey_revoke"):
        assert client.post(reverse(address, args=[key.pk])).status_code == 403
    assert client.post(f"{ACCOUNTS}{till.pk}/new-key/", {"name": "b", "lifetime": ""}).status_code in (302, 403)
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("granted", "rotates", "revokes", "keys_then"),
    [
        (["view_apikey"], 403, 403, 1),
        (["add_apikey"], 403, 403, 2),
        (["change_apikey"], 200, 403, 1),
        (["delete_apikey"], 403, 200, 1),
    ],
)
def test_each_right_over_keys_opens_what_it_says(client, root, till, granted, rotates, revokes, keys_then):
    key, _ = keys.make_key(account=till, name="a", lifetime=None, by=root)
    clerk = User.objects.create_user("clerk", is_staff=True)
    names = ["view_serviceaccount", "view_customer", *granted]
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(clerk)
    assert client.get(reverse("admin:recsite_apikey_rotate", args=[key.pk])).status_code == rotates
    assert client.get(reverse("admin:recsite_apikey_revoke", args=[key.pk])).status_code == revokes
    client.post(f"{ACCOUNTS}{till.pk}/new-key/", {"name": "b", "lifetime": ""})
    assert till.keys.count() == keys_then


def test_every_call_that_changes_something_is_logged_with_who_made_it(root, till):
    keys.set_rights(account=till, given=[right("view_customer"), right("add_customer")], by=root)
    key, text = keys.make_key(account=till, name="a", lifetime=None, by=root)
    with_key = APIClient(headers={"authorization": f"Token {text}"})
    with capture_logs() as lines:
        with_key.post(CUSTOMERS, {"key": "eve"})
        with_key.get(CUSTOMERS)
        APIClient().post(CUSTOMERS, {"key": "adam"})
    told = [line for line in lines if line["event"] == "api_call"]
    assert [(line["user"], line["key"], line["method"], line["status"]) for line in told] == [
        (till.user_id, key.start, "POST", 201)
    ]


# --- tokens of people -------------------------------------------------------------------------------------------------


@pytest.fixture
def ada():
    user = User.objects.create_user("ada", password="a long way home")
    return Customer.objects.create(key="ada", user=user)


def test_a_customers_token_opens_what_is_theirs_and_ends_when_they_say(ada):
    signed = APIClient().post(TOKENS, {"username": "ada", "password": "a long way home"})
    assert (signed.status_code, signed["Cache-Control"]) == (201, "no-store")
    with_token = APIClient(headers={"authorization": f"Token {signed.json()['token']}"})
    assert with_token.post("/api/v1/recommendations/", {"customer": "ada"}).status_code == 200
    assert with_token.post("/api/v1/recommendations/", {"customer": "bob"}).status_code == 403
    assert with_token.get(CUSTOMERS).status_code == 403
    assert with_token.delete(f"{TOKENS}this/").status_code == 204
    assert with_token.post("/api/v1/recommendations/", {}).status_code == 401


@pytest.mark.parametrize(
    "told", [{"password": "wrong"}, {"username": "nobody"}, {"password": "a\x00"}, {"password": 7}]
)
def test_a_wrong_password_is_refused_without_saying_what_is_wrong(ada, told):
    response = APIClient().post(TOKENS, {"username": "ada", "password": "a long way home", **told})
    assert problem(response, 400)["errors"]
    assert not AuthToken.objects.exists()


def test_guessing_passwords_is_held_back(ada):
    answers = [APIClient().post(TOKENS, {"username": "ada", "password": f"guess {n}"}) for n in range(12)]
    assert "Too many failed login attempts" in problem(answers[-1], 400)["detail"]
    assert fields(answers[-1]) == [None]
    right_one = {"username": "ada", "password": "a long way home"}
    assert APIClient().post(TOKENS, right_one).status_code == 400
    cache.clear()
    assert APIClient().post(TOKENS, right_one).status_code == 201


def test_a_service_account_and_who_was_switched_off_get_no_token(ada, till):
    assert APIClient().post(TOKENS, {"username": "till", "password": "x"}).status_code == 400
    User.objects.filter(username="ada").update(is_active=False)
    assert APIClient().post(TOKENS, {"username": "ada", "password": "a long way home"}).status_code == 400
