"""Lists over HTTP beside an empty view, under gunicorn as deployed: milliseconds, requests a second, memory.

    DATABASE_URL=postgres://... REDIS_URL=redis://... BUNDLE_ROOT=... python -m benchmarks.serving [--promotions 20]

The database is filled with a generated shop and a model is trained where there is none yet. Every case takes its turn
in every round, so that whatever else the machine does slows all alike; ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.load import Answers, Job

ROOT = Path(__file__).resolve().parents[1]
WITH, WITHOUT = "benchmarks.site.settings", "benchmarks.site.without_settings"
SHOP = {"customers": 2000, "products": 2000, "purchases": 60_000, "seed": 1}
SCENARIO, SHADOW = "benchmark", "benchmark-shadow"
STARTS_WITHIN, ENDS_WITHIN, SERVES_WITHIN = 60.0, 30.0, 30.0  # seconds
REST = 15.0  # seconds without a request, before a worker is weighed again: by then it gave back what it could
WEIGHED = {"at rest": "", "at work": "_at_work"}  # when, and what ends the name of that figure
LISTS = "/api/v1/recommendations/"


class BenchmarkFailed(Exception):
    """What was measured is not worth telling."""


@dataclass
class Case:
    """One kind of question. bodies : the posts, in turn; those that were asked longest ago come first."""

    name: str
    path: str
    bodies: list[str]
    alone: list[float] = field(default_factory=list)  # seconds of each request, one client
    p50_of_round: list[float] = field(default_factory=list)
    rate_1: list[float] = field(default_factory=list)  # requests a second, of each round
    rate_8: list[float] = field(default_factory=list)
    cpu: list[float] = field(
        default_factory=list
    )  # seconds of the worker's processor time for a request, of each round

    def ask(self, site: Site, token: str, clients: int, seconds: float, warm_up: int) -> Answers:
        answers = ask(Job(site.port, self.path, self.bodies, token, clients, seconds, warm_up))
        asked = (len(answers.seconds) + clients * warm_up) % len(self.bodies)
        self.bodies = self.bodies[asked:] + self.bodies[:asked]
        return answers

    def figures(self) -> dict[str, float]:
        p50, p95, p99 = (1e3 * float(np.quantile(self.alone, q)) for q in (0.5, 0.95, 0.99))
        rates = {"rps_1": statistics.median(self.rate_1), "rps_8": statistics.median(self.rate_8)}
        return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, **rates, "cpu_ms": 1e3 * statistics.median(self.cpu)}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    os.environ["DJANGO_SETTINGS_MODULE"] = WITH
    os.environ |= _PRODUCTION
    import django

    django.setup()
    try:
        version = _prepare()
        with _key() as token:
            found = measure(version, token, options)
    except BenchmarkFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found)) if options.json else _print_table(found)
    return 0


_PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "only-of-this-benchmark-" + "x" * 40,
    "ALLOWED_HOSTS": "127.0.0.1",
    "SECURE_SSL_REDIRECT": "0",
    "LOG_LEVEL": "ERROR",
}


def measure(version: Any, token: str, options: argparse.Namespace) -> dict[str, Any]:
    cases = _cases()
    with gunicorn(WITH, "recsite.wsgi", "-c", "deploy/gunicorn.conf.py") as site:
        for _ in range(options.rounds):
            for case in cases:
                _round(case, site, token, options.seconds)
        found: dict[str, Any] = {case.name: case.figures() for case in cases}
        found["worker_mb_at_work"], found["worker_mb"] = _weighed(site)
        if options.promotions:
            found["promotions"] = promotions(site, token, version, options.promotions)
    bare = ("-c", "benchmarks/site/gunicorn.conf.py")
    with gunicorn(WITHOUT, "django.core.wsgi:get_wsgi_application()", *bare) as site:
        for _ in range(2):
            _round(cases[0], site, token, options.seconds, counted=False)
        found["worker_mb_without_recommender_at_work"], found["worker_mb_without_recommender"] = _weighed(site)
    found["ratios"] = {
        f"worker_mb{when}_to_without_recommender": found[f"worker_mb{when}"]
        / found[f"worker_mb_without_recommender{when}"]
        for when in WEIGHED.values()
    }
    empty = cases[0]
    for case in cases:
        if case.name in ("known_customer", "looked_since", "with_reasons"):
            found["ratios"] |= {
                f"{case.name}_p50_to_empty_view": _ratio(case.p50_of_round, empty.p50_of_round),
                f"{case.name}_rps_8_to_empty_view": _ratio(case.rate_8, empty.rate_8),
                f"{case.name}_cpu_to_empty_view": _ratio(case.cpu, empty.cpu),
            }
    return found


def _round(case: Case, site: Site, token: str, seconds: float, *, counted: bool = True) -> None:
    spent = site.cpu_seconds()
    alone = case.ask(site, token, clients=1, seconds=seconds, warm_up=0)
    spent = site.cpu_seconds() - spent
    together = case.ask(site, token, clients=8, seconds=seconds, warm_up=5)
    if failed := alone.failed + together.failed:
        raise BenchmarkFailed(f"{case.name}: {len(failed)} requests failed, first with {failed[0]}.")
    if counted:
        case.alone += alone.seconds
        case.p50_of_round.append(statistics.median(alone.seconds))
        case.cpu.append(spent / len(alone.seconds))
        case.rate_1.append(len(alone.seconds) / alone.elapsed)
        case.rate_8.append(len(together.seconds) / together.elapsed)


def _weighed(site: Site) -> tuple[float, float]:
    """Megabytes of the worker right after its last answer, and at rest."""
    at_work = site.worker_mb()
    time.sleep(REST)
    return at_work, site.worker_mb()


def _ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, other, strict=True))


# --- swaps under load -------------------------------------------------------------------------------------------------


def promotions(site: Site, token: str, version: Any, times: int) -> dict[str, Any]:
    """Promote and roll back while 8 clients ask for customers' lists: failures, and latencies beside those at rest."""
    from recommender import registry

    case = next(case for case in _cases() if case.name == "known_customer")
    shadow = _shadow_of(version)
    asking = Job(site.port, case.path, case.bodies, token, clients=8, seconds=1.5 * times)
    at_rest = ask(asking)
    with _asking(Job(**{**asdict(asking), "seconds": 1.5 * times + 2})) as load:
        time.sleep(1)
        for swap in range(times):
            if swap % 2 == 0:
                registry.promote(version=shadow, override=True, reason="A benchmark of swaps.")
            else:
                registry.roll_back(reason="A benchmark of swaps.")
            time.sleep(1.5)
    swapped = load.answers()
    if set(swapped.versions) != {version.name, shadow.name}:
        raise BenchmarkFailed(f"Both versions should have answered, but only {', '.join(swapped.versions)} did.")
    p99 = {
        name: 1e3 * float(np.quantile(answers.seconds, 0.99))
        for name, answers in (("rest", at_rest), ("swaps", swapped))
    }
    return {
        "swaps": times,
        "requests": len(swapped.seconds) + len(swapped.failed),
        "failed": len(swapped.failed),
        "p99_ms": p99["swaps"],
        "p99_ms_at_rest": p99["rest"],
        "slowest_ms": 1e3 * max(swapped.seconds),
        "slowest_ms_at_rest": 1e3 * max(at_rest.seconds),
    }


def _shadow_of(version: Any) -> Any:
    """Another version with the same bundle."""
    from recommender.models import ModelVersion
    from recommender.registry import bundle_folder

    shadow, _ = ModelVersion.objects.get_or_create(name=SHADOW)
    shutil.rmtree(bundle_folder(SHADOW), ignore_errors=True)
    shutil.copytree(bundle_folder(version.name), bundle_folder(SHADOW))
    return shadow


# --- the shop, the key and the questions ------------------------------------------------------------------------------


def _prepare() -> Any:
    """The live version, of a shop filled and trained now where there is none."""
    from django.core.management import call_command

    from recommender.registry import live_version

    call_command("migrate", verbosity=0)
    version = live_version()
    if version is None:
        call_command("seed_shop", **SHOP, stdout=sys.stderr)
        call_command("train", stdout=sys.stderr)
        version = live_version()
    if version is None:
        raise BenchmarkFailed("The training ended without a live model; nothing can be measured.")
    return version


@contextmanager
def _key() -> Iterator[str]:
    """An API key that may ask for anyone. It goes when the benchmark ends, with the lists that it was shown."""
    from django.contrib.auth.models import Permission, User
    from knox.models import get_token_model

    from recommender.models import ServedList

    user, _ = User.objects.get_or_create(username=SCENARIO)
    user.user_permissions.add(Permission.objects.get(codename="recommend_for_anyone"))
    try:
        yield get_token_model().objects.create(user=user)[1]
    finally:
        user.delete()
        ServedList.objects.filter(scenario=SCENARIO).delete()


def _cases() -> list[Case]:
    from catalog.models import Product
    from customers.models import Customer

    keys = list(Customer.objects.order_by("pk").values_list("key", flat=True))
    random.Random(1).shuffle(keys)
    genders, countries = ("Female", "Male"), ("UK", "France", "Germany", "Spain")
    profiles = [{"Age": 18 + n, "Gender": genders[n % 2], "Country": countries[n % 4]} for n in range(50)]
    items = cycle(Product.objects.order_by("pk").values_list("key", flat=True))
    rest = {"filter": {"category": _categories()}, "diversity": 0.3}

    def asked(**request: Any) -> str:
        return json.dumps({"count": 10, "scenario": SCENARIO, **request})

    return [
        Case("empty_view", "/benchmark/empty/", [asked(customer=key) for key in keys]),
        Case("popular", LISTS, [asked()]),
        Case("known_customer", LISTS, [asked(customer=key, reasons=False) for key in keys]),
        Case("looked_since", LISTS, [asked(customer=k, session_items=[next(items)], reasons=False) for k in keys]),
        Case("with_reasons", LISTS, [asked(customer=key) for key in keys]),
        Case("profile", LISTS, [asked(profile=profile, reasons=False) for profile in profiles]),
        Case("diverse", LISTS, [asked(customer=key, reasons=False, diversity=0.3) for key in keys]),
        Case("everything", LISTS, [asked(customer=key, **rest) for key in keys]),
    ]


def _categories() -> list[str]:
    """Half of the shop's categories."""
    from catalog.models import Product

    names = sorted(set(Product.objects.order_by().values_list("category", flat=True)))
    return names[::2]


# --- the processes ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    port: int
    master: int

    def worker_mb(self) -> float:
        """Resident memory of the one worker."""
        lines = (self._worker() / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def cpu_seconds(self) -> float:
        """Processor time of the one worker since it began."""
        after_the_name = (self._worker() / "stat").read_text().rpartition(")")[2].split()
        return (int(after_the_name[11]) + int(after_the_name[12])) / os.sysconf("SC_CLK_TCK")

    def _worker(self) -> Path:
        (worker,) = self.workers()
        return Path("/proc") / worker

    def workers(self) -> list[str]:
        return Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split()


@contextmanager
def gunicorn(settings: str, application: str, *options: str) -> Iterator[Site]:
    """One worker, as deployed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", *options, "-b", f"127.0.0.1:{port}", application]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings, "WEB_CONCURRENCY": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        site = Site(port, process.pid)
        _wait_for(site, process)
        yield site
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(ENDS_WITHIN)


def _wait_for(site: Site, process: subprocess.Popen[bytes]) -> None:
    """Until there is a worker: gunicorn listens before there is one."""
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", site.port)) == 0 and site.workers():
                return
        time.sleep(0.1)
    raise BenchmarkFailed("gunicorn did not start.")


class Load:
    """The load driver at work."""

    def __init__(self, job: Job):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asdict(job)))
        self.process.stdin.close()
        self.process.stdin = None

    def answers(self) -> Answers:
        told, _ = self.process.communicate()
        if self.process.returncode:
            raise BenchmarkFailed("The load driver failed; what it said stands above.")
        return Answers(**json.loads(told))


def ask(job: Job) -> Answers:
    return Load(job).answers()


@contextmanager
def _asking(job: Job) -> Iterator[Load]:
    load = Load(job)
    try:
        yield load
    except BaseException:
        load.process.kill()
        raise


# --- telling ----------------------------------------------------------------------------------------------------------


def _print_table(found: dict[str, Any]) -> None:
    headings = ("p50 ms", "p95 ms", "p99 ms", "req/s, 1", "req/s, 8", "cpu ms")
    print(f"{'case':<16}" + "".join(f"{heading:>11}" for heading in headings))
    for name, row in found.items():
        if isinstance(row, dict) and "p50_ms" in row:
            print(f"{name:<16}" + "".join(f"{value:>11.2f}" for value in row.values()))
    for said, when in WEIGHED.items():
        ours, without = (found[f"worker_mb{part}{when}"] for part in ("", "_without_recommender"))
        print(f"worker {said}: {ours:.0f} MB; without the recommender {without:.0f} MB")
    for name, value in found["ratios"].items():
        print(f"{name.replace('_', ' ')}: {value:.2f}")
    if swaps := found.get("promotions"):
        print(
            f"{swaps['swaps']} swaps under load: {swaps['failed']} of {swaps['requests']:,} requests failed; p99 "
            f"{swaps['p99_ms']:.1f} ms (at rest {swaps['p99_ms_at_rest']:.1f}), slowest {swaps['slowest_ms']:.0f} ms "
            f"(at rest {swaps['slowest_ms_at_rest']:.0f})"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each case, client count and round")
    parser.add_argument("--promotions", type=int, default=0, metavar="N", help="also swap models N times under load")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
