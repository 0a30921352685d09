"""The admin of a project without django-unfold: the tests of its pages pass in Django's own look, too."""

import os
import shutil
import subprocess
import sys

import pytest

from recommender.admin import look
from recommender.looks import UNFOLD
from recommender.looks import look as present_look
from tests.conftest import ROOT

HERE = "tests/recommender/admin"
IN_OTHER_LANGUAGES = "tests/test_translations.py"
IN_A_BROWSER = "tests/browser/test_every_page_of_the_admin.py"


@pytest.mark.skipif(present_look() != UNFOLD, reason="These are the tests that it runs.")
@pytest.mark.parametrize("tests", [HERE, IN_OTHER_LANGUAGES, pytest.param(IN_A_BROWSER, marks=pytest.mark.browser)])
def test_every_page_works_in_djangos_own_admin(tests, tmp_path):
    if tests == IN_A_BROWSER and not shutil.which("chromium"):
        pytest.skip("There is no Chromium here.")
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "REDIS_URL": ""}
    command = [sys.executable, "-m", "pytest", "-q", "--ds=tests.plain.settings", "-p", "no:cacheprovider", tests]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:]


def test_both_looks_offer_the_pages_the_same_names():
    from recommender.admin.look import plain, with_unfold

    for module in (plain, with_unfold):
        assert [name for name in names_of(look) if not hasattr(module, name)] == []


def names_of(module) -> list[str]:
    """The names that the pages import: all but the modules and what chooses between the looks."""
    return [
        name
        for name in vars(module)
        if not name.startswith("_") and name not in ("plain", "with_unfold", "UNFOLD", "look")
    ]
