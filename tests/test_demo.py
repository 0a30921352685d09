"""What `make demo` does: a shop that answers, and processes of which none stays behind."""

import os
import signal
import socket
import sys
import threading
import time

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from customers.models import Customer
from customers.seeding import ShopSize
from recommender import training
from recommender.models import TrainingRun
from recsite import demo


@pytest.fixture
def small_shop(settings, tmp_path, monkeypatch):
    settings.DEBUG = True
    settings.BUNDLE_ROOT = tmp_path / "bundles"
    monkeypatch.setattr(demo, "SIZE", ShopSize(customers=150, products=60, purchases=2_500, seed=3))
    start = training.start_run
    monkeypatch.setattr(demo, "start_run", lambda parameters: start(parameters={**parameters, "epochs": 3}))


@pytest.mark.django_db(transaction=True)
def test_the_demo_ends_with_lists_ratings_and_a_live_model(small_shop, capsys):
    call_command("demo", "--no-serve")
    printed = capsys.readouterr().out
    run = TrainingRun.objects.get()
    assert run.state == "promoted"
    assert f"A model {run.version.name} is live." in printed
    for key in ("S3-C1", "S3-C2"):
        customer = Customer.objects.get(key=key)
        assert f"{customer.name} ({key}) lately bought: " in printed
    assert "only this is known: {'Age': 28" in printed
    lines = printed.splitlines()
    assert sum(line.startswith("    ") for line in lines) == 15  # three lists of five
    assert "S3-C1 would rate iPhone 14 (S3-P2): " in lines[-1]
    assert 0 <= float(lines[-1].split()[-3]) <= 5

    call_command("demo", "--no-serve")
    assert TrainingRun.objects.count() == 1, "a second demo trains nothing"
    assert "A model serves already" in capsys.readouterr().out


@pytest.mark.django_db
def test_the_logins_work_and_change_with_every_start(small_shop, client):
    Customer.objects.create(key="S3-C1", name="Ada")
    before, _ = demo.logins()
    admin, customer = demo.logins()
    assert not client.login(username=admin.name, password=before.password)
    assert client.login(username=admin.name, password=admin.password)
    assert client.get("/admin/").status_code == 200
    assert client.login(username=customer.name, password=customer.password)
    assert b"Hello, Ada" in client.get("/").content
    assert not User.objects.get(username=customer.name).is_staff


@pytest.mark.django_db
def test_no_demo_in_production(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="runs with DEBUG=1 only"):
        call_command("demo", "--no-serve")
    assert not User.objects.exists()


def test_a_port_in_use_is_one_sentence():
    with socket.socket() as taken:
        taken.bind((demo.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(demo.DemoRefused, match=rf"Port {port} of 127.0.0.1 cannot be used: .*--port"):
            demo.check_port(port)


def waiting(marker) -> list[str]:
    """A process that leaves its number and sleeps."""
    return [
        sys.executable,
        "-c",
        f"import os, time; open({str(marker)!r}, 'w').write(str(os.getpid())); time.sleep(60)",
    ]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def number_in(marker) -> int:
    for _ in range(200):
        if marker.exists() and marker.read_text():
            return int(marker.read_text())
        time.sleep(0.05)
    raise AssertionError("the process did not start")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_process(tmp_path, monkeypatch, end):
    markers = [tmp_path / "one", tmp_path / "two"]
    monkeypatch.setattr(demo, "processes", lambda port: {m.name: waiting(m) for m in markers})

    def when_both_run():
        for marker in markers:
            number_in(marker)
        os.kill(os.getpid(), end)

    said = demo.serve(0, ready=threading.Thread(target=when_both_run).start)
    assert said == "Stopped."
    assert not any(alive(number_in(marker)) for marker in markers)


def test_when_one_process_ends_the_others_do_not_go_on_alone(tmp_path, monkeypatch):
    marker = tmp_path / "one"
    failing = [
        sys.executable,
        "-c",
        f"import os, time\nwhile not os.path.exists({str(marker)!r}): time.sleep(.05)\nexit(3)",
    ]
    monkeypatch.setattr(demo, "processes", lambda port: {"site": waiting(marker), "worker": failing})
    said = demo.serve(0, ready=lambda: None)
    assert said == "The worker ended with status 3, so everything was stopped."
    assert not alive(number_in(marker))
