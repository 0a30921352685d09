"""The two foreign projects: `make examples` runs them whole; here is what needs no environment of theirs."""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = {"oscar": "shop", "library": "library"}
DOORS = {"recommender.celery", "recommender.serving", "recommender.source", "recommender.source.declaration"}
MOST_GLUE_OF_OSCAR = 40


def module(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


checking = module("checking", ROOT / "examples" / "checking.py")
audit = module("audit", ROOT / ".ci" / "audit.py")


def glue_of(example: str) -> int:
    return sum(checking.count_glue(ROOT / "examples" / example / PROJECTS[example]).values())


def test_glue_is_what_stands_between_the_marks_without_comments_and_empty_lines(tmp_path):
    (tmp_path / "settings.py").write_text("A = 1\n# >>> recommender\nB = 2\n\n# why\nC = 3\n# <<< recommender\nD = 4\n")
    (tmp_path / "page.html").write_text(
        "{# >>> recommender #}\n{% load recommendations %}\n{# <<< recommender #}\n<p>\n"
    )
    (tmp_path / "models.py").write_text("class Song: ...\n")
    assert checking.count_glue(tmp_path) == {"page.html": 1, "settings.py": 2}


def test_oscar_takes_at_most_forty_lines_of_glue():
    assert 0 < glue_of("oscar") <= MOST_GLUE_OF_OSCAR


@pytest.mark.parametrize("example", PROJECTS)
def test_the_readme_says_how_many_lines_and_steps_there_are(example):
    text = (ROOT / "examples" / example / "README.md").read_text(encoding="utf-8")
    assert f"**{glue_of(example)} lines**" in text
    steps = re.findall(r"^(\d+)\. ", text, re.MULTILINE)
    assert steps == [str(number) for number in range(1, len(steps) + 1)]
    assert f"{len(steps)} steps" in text


def test_plugging_in_says_the_same_numbers():
    text = (ROOT / "docs" / "plugging_in.md").read_text(encoding="utf-8")
    assert f"a shop of django-oscar in {glue_of('oscar')} lines" in text
    assert f"a German library of two branches in {glue_of('library')}" in text


@pytest.mark.parametrize("example", PROJECTS)
def test_a_mark_that_is_opened_is_closed(example):
    for path in (ROOT / "examples" / example / PROJECTS[example]).rglob("*"):
        if path.suffix in checking.GLUE_SUFFIXES:
            text = path.read_text(encoding="utf-8")
            assert text.count(checking.GLUE_BEGINS) == text.count(checking.GLUE_ENDS), path


@pytest.mark.parametrize("example", PROJECTS)
def test_an_example_knows_the_doors_that_the_docs_name_and_nothing_of_the_demo_shop(example):
    met = set()
    for path in (ROOT / "examples" / example / PROJECTS[example]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                met.add(node.module)
            elif isinstance(node, ast.Import):
                met |= {alias.name for alias in node.names}
    assert {name for name in met if name.split(".")[0] == "recommender"} <= DOORS
    assert not {name for name in met if name.split(".")[0] in {"recsite", "customers", "catalog"}}


def test_a_check_that_does_not_hold_is_said_and_ends_the_run_with_an_error(capsys):
    tally = checking.Tally()
    tally.holds("water is wet", True)
    tally.close()
    tally.holds("the moon is cheese", False, "rock")
    with pytest.raises(SystemExit, match="1 of the checks failed"):
        tally.close()
    assert "FAIL  the moon is cheese: rock" in capsys.readouterr().out


def test_a_hit_is_a_list_with_one_of_the_things_that_somebody_takes_next():
    wanted = {"ann": ["1", "2"], "bob": ["3"], "cy": [4], "left": []}
    lists = {"ann": ["9", "2"], "bob": ["9"], "cy": ["4"]}
    assert checking.hit_rate(wanted, lists.__getitem__) == pytest.approx(2 / 3)


def test_the_pins_of_the_examples_are_exact_audited_and_in_nobody_s_way():
    """read_pins refuses a line that pins nothing, and a version that another list contradicts."""
    lists = audit.requirement_lists()
    assert {ROOT / "examples" / example / "requirements.txt" for example in PROJECTS} < set(lists)
    names = {pin.name for pin in audit.read_pins(lists)}
    assert {"django", "django-oscar", "djangorestframework-simplejwt"} <= names
