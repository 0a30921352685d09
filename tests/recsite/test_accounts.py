"""Signing in and out: who is held back, what ends with a password, and what the admin asks of staff."""

import gc
import importlib
import threading
import time
from types import SimpleNamespace

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.signals import email_confirmed
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import hotp_value
from django.apps import apps as django_apps
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import cache, caches
from django.db import IntegrityError, connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django_redis.cache import RedisCache
from knox.models import AuthToken

from recommender.client_address import client_address
from recsite.accounts import SignUpView
from recsite.api import keys
from recsite.cache import RETRY_SECONDS, RedisOrProcessCache

pytestmark = pytest.mark.django_db
LOGIN, TOKENS, SIGN_UP = "/accounts/login/", "/api/v1/tokens/", "/accounts/signup/"
PASSWORD = "correct-horse-9"
ACCOUNT = {"username": "ada", "email": "ada@example.org", "password1": PASSWORD, "password2": PASSWORD}
TOTP = {"type": Authenticator.Type.TOTP, "data": {"secret": "JBSWY3DPEHPK3PXP"}}


@pytest.fixture
def ada():
    return User.objects.create_user("ada", "ada@example.org", PASSWORD)


def sign_in(client, password=PASSWORD, name="ada", **more):
    return client.post(LOGIN, {"login": name, "password": password}, **more)


def token(client, password=PASSWORD, name="ada"):
    return client.post(TOKENS, {"username": name, "password": password}, content_type="application/json")


# --- nothing of a request outlives it ---------------------------------------------------------------------------------


def test_no_password_is_in_memory_once_its_request_is_over(client, ada):
    for secret in ("never-keep-this-one", PASSWORD):
        token(client, "".join(list(secret)))
        sign_in(Client(), "".join(list(secret)))
        assert secret not in passwords_in_memory()


def passwords_in_memory():
    """What dictionaries hold as a password, of a form or of JSON. The garbage collector keeps no account of those that
    hold texts alone, as what is sent to sign in does: they are found in what holds them."""
    gc.collect()
    held = {
        id(each): each
        for holder in gc.get_objects()
        for each in gc.get_referents(holder)
        if issubclass(type(each), dict)
    }
    found = [dict.get(each, "password") for each in held.values()]
    return {text for each in found for text in (each if type(each) is list else [each]) if type(text) is str}


# --- who the client is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "6.6.6.6", "10.0.0.1"),  # nobody is believed
        (1, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (2, "6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4"),
        (2, "1.2.3.4", "10.0.0.1"),  # came past a proxy
        (1, "", "10.0.0.1"),
        (1, "6.6.6.6, 1.2.3.4:50123", "1.2.3.4"),
        (1, "[2001:db8::7]:50123", "2001:db8::7"),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, "unknown", "unknown"),
    ],
)
def test_the_client_is_whom_the_trusted_proxies_saw(settings, proxies, forwarded, address):
    settings.RECOMMENDER_TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)
    assert client_address(request) == address


def test_behind_a_proxy_one_who_guesses_passwords_locks_out_nobody_else(settings, ada):
    settings.RECOMMENDER_TRUSTED_PROXIES = 1
    for number in range(35):
        sign_in(Client(), "wrong", f"nobody{number}", HTTP_X_FORWARDED_FOR=f"9.9.9.{number}, 6.6.6.6")
    assert sign_in(Client(), HTTP_X_FORWARDED_FOR="9.9.9.99, 6.6.6.6").status_code != 302, "the one who guessed"
    assert sign_in(Client(), HTTP_X_FORWARDED_FOR="1.2.3.4").status_code == 302


# --- Redis is away ----------------------------------------------------------------------------------------------------


@pytest.fixture
def redis_away(monkeypatch):
    """The default cache is Redis at an address where nobody listens."""
    monkeypatch.setattr(RedisOrProcessCache, "_down_until", 0.0)
    before = caches["default"]
    caches["default"] = RedisOrProcessCache("redis://127.0.0.1:1/0", {"OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 1}})
    caches["default"].clear()
    yield
    caches["default"] = before


def test_with_redis_away_the_right_password_signs_in_and_ready_says_degraded(redis_away, client, ada):
    assert sign_in(Client()).status_code == 302
    assert token(client).status_code == 201
    assert client.post(SIGN_UP, {**ACCOUNT, "username": "eve", "email": "eve@example.org"}).status_code == 302
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["status"], ready.json()["degraded"]) == (200, "degraded", ["cache"])


def test_with_redis_away_guesses_are_still_limited(redis_away, ada):
    for _ in range(8):
        assert sign_in(Client(), "wrong").status_code != 302
    assert sign_in(Client()).status_code != 302


def test_when_redis_answers_again_it_is_used_and_ready_says_ready(redis_away, client, monkeypatch):
    clock, kept = SimpleNamespace(now=1_000.0), {}
    monkeypatch.setattr("recsite.cache.time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(RedisOrProcessCache, "_down_until", 0.0)
    caches["default"].set("key", "of the process")
    assert client.get("/health/ready").json()["status"] == "degraded"
    monkeypatch.setattr(RedisCache, "get", lambda self, key, *rest: kept.get(key))
    monkeypatch.setattr(RedisCache, "set", lambda self, key, value, *rest: kept.update({key: value}))
    assert client.get("/health/ready").json()["status"] == "degraded", "it is not asked at every request"
    clock.now += RETRY_SECONDS
    assert client.get("/health/ready").json()["status"] == "ready"
    caches["default"].set("key", "of Redis")
    assert (kept, caches["default"].get("key")) == ({"key": "of Redis"}, "of Redis")


def test_with_a_cache_that_answers_ready_says_ready(client):
    assert client.get("/health/ready").json()["status"] == "ready"


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_a_new_password_ends_every_token_by_whatever_door_it_comes(client, ada):
    AuthToken.objects.create(ada)
    sign_in(client)
    changed = {"oldpassword": PASSWORD, "password1": "other-horse-10", "password2": "other-horse-10"}
    assert client.post("/accounts/password/change/", changed).status_code == 302
    assert not AuthToken.objects.exists()
    AuthToken.objects.create(ada)
    ada.refresh_from_db()
    ada.set_password("third-horse-11")
    ada.save()
    assert not AuthToken.objects.exists()


def test_a_password_reset_ends_the_tokens_of_whoever_registered_the_address_first(client, ada):
    AuthToken.objects.create(ada)
    client.post("/accounts/password/reset/", {"email": "ada@example.org"})
    link = next(word for word in mail.outbox[0].body.split() if "/password/reset/key/" in word)
    page = client.get(link, follow=True)
    form = {"password1": "other-horse-10", "password2": "other-horse-10"}
    assert client.post(page.redirect_chain[-1][0], form).status_code == 302
    assert not AuthToken.objects.exists()


def test_a_hash_made_anew_at_sign_in_ends_no_token(client, settings, ada):
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    ]
    AuthToken.objects.create(ada)
    before = ada.password
    assert sign_in(client).status_code == 302
    ada.refresh_from_db()
    assert ada.password != before
    assert AuthToken.objects.count() == 1


def test_an_address_that_is_confirmed_ends_the_tokens_made_before(rf, ada):
    AuthToken.objects.create(ada)
    address = EmailAddress.objects.create(user=ada, email=ada.email)
    email_confirmed.send(sender=EmailAddress, request=rf.get("/"), email_address=address)
    assert not AuthToken.objects.exists()


def test_where_addresses_have_to_be_confirmed_there_is_no_token_before(settings, client, ada):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    assert token(client).status_code == 400
    address = EmailAddress.objects.create(user=ada, email=ada.email, primary=True)
    assert token(client).status_code == 400
    address.verified = True
    address.save()
    assert token(client).status_code == 201


def test_a_person_sees_their_tokens_and_ends_one_or_all(client, ada):
    eve = User.objects.create_user("eve")
    mine, other, hers = (AuthToken.objects.create(user) for user in (ada, ada, eve))
    client.force_login(ada)
    account = client.get(reverse("account")).content.decode()
    for page in ("account-tokens", "mfa_index", "account_change_password", "account_email"):
        assert f'href="{reverse(page)}"' in account
    page = client.get(reverse("account-tokens")).content.decode()
    assert f"<code>{mine[0].token_key[:6]}…</code>" in page
    assert mine[1] not in page
    assert hers[0].token_key[:6] not in page
    client.post(reverse("account-revoke"), {"token": hers[0].digest})
    client.post(reverse("account-revoke"), {"token": mine[0].digest})
    assert set(AuthToken.objects.all()) == {other[0], hers[0]}
    client.post(reverse("account-revoke"))
    assert set(AuthToken.objects.all()) == {hers[0]}
    assert "No program is signed in" in client.get(reverse("account-tokens")).content.decode()


# --- one account an address -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [ACCOUNT, {**ACCOUNT, "username": "ada2"}, {**ACCOUNT, "username": "ada2", "email": "ADA@example.org"}],
    ids=["the same form", "another name", "another spelling"],
)
def test_sign_ups_sent_at_once_make_one_account_and_no_error(client, monkeypatch, other):
    """The second form is found valid before the first is saved."""
    first, valid = Client(), SignUpView.form_valid

    def the_other_comes_first(view, form):
        monkeypatch.setattr(SignUpView, "form_valid", valid)
        assert first.post(SIGN_UP, other).status_code == 302
        return valid(view, form)

    monkeypatch.setattr(SignUpView, "form_valid", the_other_comes_first)
    answer = client.post(SIGN_UP, ACCOUNT)
    assert answer.status_code == 200
    assert "was made a moment ago" in answer.content.decode()
    assert User.objects.count() == 1
    assert "_auth_user_id" not in client.session, "whoever comes second is signed in to nothing"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time")
def test_threads_that_sign_up_at_once_make_one_account():
    answers = []

    def sign_up(number):
        answers.append(Client().post(SIGN_UP, {**ACCOUNT, "username": f"ada{number}"}).status_code)
        connection.close()

    threads = [threading.Thread(target=sign_up, args=[number]) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert User.objects.filter(email__iexact=ACCOUNT["email"]).count() == 1
    assert max(answers) < 500


def test_of_users_who_shared_an_address_before_the_first_keeps_it(ada):
    migration = importlib.import_module("recsite.migrations.0002_one_account_an_address")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {migration.INDEX}")
    names = [
        ("eve", "ADA@Example.org"),
        ("bob", "bob@example.org"),
        ("cal", ""),
        ("dan", ""),
        ("fay", "ada@example.org"),
    ]
    for name, address in names:
        User.objects.create_user(name, address)
    migration.keep_the_first(django_apps, None)
    assert dict(User.objects.exclude(email="").values_list("username", "email")) == {
        "ada": "ada@example.org",
        "bob": "bob@example.org",
    }


def test_an_address_of_another_account_is_refused_on_every_page_and_breaks_none(client, ada):
    eve = User.objects.create_user("eve", "eve@example.org", PASSWORD)
    sign_in(client, name="eve")
    mine = EmailAddress.objects.create(user=eve, email="ada@example.org")
    page = client.post("/accounts/email/", {"action_primary": "", "email": mine.email}, follow=True)
    assert (page.status_code, "Another account has this address" in page.content.decode()) == (200, True)
    EmailAddress.objects.filter(user=eve).exclude(pk=mine.pk).delete()
    page = client.post(f"/accounts/confirm-email/{EmailConfirmationHMAC(mine).key}/", follow=True)
    assert (page.status_code, "Another account has this address" in page.content.decode()) == (200, True)
    client.force_login(User.objects.create_superuser("root"))
    form = {"username": "eve", "email": "ADA@Example.org", "date_joined_0": "2026-01-01", "date_joined_1": "10:00:00"}
    page = client.post(f"/admin/auth/user/{eve.pk}/change/", form)
    assert "Another user has this address." in page.content.decode()
    eve.refresh_from_db()
    assert eve.email == "eve@example.org"


def test_a_link_in_an_email_confirms_the_address(client, ada):
    address = EmailAddress.objects.create(user=ada, email=ada.email)
    assert client.post(f"/accounts/confirm-email/{EmailConfirmationHMAC(address).key}/").status_code == 302
    address.refresh_from_db()
    assert address.verified


def test_emails_are_from_the_shop_by_its_name(client, ada, settings):
    settings.SITE_NAME, settings.ACCOUNT_EMAIL_SUBJECT_PREFIX = "Lamps & Co", "[Lamps & Co] "
    client.post("/accounts/password/reset/", {"email": "ada@example.org"})
    assert "Hello from Lamps & Co!" in mail.outbox[0].body
    assert mail.outbox[0].subject.startswith("[Lamps & Co] ")


def test_the_database_itself_allows_an_address_once(ada):
    with pytest.raises(IntegrityError):
        User.objects.create_user("eve", "ADA@Example.org")


# --- staff ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def root():
    return User.objects.create_superuser("root", "root@example.org", PASSWORD)


def test_the_admin_signs_in_by_the_door_of_everybody_and_guesses_are_limited(client, root):
    answer = client.get(reverse("admin:index"), follow=True)
    assert answer.redirect_chain[-1][0].startswith(LOGIN)
    for _ in range(7):
        assert sign_in(Client(), "wrong", "root").status_code != 302
    assert sign_in(Client(), name="root").status_code != 302
    cache.clear()
    assert sign_in(client, name="root").status_code == 302
    assert client.get(reverse("admin:index")).status_code == 200


def test_a_customer_is_not_let_into_the_admin(client, ada):
    client.force_login(ada)
    assert client.get(reverse("admin:index"), follow=True).status_code == 403


def test_staff_who_need_a_second_factor_set_it_up_first(settings, client, root):
    settings.STAFF_MFA_REQUIRED = True
    client.force_login(root)
    for page in ("/admin/", "/admin/recommender/modelversion/", "/admin/auth/user/"):
        assert client.get(page).url == reverse("mfa_index")
    assert client.get("/api/v1/runs/").status_code == 403
    assert "takes a second factor" in client.get(reverse("mfa_index")).content.decode()
    assert token(client, name="root").status_code == 400


@pytest.fixture(autouse=True)
def _codes_hold_on_a_little(settings):
    settings.MFA_TOTP_TOLERANCE = 1  # or a test would fail where half a minute ends in its middle


def set_up_authenticator_app(client):
    """As a person does on the page; the secret."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.get("/accounts/2fa/totp/activate/")
    secret = client.session["mfa.totp.secret"]
    assert client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)}).status_code == 302
    return secret


def code_of(secret):
    return f"{hotp_value(secret, int(time.time()) // 30):06d}"


@pytest.mark.django_db(transaction=True)
def test_staff_who_set_up_a_second_factor_go_on_to_work_and_no_older_session_does(settings, client, root):
    """Somebody who knows the password is signed in already when the factor comes."""
    settings.STAFF_MFA_REQUIRED = True
    thief = Client()
    sign_in(thief, name="root")
    sign_in(client, name="root")
    secret = set_up_authenticator_app(client)
    assert client.get("/admin/").status_code == 200
    assert client.get("/api/v1/runs/").status_code == 200
    sent_to = thief.get("/admin/auth/user/")
    assert sent_to.url == "/accounts/reauthenticate/?next=%2Fadmin%2Fauth%2Fuser%2F"
    assert thief.get("/api/v1/runs/").status_code == 403
    asked = thief.get(sent_to.url, follow=True)
    assert asked.redirect_chain[-1][0].startswith("/accounts/2fa/reauthenticate/")
    assert "takes your second factor" in asked.content.decode()
    assert thief.post(asked.redirect_chain[-1][0], {"code": "000000"}).status_code == 200
    assert thief.get("/admin/").status_code == 302
    cache.clear()  # of the codes that were used: the next one is half a minute away
    assert thief.post(asked.redirect_chain[-1][0], {"code": code_of(secret)}).url == "/admin/auth/user/"
    assert thief.get("/admin/auth/user/").status_code == 200


def test_a_password_alone_takes_no_second_factor_away_and_adds_none(client, root):
    thief = Client()
    sign_in(thief, name="root")
    Authenticator.objects.create(user=root, **TOTP)
    for page in (
        "/accounts/2fa/totp/deactivate/",
        "/accounts/2fa/webauthn/add/",
        "/accounts/2fa/recovery-codes/generate/",
    ):
        thief.post("/accounts/reauthenticate/", {"password": PASSWORD})
        asked = thief.post(page, follow=True)
        assert asked.redirect_chain[-1][0].startswith("/accounts/2fa/reauthenticate/"), page
    assert Authenticator.objects.filter(user=root).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_second_factor_ends_the_tokens_that_a_password_has_made(client, ada):
    AuthToken.objects.create(ada)
    sign_in(client)
    set_up_authenticator_app(client)
    assert not AuthToken.objects.exists()


def test_a_token_of_before_opens_nothing_to_whoever_works_here_now(settings, client, ada):
    settings.STAFF_MFA_REQUIRED = True
    headers = {"authorization": f"Token {AuthToken.objects.create(ada)[1]}"}
    assert client.get("/api/v1/customers/", headers=headers).status_code == 403
    ada.is_staff = ada.is_superuser = True
    ada.save()
    for page in ("/api/v1/customers/", "/api/v1/runs/", "/metrics"):
        assert client.get(page, headers=headers).status_code == 401, page


def test_the_key_of_a_program_needs_no_second_factor(settings, client, root):
    settings.STAFF_MFA_REQUIRED = True
    account = keys.create_account(name="ci", purpose="trains", given=[], by=root)
    text = keys.make_key(account=account, name="a", lifetime=None, by=root)[1]
    account.user.is_staff = account.user.is_superuser = True
    account.user.save()
    assert client.get("/api/v1/runs/", headers={"authorization": f"Token {text}"}).status_code == 200


def test_a_password_alone_does_not_sign_in_who_has_a_second_factor(client, root):
    Authenticator.objects.create(user=root, **TOTP)
    assert sign_in(client, name="root").url.startswith(reverse("mfa_authenticate"))
    assert client.get("/admin/").status_code == 302
    assert token(client, name="root").status_code == 400


@pytest.mark.parametrize("page", ["mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "account-tokens"])
def test_the_pages_of_a_second_factor_and_of_tokens_open(client, ada, page):
    sign_in(client)
    answer = client.get(reverse(page), follow=True)
    assert answer.status_code == 200
    assert "Two Towers" in answer.content.decode()
