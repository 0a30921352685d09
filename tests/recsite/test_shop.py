"""What `make shop` does: an empty shop with an admin account, beside the demo's and not in it."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from customers.models import Customer, Purchase
from customers.seeding import ShopSize, seed_shop

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def debug(settings, db):
    settings.DEBUG = True


def test_the_admin_account_signs_in_and_its_password_is_printed_once(debug, client, capsys):
    call_command("shop", "--no-serve")
    printed = capsys.readouterr().out
    name, password = re.search(r"Admin account: (\w+), with password (\S+)\. ", printed).groups()
    assert client.login(username=name, password=password)
    assert client.get("/admin/").status_code == 200
    assert "The shop is empty." in printed
    assert "manage.py import_purchases FILE" in printed
    assert not Customer.objects.exists()

    call_command("shop", "--no-serve")
    printed = capsys.readouterr().out
    assert "manage.py changepassword admin" in printed
    assert "password " not in printed.replace("changepassword", "").replace("another password", "")
    assert client.login(username=name, password=password), "a second start changes no password"
    assert User.objects.count() == 1


def test_a_shop_that_has_purchases_is_not_called_empty(debug, capsys):
    seed_shop(size=ShopSize(customers=3, products=4, purchases=10, seed=3), until=timezone.now())
    call_command("shop", "--no-serve")
    assert f"The shop has {Purchase.objects.count()} purchases." in capsys.readouterr().out


def test_a_database_url_with_a_password_is_not_printed(debug, capsys, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://shop:secret@db/shop")
    call_command("shop", "--no-serve")
    assert "secret" not in capsys.readouterr().out


def test_no_password_is_printed_in_production(settings, db):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="runs with DEBUG=1 only"):
        call_command("shop", "--no-serve")
    assert not User.objects.exists()


def test_make_shop_keeps_to_a_database_of_its_own(tmp_path):
    """What make hands to `manage.py`, seen by a stand-in for Python; `-o` leaves the environment as it is."""
    stand_in = tmp_path / "python"
    stand_in.write_text('#!/bin/sh\necho "$DATABASE_URL $VAR_DIR $*"\n')
    stand_in.chmod(0o755)
    command = ["make", "-s", "-o", ".venv/site.stamp", f"BIN={tmp_path}", "ARGS=--no-serve", "shop"]

    def handed_over(**variables: str) -> str:
        environment = {"PATH": os.environ["PATH"], **variables}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    shop = ROOT / "var" / "shop"
    assert handed_over() == f"sqlite:///{shop}/db.sqlite3 {shop} manage.py shop --no-serve"
    mine = {"DATABASE_URL": "postgres://db/mine", "VAR_DIR": "/srv/mine"}
    assert handed_over(**mine) == "postgres://db/mine /srv/mine manage.py shop --no-serve"
