"""The demo shop: what `make demo` fills, trains and shows before it serves. See management/commands/demo.py."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from django.contrib.auth.models import User

from catalog.selectors import products_by_key
from customers.models import Customer
from customers.seeding import ShopSize
from customers.selectors import purchases_of
from recommender import serving
from recommender.models import TrainingRun
from recommender.serving import RecommendationList, predict_rating, recommend
from recommender.training import Tell, execute_run, start_run

SIZE = ShopSize(customers=800, products=320, purchases=16_000, seed=0)  # a seed that nobody gives by hand
CUSTOMERS = (6, 7)  # by number: a runner and a gardener
PROFILE = {"Age": 28, "Gender": "Female", "Country": "UK"}
LIST_LENGTH, PURCHASES_SHOWN = 5, 4
HOST = "127.0.0.1"
START_SECONDS = 60.0
END_SECONDS = 10.0  # that a process gets to end by itself


class DemoRefused(Exception):
    """The demo cannot run here; the message says why."""


@dataclass(frozen=True)
class Login:
    name: str
    password: str


# --- the shop ---------------------------------------------------------------------------------------------------------


def logins() -> tuple[Login, Login]:
    """An admin and a customer with a history, each with a password that is new every time and kept nowhere."""
    admin, customer = Login("demo-admin", secrets.token_urlsafe(9)), Login("demo-customer", secrets.token_urlsafe(9))
    for login, rights in ((admin, {"is_staff": True, "is_superuser": True}), (customer, {})):
        user, _ = User.objects.update_or_create(username=login.name, defaults=rights)
        user.set_password(login.password)
        user.save()
    Customer.objects.filter(key=SIZE.customer_key(CUSTOMERS[0])).update(user=user)
    return admin, customer


def trained_version() -> str | None:
    """The live version, if it has learned from the demo's products: then there is nothing to train."""
    live = serving.live_model()
    return live.version if live is not None and SIZE.product_key(0) in live.inference.row_of else None


def train(tell: Tell) -> str:
    """Train as `manage.py train` does, and name the version that is live then."""
    run = execute_run(run=start_run(parameters={}), tell=tell)
    if run.state != TrainingRun.State.PROMOTED:
        raise DemoRefused(f"The demo's model is not live, for run {run.pk} is {run.state}: {run.error or run.phase}.")
    return run.version.name


# --- what it answers --------------------------------------------------------------------------------------------------


def samples() -> Iterator[str]:
    """Lists for two customers and a bare profile, with what the customers bought lately, and the rating of a pair."""
    keys = [SIZE.customer_key(number) for number in CUSTOMERS]
    for customer in Customer.objects.filter(key__in=keys).order_by("pk"):
        yield f"{customer.name} ({customer.key}) lately bought"
        yield from (f"           {purchase.product.name}" for purchase in purchases_of(customer)[:PURCHASES_SHOWN])
        yield "and is shown, with the rating that we expect,"
        yield from _named(recommend(customer=customer.key, count=LIST_LENGTH, scenario="demo"))
    yield f"Somebody of whom only {json.dumps(PROFILE)} is known is shown"
    yield from _named(recommend(profile=PROFILE, count=LIST_LENGTH, scenario="demo"))
    item = SIZE.product_key(1)
    rating = predict_rating(customer=keys[0], item=item).rating
    if rating is not None:
        yield f"{keys[0]} would give {products_by_key([item])[item].name} ({item}) {rating:.2f} of 5."


def _named(answer: RecommendationList) -> Iterator[str]:
    named = products_by_key(listed.item for listed in answer.items)
    for listed in answer.items:
        rating = "    " if listed.rating is None else f"{listed.rating:.2f}"
        yield f"     {rating}  {named[listed.item].name} ({listed.item})"
    yield ""


# --- the processes ----------------------------------------------------------------------------------------------------


def check_port(port: int) -> None:
    """DemoRefused when the site could not listen there."""
    if not 1 <= port <= 65535:
        raise DemoRefused(f"--port is {port}; it is a number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DemoRefused(f"Port {port} of {HOST} cannot be used: {error.strerror}. Give another --port.") from None


def processes(port: int) -> dict[str, list[str]]:
    """What serves a shop: the site, a worker for training alone, and one for everything else with the clock in it."""
    worker = "celery -q -A recsite worker --loglevel WARNING --without-mingle"
    commands = {
        "site": f"gunicorn recsite.wsgi --bind {HOST}:{port} --worker-class gthread --threads 4 --log-level warning",
        "training worker": f"{worker} -Q training --pool solo -n training@%h",
        "worker": f"{worker} -Q default --pool threads --concurrency 2 -B -n default@%h",
    }
    return {name: [sys.executable, "-m", *command.split()] for name, command in commands.items()}


def serve(commands: Mapping[str, list[str]], port: int, ready: Callable[[], None]) -> str:
    """Run all of them until Ctrl-C, SIGTERM or the end of one; the sentence that says which. None is left running.

    ready : called once the site answers at the port.
    """
    running: dict[str, subprocess.Popen[bytes]] = {}
    with _signals() as signals:
        try:
            for name, command in commands.items():
                # In a session of its own: Ctrl-C reaches this process alone, which then ends the others in order,
                # and what a process started itself can be ended with it.
                running[name] = subprocess.Popen(command, start_new_session=True, env={**os.environ, "DEBUG": "1"})
            answers, deadline = False, time.monotonic() + START_SECONDS
            while not signals:
                dead = next((name for name, process in running.items() if process.poll() is not None), None)
                if dead is not None:
                    raise DemoRefused(f"The {dead} ended with status {running[dead].returncode}; the rest was stopped.")
                if not answers and _answers(port):
                    answers = True
                    ready()
                if not answers and time.monotonic() > deadline:
                    raise DemoRefused(f"The site did not answer within {START_SECONDS:.0f} seconds.")
                time.sleep(0.2)
            return "Stopped."
        finally:
            _stop(list(running.values()))


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/health/live", timeout=1):
            return True
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that is empty until a signal asks for the end. The handlers of before are put back."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(running: list[subprocess.Popen[bytes]]) -> None:
    for process in running:
        process.terminate()
    deadline = time.monotonic() + END_SECONDS
    for process in running:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(deadline - time.monotonic(), 0.1))
        with suppress(ProcessLookupError):  # the usual case: nobody of its session is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
