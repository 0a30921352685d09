"""The suites of tests/foreign, a project that is not ours, pass for each kind of auth user and of keys.

Each is a process of its own: a project has one auth user.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOREIGN = Path(__file__).resolve().parents[2] / "foreign"


@pytest.mark.parametrize("users", ["integer", "uuid", "custom"], ids="{}_users".format)
def test_whoever_is_signed_in_is_the_customer_at_every_door(users):
    run("signed_in.py", users)


@pytest.mark.parametrize("users", ["integer", "uuid"], ids="{}_users".format)
def test_variants_guests_annotations_and_relations_of_other_projects_are_learned_and_listed(users):
    run("relations.py", users)


def test_long_keys_and_sites_without_sessions_or_users_break_no_page():
    run("keys.py", "custom")


def test_each_planted_mistake_is_said_by_check_with_the_line_to_write():
    run("planted_mistakes.py")


def run(suite: str, users: str = "integer") -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(FOREIGN / "pytest.ini"), str(FOREIGN / suite)]
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment |= {"FOREIGN_USER": users, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=FOREIGN.parents[1])
    assert done.returncode == 0, done.stdout[-8_000:]
