"""What the checks of both examples need: a server, people who visit it, the lines of glue, a tally of what holds."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

START_SECONDS = 60
GLUE_BEGINS, GLUE_ENDS = ">>> recommender", "<<< recommender"
GLUE_SUFFIXES = {".py", ".html"}


# --- what holds -------------------------------------------------------------------------------------------------------


class Tally:
    """Prints each check as it is made; `close` ends the process with status 1 where one failed."""

    def __init__(self) -> None:
        self.failed = 0

    def holds(self, what: str, is_so: bool, seen: object = "") -> None:
        self.failed += not is_so
        print(f"   {'ok  ' if is_so else 'FAIL'}  {what}{f': {seen}' if seen != '' else ''}")

    def close(self) -> None:
        if self.failed:
            sys.exit(f"   {self.failed} of the checks failed")


# --- people at a server -----------------------------------------------------------------------------------------------


class Visitor:
    """Somebody with a browser: cookies of their own, and perhaps a token for the API.

    host : the name under which the site is visited, where it has several.
    """

    def __init__(self, address: str, host: str | None = None) -> None:
        self.address = address
        self.host = host
        self.token: str | None = None
        self.cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> tuple[int, str]:
        return self._open(Request(self.address + path))

    def ask(self, path: str, body: object = None) -> tuple[int, object]:
        """The API's answer: a GET, or a POST where there is a body."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        elif body is not None:
            headers["X-CSRFToken"] = self.csrf_token()
        data = None if body is None else json.dumps(body).encode()
        status, text = self._open(Request(self.address + path, data=data, headers=headers))
        return status, json.loads(text) if text.startswith(("{", "[")) else text

    def send(self, path: str, fields: Mapping[str, str]) -> tuple[int, str]:
        """A form of a page that was opened before, with that page's token."""
        data = urlencode({**fields, "csrfmiddlewaretoken": self.csrf_token()}).encode()
        return self._open(Request(self.address + path, data=data, headers={"Referer": self.address + path}))

    def csrf_token(self) -> str:
        return next((cookie.value or "" for cookie in self.cookies if cookie.name == "csrftoken"), "")

    def _open(self, request: Request) -> tuple[int, str]:
        if self.host:
            request.add_header("Host", self.host)
        try:
            with self._opener.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()


@contextmanager
def server() -> Iterator[str]:
    """`manage.py runserver` of this example; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = Path("var", "server.log")
    with log.open("w") as told:
        command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
        process = subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT, env=os.environ)
        try:
            _wait_for(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            build_opener().open(address, timeout=5).close()
        except HTTPError:
            return
        except (URLError, OSError):
            time.sleep(0.2)
        else:
            return
    sys.exit(f"The server did not start:\n{log.read_text()[-2000:]}")


# --- how good the lists are -------------------------------------------------------------------------------------------


def hit_rate(wanted: Mapping[str, Iterable[str]], lists: Callable[[str], Iterable[str]]) -> float:
    """The share of people whose list holds one of the things that they take next."""
    people = {person: set(map(str, things)) for person, things in wanted.items() if things}
    return sum(bool(things & set(lists(person))) for person, things in people.items()) / len(people)


# --- the glue ---------------------------------------------------------------------------------------------------------


def count_glue(folder: Path) -> dict[str, int]:
    """File -> lines between the marks that are neither empty nor a comment alone."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix not in GLUE_SUFFIXES or any(part.startswith(".") for part in path.parts):
            continue
        inside, count = False, 0
        for line in path.read_text(encoding="utf-8").splitlines():
            if GLUE_BEGINS in line or GLUE_ENDS in line:
                inside = GLUE_BEGINS in line
            elif inside and line.strip() and not re.match(r"\s*(#|\{#)", line):
                count += 1
        if count:
            found[str(path.relative_to(folder))] = count
    return found


# --- Django's own word ------------------------------------------------------------------------------------------------


def check_of_django() -> str:
    """What `manage.py check` says of settings, source and rows, in one line where all is well."""
    command = [sys.executable, "manage.py", "check", "--database", "default"]
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


def admin_pages() -> list[str]:
    """The addresses of all pages that the admin has for the recommender's models, with the first object of each."""
    from django.apps import apps
    from django.contrib import admin
    from django.urls import NoReverseMatch, reverse

    pages = [reverse("admin:index")]
    for model in apps.get_app_config("recommender").get_models():
        if model not in admin.site._registry:
            continue
        name = f"admin:recommender_{model._meta.model_name}"
        pages.append(reverse(f"{name}_changelist"))
        first = model._default_manager.first()
        for page in ("change", "history") if first else ():
            try:
                pages.append(reverse(f"{name}_{page}", args=[first.pk]))
            except NoReverseMatch:
                continue
    return pages
