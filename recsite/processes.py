"""Site and workers as processes of one command: `manage.py demo` and `manage.py shop` prepare a shop and serve it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

HOST = "127.0.0.1"
START_SECONDS = 60.0
END_SECONDS = 10.0  # that a process gets to end by itself


class CannotServe(Exception):
    """Site and workers cannot run here; the message says why."""


class ServingCommand(BaseCommand):
    """Makes the database, prepares a shop, then serves it until Ctrl-C. Subclasses say what to prepare and print."""

    requires_system_checks: list[str] = []  # the database they look at may not be there yet
    refusals: tuple[type[Exception], ...] = ()  # of `prepare`, each with a sentence

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="end before site and workers start")
        parser.add_argument("--port", type=int, default=8000, help="where the site listens (default 8000)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("This makes an admin whose password it prints, so it runs with DEBUG=1 only.")
        port = None if options["no_serve"] else options["port"]
        try:
            if port is not None:
                check_port(port)
            call_command("migrate", verbosity=0)
            self.prepare()
            if port is not None:
                words = ["", *self.addresses(f"http://{HOST}:{port}"), "", "Ctrl-C stops site and workers."]
                self.stdout.write("\nStarting site and workers ...")
                self.stdout.write(serve(processes(port), port, ready=lambda: self.stdout.write("\n".join(words))))
        except (CannotServe, *self.refusals) as error:
            raise CommandError(str(error)) from None
        except OperationalError as error:
            raise CommandError(f"The database cannot be used: {str(error).strip()}") from None
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=130) from None

    def prepare(self) -> None:
        raise NotImplementedError

    def addresses(self, site: str) -> list[str]:
        """What is printed once the site answers."""
        raise NotImplementedError


def check_port(port: int) -> None:
    """CannotServe when the site could not listen there."""
    if not 1 <= port <= 65535:
        raise CannotServe(f"--port is {port}; it is a number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CannotServe(f"Port {port} of {HOST} cannot be used: {error.strerror}. Give another --port.") from None


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
                    raise CannotServe(f"The {dead} ended with status {running[dead].returncode}; the rest was stopped.")
                if not answers and _answers(port):
                    answers = True
                    ready()
                if not answers and time.monotonic() > deadline:
                    raise CannotServe(f"The site did not answer within {START_SECONDS:.0f} seconds.")
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
