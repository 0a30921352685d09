"""What stands in the log: a failure with its traceback, a line of JSON each, and nobody's key, address or search."""

import json
import logging
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import structlog
from celery import shared_task
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.notifications import notify_failure
from recsite import logs
from tests.recsite.test_access import ADDRESSES

ROOT = Path(__file__).resolve().parents[2]
KEY, ADDRESS, SEARCH, TOKEN = "Ada-K3Y-77", "ada.k3y77@shop.example", "s3archw0rd", "r3set-t0ken-9"
COOKIE, BODY, OTHER = "c00kie-of-ada", "b0dy-of-ada", "bob-k3y-78"  # each in one place of a request alone
PRIVATE = (KEY, ADDRESS, SEARCH, TOKEN, COOKIE, BODY, OTHER, "ada.k3y77%40")


class Failing:
    """A middleware: every view breaks on what it was given, and says so in words without quotes around any of it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        sent = json.loads(request.body) if request.content_type == "application/json" else request.POST.dict()
        asked = [*kwargs.values(), *request.GET.values(), *request.COOKIES.values(), *texts(sent)]
        raise RuntimeError(f"cannot do it for {request.user} with {' '.join(map(str, asked))}")


def texts(sent):
    """The texts of what was sent, however deep."""
    if isinstance(sent, dict | list):
        return [text for each in (sent.values() if isinstance(sent, dict) else sent) for text in texts(each)]
    return [sent]


@shared_task
def failing_task(customer):
    password = "n0t-t0-be-l0gged"
    raise LookupError(f"no {customer!r}, {len(password)}")


@pytest.fixture
def log():
    """All that is logged."""
    handler = logging.StreamHandler(StringIO())
    handler.setFormatter(logs.formatter(as_json=True))
    root = logging.getLogger()
    level, names = root.level, ("django", "recsite", "recommender", "celery")
    before = {name: logging.getLogger(name).level for name in names}
    root.addHandler(handler)
    root.setLevel("INFO")
    for name in names:
        logging.getLogger(name).setLevel("INFO")
    yield lambda: handler.stream.getvalue()
    root.removeHandler(handler)
    root.setLevel(level)
    for name in names:
        logging.getLogger(name).setLevel(before[name])


@pytest.fixture
def lines():
    """The lines that are logged, read as JSON."""
    handler = logging.StreamHandler(StringIO())
    handler.setLevel(1)
    handler.setFormatter(logs.formatter(as_json=True))
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line, parse_constant=pytest.fail) for line in handler.stream.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


def fail(logger):
    secret = "n0t-t0-be-l0gged"
    try:
        raise ValueError(f"it broke {len(secret)}")
    except ValueError:
        logger.exception("broken")


def is_traceback(line, kind, function):
    text = line["exception"]
    return (
        text.startswith("Traceback (most recent call last):\n")
        and f", in {function}\n" in text
        and f"\n{kind}: " in text
        and "n0t-t0-be-l0gged'" not in text
    )


@pytest.mark.parametrize("logger", ["recsite.x", "django.request", "py.anything"])
@pytest.mark.parametrize("get", [logging.getLogger, structlog.get_logger], ids=["stdlib", "structlog"])
def test_a_failure_is_logged_with_its_traceback(lines, logger, get):
    fail(get(logger))
    (line,) = lines()
    assert is_traceback(line, "ValueError", "fail")
    assert "it broke 16" in line["exception"]
    assert "exc_info" not in line


def test_a_traceback_has_causes_groups_and_notes_and_none_of_their_values(lines):
    try:
        try:
            {}[KEY]
        except KeyError as error:
            group = ExceptionGroup("several", [ValueError(f"{KEY!r} is bad")])
            group.add_note(f"look at {KEY!r}")
            raise group from error
    except ExceptionGroup:
        logging.getLogger("recsite.x").exception("broken")
    (line,) = lines()
    text = line["exception"]
    assert text.index("KeyError: ") < text.index("ExceptionGroup: several") < text.index("ValueError: ")
    assert "look at" in text
    assert KEY not in text


def test_a_request_that_fails_leaves_its_traceback(lines, settings, db):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.recsite.test_logs.Failing"]
    assert Client(raise_request_exception=False).get("/products/").status_code == 500
    (line,) = (line for line in lines() if line["logger"] == "django.request")
    assert is_traceback(line, "RuntimeError", "process_view")
    assert line["event"] == "Internal Server Error: /products/"


def test_a_task_that_fails_leaves_its_traceback_and_not_its_arguments(lines):
    failing_task.apply(args=[KEY])
    (line,) = lines()
    assert is_traceback(line, "LookupError", "failing_task")
    assert KEY not in json.dumps(line)


def test_a_command_and_a_thread_that_fail_leave_a_line_of_json():
    code = """
import threading, warnings, django
django.setup()
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
warnings.warn("old")
from django.core.management import call_command
call_command("clearsessions")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            **os.environ,
            "LOG_JSON": "1",
            "DATABASE_URL": "sqlite:////nowhere/db.sqlite3",
            "DJANGO_SETTINGS_MODULE": "recsite.settings",
        },
        capture_output=True,
        text=True,
    )
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert [line["event"] for line in told if "exception" in line] == ["thread_failed", "process_failed"]
    assert "ZeroDivisionError: division by zero" in told[0]["exception"]
    assert "OperationalError: unable to open database file" in told[-1]["exception"]


def test_every_line_is_json_whatever_is_logged(lines):
    class Broken:
        def __str__(self):
            raise RuntimeError

    itself: list = []
    itself.append(itself)
    log = structlog.get_logger("recsite.x")
    log.info("numbers", nan=float("nan"), inf=[float("-inf")])
    log.info("keys", by={(1, 2): {3}, 4: b"\xff"})
    log.info("odd", broken=Broken(), itself=itself, cut="\udcff", two="lines\nof text")
    handlers = logging.getLogger().handlers
    (ours,) = (each for each in handlers if type(getattr(each, "stream", None)) is StringIO and each.level == 1)
    ours.handle(
        logging.LogRecord(  # pytest's own handler breaks on such a line
            "recsite.x", logging.INFO, __file__, 1, "%d of %d", ("one",), None
        )
    )
    assert [line["event"].split()[0] for line in lines()] == ["numbers", "keys", "odd", "%d"]


# --- people -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ada(db):
    """A customer whose key, name and address would be recognised anywhere, and products under such a key."""
    user = User.objects.create_user(KEY, email=ADDRESS)
    customer = Customer.objects.create(key=KEY, name=KEY, user=user)
    product = Product.objects.create(key=KEY, name="Lamp")
    Purchase.objects.create(customer=customer, product=product)
    return user


def private_paths():
    """Every address with somebody's key wherever a key or a number can stand, and one with an address."""
    for number, path in enumerate(ADDRESSES.values()):
        key = (KEY, ADDRESS)[number % 2]
        found = "/".join(key if part == "1" else part for part in path.split("/"))
        yield found.replace("1-1", f"1-{TOKEN}")


def visit_everything(user):
    body = json.dumps(
        {"customer": KEY, "item": KEY, "key": KEY, "email": ADDRESS, "name": SEARCH, "profile": {"a": [BODY]}}
    )
    client = Client(raise_request_exception=False, headers={"referer": f"http://testserver/products/?q={SEARCH}"})
    client.cookies["visitor"] = COOKIE
    for path in private_paths():
        for method in ("GET", "POST"):
            if user is not None and "_auth_user_id" not in client.session:
                client.force_login(user)  # one of these addresses signs out
            client.generic(method, f"{path}?q={SEARCH}&key={TOKEN}", body, content_type="application/json")
    Client(raise_request_exception=False).get(f"/api/v1/customers/{OTHER}/")
    form = {"login": ADDRESS, "password": TOKEN, "email": ADDRESS}
    Client(raise_request_exception=False).post("/accounts/login/", form)
    Client(raise_request_exception=False).post("/accounts/password/reset/", form)
    elsewhere = Client(enforce_csrf_checks=True, raise_request_exception=False)
    elsewhere.post(f"/cart/add/{KEY}/", form)
    elsewhere.get("/accounts/login/")
    for page in (f"https://shop.example/{KEY}", f"https://shop.example/products/?q={SEARCH}"):
        elsewhere.post(f"/cart/add/{KEY}/", form, secure=True, headers={"referer": page})


@pytest.mark.parametrize(
    ("who", "fails"),
    [("a stranger", False), ("the customer", False), ("an admin", False), ("the customer", True)],
    ids=["a stranger", "the customer", "an admin", "every view fails"],
)
def test_no_address_of_the_site_writes_a_key_an_address_or_a_search_to_the_log(ada, log, settings, who, fails):
    if fails:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.recsite.test_logs.Failing"]
    settings.RECOMMENDER_THROTTLES = dict.fromkeys(("visitor", "user", "key"))
    user = {"a stranger": None, "the customer": ada, "an admin": User.objects.create_superuser("root")}[who]
    visit_everything(user)
    told = log()
    assert ("Internal Server Error: /api/v1/customers/(?P<key>" if fails else "Method Not Allowed: /api/v1/") in told
    for private in PRIVATE:
        assert private not in told, told[max(0, told.index(private) - 300) :][:500]


def test_the_audit_of_the_api_names_the_route(ada, lines):
    admin = Client()
    admin.force_login(User.objects.create_superuser("root"))
    admin.patch(f"/api/v1/customers/{KEY}/", {"name": "Ada"}, content_type="application/json")
    (line,) = (line for line in lines() if line["event"] == "api_call")
    assert line["route"].startswith("/api/v1/customers/(?P<key>")
    assert KEY not in json.dumps(line)


def test_what_the_database_says_of_a_row_is_not_logged(ada, lines):
    for told in (
        f"duplicate key value\nDETAIL:  Key (key, email)=({KEY}, {ADDRESS}) already exists.",
        f"null value\nDETAIL:  Failing row contains (7, {KEY}, null).",
        f'invalid input syntax for type integer: "{KEY}"',
        f"users: the key {KEY!r} stands there twice.",
        f"""the key "o'{KEY}" stands there twice.""",
    ):
        structlog.get_logger("recommender.training.execution").error("run_failed", run=1, error=told)
    try:
        with transaction.atomic():
            Customer.objects.create(key=KEY)
    except IntegrityError:
        logging.getLogger("recommender.x").exception("a row was not stored")
    log = structlog.get_logger("recommender.training.execution")
    log.info("mail_sent", to=ADDRESS, error=f"{ADDRESS} bounced")
    logging.getLogger("recommender.x").error("%s bounced", ADDRESS)
    written = json.dumps(lines())
    assert len(lines()) == 8
    assert KEY not in written
    assert ADDRESS not in written
    assert "stands there twice" in written


def test_gunicorn_writes_no_path_of_a_request_that_failed(log):
    for told, values in (
        ("Error handling request %s", [f"/api/v1/customers/{KEY}/?q={SEARCH}"]),
        ("Error handling request %s %s", ["GET", f"/api/v1/customers/{KEY}/?q={SEARCH}"]),
        (f"Invalid request from ip=203.0.113.9: Invalid HTTP request line: 'GET /{KEY}'", []),
    ):
        logging.getLogger("gunicorn.error").error(told, *values)
    assert "Error handling request" in log()
    assert not any(private in log() for private in (*PRIVATE, "203.0.113.9"))


def test_the_access_log_of_gunicorn_holds_no_path_and_no_address():
    config = (ROOT / "deploy" / "gunicorn.conf.py").read_text()
    formats = config[config.index("access_log_format") :][:300]
    assert "%(s)s" in formats
    assert not any(f"%({atom})" in formats for atom in ("r", "U", "q", "f", "h", "u", "{x-forwarded-for}i"))


def test_an_email_about_a_failed_run_names_no_customer(db, settings, mailoutbox, django_capture_on_commit_callbacks):
    from recommender.models import TrainingRun

    settings.RECOMMENDER_NOTIFY = ["ops@shop.example"]
    run = TrainingRun.objects.create(error=f"users: the key {KEY!r} stands there twice.")
    with django_capture_on_commit_callbacks(execute=True):
        notify_failure(run)
    (mail,) = mailoutbox
    assert "stands there twice" in mail.body
    assert KEY not in mail.body
