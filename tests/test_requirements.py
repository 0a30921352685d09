"""requirements*.txt are those of pyproject.toml, and where they are not `make lint` says what to do."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_spec = importlib.util.spec_from_file_location("requirements", ROOT / ".ci" / "requirements.py")
requirements = sys.modules["requirements"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(requirements)

FILES = sorted(path.name for path in ROOT.glob("requirements*.txt"))


@pytest.fixture
def tree(tmp_path) -> Path:
    for name in ("pyproject.toml", *FILES):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_lists_are_those_of_pyproject(tree):
    assert requirements.problems(tree) == []
    assert sorted(one.file for one in requirements.LISTS) == FILES


def test_torch_is_pinned_exactly_and_no_list_names_an_index(tree):
    assert requirements.read_pins(tree / "requirements.txt")["torch"] == "2.13.0"
    for name in FILES:
        assert not re.search(r"://|--(extra-)?index|--find-links|\+cpu", (tree / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"structlog>=24.1",', '"structlog>=24.1", "rich",'),
        ('"optuna>=5,<6",', ""),
        ('"whitenoise>=6.12,<7",', '"whitenoise>=6.12,<8",'),
        ('requires-python = ">=3.11', 'requires-python = ">=3.12'),
    ],
)
def test_lists_of_another_pyproject_are_out_of_date(tree, old, new):
    change(tree / "pyproject.toml", old, new)
    said = requirements.problems(tree)
    assert {one.split()[0] for one in said if "`make requirements`" in one} == set(FILES)


def test_a_comment_or_a_setting_of_a_tool_changes_nothing(tree):
    change(tree / "pyproject.toml", "line-length = 120", "line-length = 100  # narrower")
    assert requirements.problems(tree) == []


def test_a_pin_out_of_its_range_is_named(tree):
    change(tree / "requirements.txt", "torch==2.13.0", "torch==1.13.0")
    (said,) = requirements.problems(tree)
    assert said == "requirements.txt pins torch at 1.13.0, pyproject.toml wants torch<3,>=2.13."


def test_a_pin_stands_in_one_list_alone(tree):
    change(tree / "requirements-dev.txt", "build==", "torch==2.13.0\nbuild==")
    (said,) = requirements.problems(tree)
    assert "requirements-dev.txt pins torch, and a list below it does, too" in said
