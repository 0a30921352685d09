"""A site of real processes to break: gunicorn, two Celery workers, beat, a broker and a database of their own.

Nothing here is shared with anybody: the database is created for it, Redis is started for it on a port of its own, and
bundles lie on a small disk of their own (a tmpfs, where mounting is allowed).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

ROOT = Path(__file__).resolve().parent.parent.parent
DISK_MB = 64
STALE_AFTER = 10.0  # seconds; two minutes in earnest
STARTS_WITHIN = 90.0
ASKED = json.dumps({"profile": {"age": 30, "gender": "F"}, "count": 3}).encode()


@dataclass
class World:
    folder: Path
    server: str  # address of the PostgreSQL server's own database
    env: dict[str, str]
    ports: dict[str, int]
    commands: dict[str, list[str]]
    disk_is_real: bool
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    lengths: list[float] = field(default_factory=list)  # seconds that undisturbed runs took
    asked: int = 0
    unanswered: int = 0

    @property
    def bundles(self) -> Path:
        return Path(self.env["BUNDLE_ROOT"])

    @property
    def length(self) -> float:
        """Seconds that an undisturbed run takes, as busy as the machine is now; one that loads torch is no median."""
        return statistics.median(self.lengths[-5:])

    # --- processes ---

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                self.commands[name], cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, name: str) -> None:
        """SIGKILL to the process and everything it started."""
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def pause(self, name: str) -> None:
        os.killpg(self.running[name].pid, signal.SIGSTOP)

    def wake(self, name: str) -> None:
        os.killpg(self.running[name].pid, signal.SIGCONT)

    def supervise(self) -> None:
        """Start again what has ended by itself, as systemd would."""
        for name, process in list(self.running.items()):
            if process.poll() is not None:
                self.start(name)

    def wait_for_site(self) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._open(f"http://127.0.0.1:{self.ports['site']}/health/live"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"The site did not start; see {self.folder}.")
            time.sleep(0.3)

    # --- what a visitor sees ---

    def ask(self) -> bool:
        """Whether the live model answers a list right now."""
        self.asked += 1
        answer = self._open(f"http://127.0.0.1:{self.ports['site']}/api/v1/recommendations/", ASKED)
        good = bool(answer) and answer["source"] == "two_tower" and len(answer["items"]) == 3
        self.unanswered += not good
        return good

    def _open(self, address: str, body: bytes | None = None) -> dict:
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                text = response.read()
                return json.loads(text) if text.startswith(b"{") else {"status": response.status}
        except (urllib.error.URLError, OSError, ValueError):
            return {}

    # --- faults that are no process ---

    def cut_connections(self) -> int:
        """End every connection to the database but this process's own; how many there were."""
        name = self.env["DATABASE_URL"].rsplit("/", 1)[1]
        with psycopg.connect(self.server, autocommit=True) as connection:
            query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
            row = connection.execute(query, [name]).fetchone()
            assert row is not None
            return row[0]

    def fill_disk(self, leave: int) -> Path:
        """Fill the disk of the bundles but for so many bytes; the file to remove."""
        filler = self.bundles / ".filler"
        with filler.open("wb") as file:
            while (room := shutil.disk_usage(self.bundles).free - leave) > 0:
                try:
                    os.posix_fallocate(file.fileno(), 0, room)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    continue  # a training wrote something meanwhile
                break
        return filler


@contextlib.contextmanager
def world(server: str) -> Iterator[World]:
    """A site that runs, gone without a trace afterwards. server : the address of a PostgreSQL database that may create
    others."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    database = f"faults_{os.getpid()}"
    ports = {name: _free_port() for name in ("site", "broker")}
    bundles = folder / "bundles"
    bundles.mkdir()
    real = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(bundles)], capture_output=True
    )
    made = World(
        folder=folder,
        server=server,
        env=_environment(folder, urlunsplit(urlsplit(server)._replace(path=f"/{database}")), ports),
        ports=ports,
        commands=_commands(folder, ports),
        disk_is_real=real.returncode == 0,
    )
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{database}"')
    try:
        yield made
    finally:
        for name in list(made.running):
            made.kill(name)
        from django.db import connections

        connections.close_all()
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
        if made.disk_is_real:
            subprocess.run(["umount", str(bundles)], check=True)
        if not os.environ.get("KEEP_LOGS"):
            shutil.rmtree(folder)


def _environment(folder: Path, database: str, ports: dict[str, int]) -> dict[str, str]:
    broker = f"redis://127.0.0.1:{ports['broker']}"
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "DJANGO_SETTINGS_MODULE": "recsite.settings",
        "DEBUG": "1",
        "DATABASE_URL": database,
        "CELERY_BROKER_URL": f"{broker}/0",
        "REDIS_URL": f"{broker}/1",  # the cache goes with the broker, as where one Redis is both
        "BUNDLE_ROOT": str(folder / "bundles"),
        "VAR_DIR": str(folder / "var"),
        "MEDIA_ROOT": str(folder / "media"),
        "STALE_AFTER": str(STALE_AFTER),
        "THROTTLE_VISITOR": "1000000/min",
        "THROTTLE_PAGE": "1000000/min",
        "OMP_NUM_THREADS": "1",
    }


def _commands(folder: Path, ports: dict[str, int]) -> dict[str, list[str]]:
    celery = [sys.executable, "-m", "celery", "-A", "recsite"]
    worker = [*celery, "worker", "--loglevel", "INFO", "--without-mingle", "--without-gossip"]
    # Nothing is kept on a disk: a broker that is gone has lost every message.
    redis = ["redis-server", "--port", str(ports["broker"]), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    site = ["-c", "deploy/gunicorn.conf.py", "recsite.wsgi", "--bind", f"127.0.0.1:{ports['site']}"]
    return {
        "broker": [*redis, "--bind", "127.0.0.1"],
        "site": [sys.executable, "-m", "gunicorn", *site],
        "worker": [*worker, "-Q", "training", "--pool", "solo", "-n", "training@%h"],
        "second worker": [*worker, "-Q", "training", "--pool", "solo", "-n", "second@%h"],
        "other worker": [*worker, "-Q", "default", "--pool", "threads", "--concurrency", "2", "-n", "default@%h"],
        "beat": [*celery, "beat", "--loglevel", "INFO", "--pidfile", "", "--max-interval", "2"],
    }


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
