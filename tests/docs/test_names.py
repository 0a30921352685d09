"""What README and docs name is there: files, commands, make targets, settings, addresses, links."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name

import pytest
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from recommender.engine.config import TrainConfig
from recommender.serving import FALLBACK_REASONS, KINDS, UNRATED_REASONS
from tests.docs.blocks import PAGES as DOCS
from tests.docs.blocks import ROOT

PAGES = [*DOCS, "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
FILES = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts}
FOLDERS = {str(parent) for name in FILES for parent in Path(name).parents}


def is_there(name: str) -> bool:
    """A file or a folder by its path from the root, or by the end of one."""
    return any(path == name.rstrip("/") or path.endswith(f"/{name.rstrip('/')}") for path in FILES | FOLDERS)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_is_there(page):
    named = set(re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|html|toml|md))`", TEXTS[page]))
    named |= set(re.findall(r"`((?:recommender|recsite|catalog|customers|tests|benchmarks|docs)/[\w/]*)`", TEXTS[page]))
    made = {"music/source.py", "music/settings.py", "music/urls.py"}  # by the reader of plugging_in.md
    assert sorted(name for name in named - made if not is_there(name)) == []


def test_the_change_requests_name_files_that_are_there_and_count_them():
    table = TEXTS["docs/contributing.md"].partition("## What is changed where")[2]
    rows = re.findall(r"^\| (.*) \| (.*) \| (\d+) \|$", table, re.MULTILINE)
    assert len(rows) == 15
    for wanted, files, number in rows:
        named = re.findall(r"`([^`]*/[^`]*)`", files)
        assert len(named) == int(number), f"{wanted}: {len(named)} files are named, {number} are counted"
        for name in named:
            folder, new, _ = name.partition("<name>")
            folder = "recommender/" if "locale/" in folder else folder  # the first language makes the folder
            assert (ROOT / (folder if new else name)).exists(), f"{wanted}: {name}"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?://)([^)#]*)(?:#[^)]*)?\)", TEXTS[page]):
        assert not target or (ROOT / page).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_every_anchor_is_a_heading(page):
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]*)\)", TEXTS[page]):
        there = (ROOT / page).parent.joinpath(target) if target else ROOT / page
        headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_there(page):
    commands = set(re.findall(r"manage\.py ([a-z_]+)", TEXTS[page]))
    assert commands <= get_commands().keys() | {"startproject"}


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_is_there(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)\b[^`\n]*`", TEXTS[page])) <= targets


@pytest.mark.parametrize("page", PAGES)
def test_every_name_of_the_code_is_there(page):
    """`recommender.room.name` and `room.name(...)`, as one would import it."""
    named = re.findall(r"`((?:recommender|recsite|catalog|customers)(?:\.[a-z_]\w*)+)(?:\([^`]*\))?`", TEXTS[page])
    permissions = {name for name in named if re.fullmatch(r"recommender\.[a-z]+_[a-z_]+", name)}
    for name in set(named) - permissions:
        if not name.endswith((".py", ".html")):
            resolve_name(name)  # ImportError or AttributeError where there is no such thing


def test_every_variable_of_the_settings_is_in_operations_and_the_other_way_round():
    settings = (ROOT / "recsite" / "settings.py").read_text(encoding="utf-8") + "".join(
        (ROOT / name).read_text(encoding="utf-8") for name in ("recsite/logs.py", "recsite/database.py")
    )
    read = set(re.findall(r"env\.\w+(?:\.get)?\(\s*\"([A-Z_]+)\"", settings))
    read |= set(re.findall(r"\"([A-Z_]+)\": env\.\w+", settings))
    table = TEXTS["docs/operations.md"].partition("## Settings")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \|", table, re.MULTILINE)
    assert read - set(re.findall(r"`([A-Z_]+)`", table)) == set()
    assert {name for row in rows for name in re.findall(r"[A-Z_]+", row)} - read == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_address_of_the_api_is_there(page):
    text = TEXTS[page]
    named = set(re.findall(r"(?:GET|POST|PUT|PATCH|DELETE) (/?[\w/{}.,-]+)", text))
    for address in named:
        path = address if address.startswith("/") else f"/api/v1/{address}"
        path = re.sub(r"\{[^}]*\}", "1", path)
        try:
            found = resolve(path)
        except Resolver404:
            pytest.fail(f"{address} is no address")
        assert found.view_name != "catch-all"
        assert "NoSuchAddress" not in repr(found.func), f"{address} is no address of the API"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_list_is_described(kind):
    api, pages = TEXTS["docs/api.md"], TEXTS["docs/plugging_in.md"]
    assert re.sub(r"<\w+:(\w+)>", r"{\1}", kind.path) in api
    assert f"`{kind.source}`" in api
    assert f"`{kind.tag}`" in pages


def test_every_fallback_reason_is_explained():
    missing = [reason for reason in (*FALLBACK_REASONS, *UNRATED_REASONS) if f"`{reason}`" not in TEXTS["docs/api.md"]]
    assert missing == []


def test_every_error_that_pages_name_is_there():
    """`manage.py check` and the log: ids and events, as the code has them."""
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("rec*/**/*.py"))
    for page, text in TEXTS.items():
        for name in re.findall(r"`((?:recsite|recommender)\.[EWI]\d+)`", text):
            room, _, number = name.partition(".")
            assert number in code or number[1:] in code, f"{page}: {room} has no check {number}"


def test_the_settings_of_a_run_that_are_named_are_there():
    named = set(re.findall(r"TrainConfig\((\w+)=", "".join(TEXTS.values())))
    assert named <= set(TrainConfig.__dataclass_fields__)


def test_every_page_of_docs_is_reached_from_the_readme():
    linked = set(re.findall(r"\]\((docs/[\w.]+\.md)\)", TEXTS["README.md"]))
    assert {page for page in DOCS if page.startswith("docs/")} == linked


def test_what_is_not_there_is_found():
    assert not is_there("recommender/nothing.py")
    assert not is_there("recommender/nothing/")
    assert is_there("training/gate.py")
    assert is_there("recommender/serving/")
