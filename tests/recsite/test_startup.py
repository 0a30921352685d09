"""A process that serves starts only when it was told what it is, and sends or logs no key to an account."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from recsite import startup
from tests.ports import free_port
from tests.test_deployment import answers
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
KEY = secrets.token_urlsafe(50)


def _environment(tmp_path):
    return {
        **{"PATH": os.environ["PATH"], "HOME": str(tmp_path), "VAR_DIR": str(tmp_path)},
        **{"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "DJANGO_SETTINGS_MODULE": "recsite.settings"},
    }


def start(command, tmp_path, seconds=60, **environment):
    """How it ends, and what it says. Nothing of this process's own settings is handed on."""
    env = _environment(tmp_path) | environment
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=seconds
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "-m gunicorn recsite.wsgi --bind 127.0.0.1:{port}",
        "-m gunicorn -c deploy/gunicorn.conf.py recsite.wsgi --bind 127.0.0.1:{port}",
        "-c import:recsite.wsgi",
        "-m celery -A recsite worker --pool solo",
        "-m celery -A recsite worker --pool solo -B",
        "-m celery -A recsite beat",
    ],
)
def test_a_server_that_was_not_told_whether_this_is_production_does_not_start(own_database, tmp_path, command):
    words = [word.replace(":r", " r") if word.startswith("import") else word for word in command.split()]
    status, told = start([word.format(port=free_port()) for word in words], tmp_path)
    assert status != 0
    assert "DEBUG is not set. A server process starts with DEBUG=0" in told


def test_on_a_developers_machine_nothing_need_be_set(tmp_path):
    assert start(["manage.py", "check"], tmp_path)[0] == 0
    command = [sys.executable, "manage.py", "runserver", "--noreload", str(port := free_port())]
    site = subprocess.Popen(command, cwd=ROOT, env=_environment(tmp_path))
    try:
        until(lambda: answers(port), seconds=60)
    finally:
        site.terminate()
        site.wait(30)
    assert start(["-c", "import recsite.wsgi; print('started')"], tmp_path, DEBUG="1") == (0, "started\n")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "SECRET_KEY is not set."),
        ("", "SECRET_KEY has 0 characters"),
        ("development-only-key", "SECRET_KEY has 20 characters"),
        ("x" * 60, "SECRET_KEY has 60 characters, 1 of them different."),
        (KEY[:49], "SECRET_KEY has 49 characters"),
    ],
    ids=["none", "empty", "the development key", "one letter", "too short"],  # the key differs from process to process
)
def test_production_refuses_a_key_that_can_be_guessed(tmp_path, key, said):
    status, told = start(["manage.py", "check"], tmp_path, DEBUG="0", **({} if key is None else {"SECRET_KEY": key}))
    assert status != 0
    assert said in told


def test_production_with_a_long_key_starts_and_says_that_it_cannot_send_emails(tmp_path):
    code = "import recsite.wsgi; print('started')"
    status, told = start(["-c", code], tmp_path, DEBUG="0", SECRET_KEY=KEY)
    assert (status, "started" in told) == (0, True)
    assert "EMAIL_URL is not set: no email is sent. Nobody can reset a password" in told
    for unset in ({}, {"EMAIL_URL": ""}):  # as a compose file hands on what nobody gave
        assert "recsite.W001" in start(["manage.py", "check"], tmp_path, DEBUG="0", SECRET_KEY=KEY, **unset)[1]
    with_mail = start(["manage.py", "check"], tmp_path, DEBUG="0", SECRET_KEY=KEY, EMAIL_URL="smtp://127.0.0.1:25")
    assert with_mail[0] == 0
    assert "recsite.W" not in with_mail[1]


# Static files are collected nowhere here.
NOTHING_COLLECTED = """
import django
from django.conf import settings
settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
django.setup()
"""
ASKED = """
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from recommender.client_address import client_address
client = Client(headers={"host": "shop"})
client.force_login(User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])
for page in ("/office/desk/", "/admin/"):
    answer = client.get(page, secure=True)
    print("answered", page, answer.status_code, getattr(answer, "url", ""))
print("the cache is", client.get("/health/ready").json()["status"])
request = RequestFactory().get("/", headers={"x-forwarded-for": "6.6.6.6, 1.2.3.4, 10.0.0.9"})
print("the client is", client_address(request))
"""


def test_production_asks_staff_for_a_second_factor_at_the_admins_own_path_and_believes_no_other_proxies(tmp_path):
    start(["manage.py", "migrate", "-v0"], tmp_path)
    here = {"DEBUG": "0", "SECRET_KEY": KEY, "ALLOWED_HOSTS": "shop", "ADMIN_PATH": "/office/desk"}
    for told, client in (
        ({}, "127.0.0.1"),
        ({"BEHIND_PROXY": "1", "REDIS_URL": "redis://127.0.0.1:1/0"}, "10.0.0.9"),
        ({"BEHIND_PROXY": "1", "TRUSTED_PROXIES": "2"}, "1.2.3.4"),
    ):
        status, said = start(["-c", NOTHING_COLLECTED + ASKED], tmp_path, **here, **told)
        assert status == 0, said
        assert "answered /office/desk/ 302 /accounts/2fa/" in said
        assert "answered /admin/ 404" in said
        assert f"the client is {client}" in said, told
        assert f"the cache is {'degraded' if 'REDIS_URL' in told else 'ready'}" in said


RESET = """
import django
django.setup()
from django.contrib.auth.models import User
from django.test import Client
User.objects.create_user("ada", email="ada@shop.example", password="pw")
client = Client(headers={"host": "shop"})
answer = client.post("/accounts/password/reset/", {"email": "ada@shop.example"}, secure=True)
print("answered", answer.status_code)
"""


def test_without_a_mail_server_no_link_of_a_password_reset_goes_to_the_log(own_database, tmp_path):
    status, told = start(["-c", RESET], tmp_path, DEBUG="0", SECRET_KEY=KEY, ALLOWED_HOSTS="shop")
    assert status == 0, told
    assert "answered 302" in told
    assert "email_not_sent" in told
    assert "/password/reset/key/" not in told
    assert "ada@shop.example" not in told


SET_UP = """
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.test import Client
root = User.objects.create_superuser("root", "root@shop.example", "a long way home")
EmailAddress.objects.create(user=root, email=root.email)
client = Client(headers={"host": "shop"})
client.post("/accounts/login/", {"login": "root", "password": "a long way home"}, secure=True)
page = "/accounts/2fa/totp/activate/"
client.post("/accounts/reauthenticate/", {"password": "a long way home"}, secure=True)
print("answered", client.get(page, secure=True).status_code)
"""


@pytest.mark.parametrize(("mail", "answer"), [({}, 200), ({"EMAIL_URL": "memorymail://"}, 302)])
def test_without_a_mail_server_staff_set_up_their_second_factor_all_the_same(own_database, tmp_path, mail, answer):
    """With one they confirm their address first."""
    status, told = start(
        ["-c", NOTHING_COLLECTED + SET_UP], tmp_path, DEBUG="0", SECRET_KEY=KEY, ALLOWED_HOSTS="shop", **mail
    )
    assert (status, f"answered {answer}" in told) == (0, True), told


def test_a_page_says_that_no_email_can_be_sent(client, db, settings):
    settings.DEBUG = False
    settings.EMAIL_BACKEND = "recsite.mail.NoMailServer"
    User.objects.create_user("ada", email="ada@shop.example")
    assert "cannot send emails" in client.get("/accounts/password/reset/").content.decode()


def test_emails_that_are_printed_in_production_are_warned_of(settings):
    settings.DEBUG = False
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert [each.id for each in startup.check_email()] == ["recsite.W002"]
    settings.DEBUG = True
    assert startup.check_email() == []
