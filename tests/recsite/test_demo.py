"""What `make demo` does: a shop that answers, and processes of which none stays behind."""

import os
import re
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from customers.models import Customer
from customers.seeding import ShopSize, seed_shop
from recommender.models import TrainingRun
from recommender.training import runs
from recsite import demo, processes
from tests.ports import free_port


@pytest.fixture
def small_shop(settings, tmp_path, monkeypatch):
    settings.DEBUG = True
    settings.BUNDLE_ROOT = tmp_path / "bundles"
    monkeypatch.setattr(demo, "SIZE", ShopSize(customers=150, products=60, purchases=2_500, seed=3))
    start = runs.start_run
    monkeypatch.setattr(demo, "start_run", lambda parameters: start(parameters={**parameters, "epochs": 3}))


@pytest.mark.django_db(transaction=True)
def test_the_demo_ends_with_lists_ratings_and_a_live_model(small_shop, capsys):
    call_command("demo", "--no-serve")
    printed = capsys.readouterr().out
    run = TrainingRun.objects.get()
    assert run.state == "promoted"
    assert f"Model {run.version.name} is live." in printed
    for key in ("S3-C7", "S3-C8"):
        customer = Customer.objects.get(key=key)
        assert f"{customer.name} ({key}) lately bought\n" in printed
        assert f"\n           {customer.purchases.first().product.name}\n" in printed
    assert 'only {"Age": 28, ' in printed
    assert len(re.findall(r"^     [0-5]\.\d\d  .+ \(S3-P\d+\)$", printed, re.MULTILINE)) == 15  # three lists of five
    assert re.search(r"^S3-C7 would give iPhone 14 \(S3-P2\) [0-5]\.\d\d of 5\.$", printed, re.MULTILINE)

    call_command("demo", "--no-serve")
    assert TrainingRun.objects.count() == 1, "a second demo trains nothing"
    assert f"Model {run.version.name} is live." in capsys.readouterr().out


@pytest.mark.django_db
def test_the_logins_work_and_change_with_every_start(small_shop, client):
    Customer.objects.create(key="S3-C7", name="Ada")
    before, _ = demo.logins()
    admin, customer = demo.logins()
    assert not client.login(username=admin.name, password=before.password)
    assert client.login(username=admin.name, password=admin.password)
    assert client.get("/admin/").status_code == 200
    assert client.login(username=customer.name, password=customer.password)
    assert b"Hello, Ada" in client.get("/").content
    assert not User.objects.get(username=customer.name).is_staff


@pytest.mark.django_db
def test_a_database_with_another_shop_under_the_demos_keys_is_one_sentence(small_shop):
    seed_shop(size=ShopSize(customers=3, products=4, purchases=10, seed=3), until=timezone.now())
    with pytest.raises(CommandError, match="Seed 3 is in this database in another size"):
        call_command("demo", "--no-serve")


@pytest.mark.django_db
def test_no_demo_in_production(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="runs with DEBUG=1 only"):
        call_command("demo", "--no-serve")
    assert not User.objects.exists()


def test_a_port_in_use_is_one_sentence():
    with socket.socket() as taken:
        taken.bind((processes.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(processes.CannotServe, match=rf"Port {port} of 127.0.0.1 cannot be used: .*--port"):
            processes.check_port(port)


SITE = """
import http.server
class Alive(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", {port}), Alive).serve_forever()
"""
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with open({marker!r} + ".part", "w") as file:
    file.write(f"{{os.getpid()}} {{child.pid}}")
os.rename({marker!r} + ".part", {marker!r})
time.sleep(60)
"""


def python(source: str, **names: object) -> list[str]:
    return [sys.executable, "-c", source.format(**names)]


def alive(pid: int) -> bool:
    """Whether the process runs. One that ended and that nobody has asked after yet does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_process_and_what_it_started(tmp_path, monkeypatch, end):
    monkeypatch.setattr(processes, "END_SECONDS", 0.5)
    port, marker = free_port(), tmp_path / "worker"
    commands = {"site": python(SITE, port=port), "worker": python(STUBBORN, marker=str(marker))}

    def end_when_both_run():
        deadline = time.monotonic() + 20
        while not marker.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), end)

    assert processes.serve(commands, port, ready=end_when_both_run) == "Stopped."
    pids = [int(pid) for pid in marker.read_text().split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 5  # the kernel takes a moment to bury what was killed
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)
    processes.check_port(port)  # the site does not listen any more


def test_when_one_process_ends_the_others_do_not_go_on_alone():
    port = free_port()
    commands = {"site": python(SITE, port=port), "worker": python("import sys; sys.exit(3)")}
    with pytest.raises(processes.CannotServe, match="The worker ended with status 3; the rest was stopped"):
        processes.serve(commands, port, ready=lambda: None)
    processes.check_port(port)


def test_a_site_that_never_answers_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(processes, "START_SECONDS", 0.5)
    with pytest.raises(processes.CannotServe, match="did not answer within"):
        processes.serve({"site": python("import time; time.sleep(60)")}, free_port(), ready=lambda: None)
