"""requirements*.txt, compiled from pyproject.toml: `make requirements`.

    python .ci/requirements.py [--upgrade NAME ...]   resolve with pip and write; pins stay, but for NAME (or all)
    python .ci/requirements.py --check                are the files those of this pyproject.toml? Needs no network.

Ranges stand in pyproject.toml alone. A list that starts with `-r` holds only what it needs on top of that one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
DIGEST = "# of pyproject.toml's dependencies: "


@dataclass(frozen=True)
class RequirementsList:
    """One file. extras, groups : of pyproject.toml. below : the lists that it is on top of, nearest first."""

    file: str
    purpose: str
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    below: tuple[str, ...] = ()


LISTS = (
    RequirementsList(
        "requirements.txt",
        "What the demo site, its workers and the engine run on.",
        extras=("admin", "api", "metrics", "mysql", "postgres", "tasks", "train"),
        groups=("demo",),
    ),
    RequirementsList(
        "requirements-milvus.txt",
        "What RETRIEVAL_ADDRESS needs: the client of a Milvus server.",
        extras=("milvus",),
        below=("requirements.txt",),
    ),
    RequirementsList(
        "requirements-dev.txt",
        "What tests, lint, audits and the wheel need.",
        groups=("dev",),
        below=("requirements.txt", "requirements-milvus.txt"),
    ),
    RequirementsList(
        "requirements-bench.txt",
        "What the benchmarks' peers need.",
        groups=("bench",),
        below=("requirements.txt",),
    ),
)


class RequirementsError(Exception):
    """The lists cannot be compiled, or are out of date; the message says what to do."""


# --- what pyproject.toml says -----------------------------------------------------------------------------------------


def read_pyproject(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def digest(pyproject: dict) -> str:
    """Differs whenever a dependency, an extra or a group does; comments and order do not matter."""
    project = pyproject["project"]
    tables = {"": project["dependencies"], **project["optional-dependencies"], **pyproject["dependency-groups"]}
    said = {name: sorted(str(Requirement(one)) for one in table) for name, table in tables.items()}
    said["python"] = [project["requires-python"]]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def direct_requirements(pyproject: dict, one: RequirementsList) -> list[Requirement]:
    """What a list is asked for, of its own extras and groups. The list at the bottom has the core dependencies too."""
    tables = [] if one.below else [pyproject["project"]["dependencies"]]
    tables += [pyproject["project"]["optional-dependencies"][extra] for extra in one.extras]
    tables += [pyproject["dependency-groups"][group] for group in one.groups]
    wanted = [Requirement(text) for table in tables for text in table]
    return [one for one in wanted if canonicalize_name(one.name) != canonicalize_name(pyproject["project"]["name"])]


def read_pins(path: Path) -> dict[str, str]:
    """Canonical name -> version, of one file."""
    if not path.exists():
        return {}
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


# --- compiling --------------------------------------------------------------------------------------------------------


def resolve(root: Path, one: RequirementsList, constraints: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Canonical name -> (name, version) of all that a list and those below it need, as pip chooses."""
    parts = [one, *(below for below in LISTS if below.file in one.below)]
    extras = ",".join(sorted({extra for part in parts for extra in part.extras}))
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    command += ["--no-build-isolation", f"{root}[{extras}]"]
    for group in sorted({group for part in parts for group in part.groups}):
        command += ["--group", f"{root}/pyproject.toml:{group}"]
    with TemporaryDirectory() as folder:
        kept = Path(folder, "constraints.txt")
        kept.write_text("".join(f"{name}=={version}\n" for name, version in constraints.items()))
        done = subprocess.run([*command, "--constraint", str(kept)], capture_output=True, text=True)
    if done.returncode:
        raise RequirementsError(f"{one.file}: pip found no solution.\n{done.stderr.strip()}")
    chosen = {}
    for row in json.loads(done.stdout)["install"]:
        name, version = row["metadata"]["name"], row["metadata"]["version"]
        # A local version (2.13.0+cpu) is this machine's build of a public one.
        chosen[canonicalize_name(name)] = (name, version.partition("+")[0])
    return chosen


def write_lists(root: Path, upgraded: Iterable[str]) -> None:
    pyproject = read_pyproject(root)
    project = canonicalize_name(pyproject["project"]["name"])
    released = {canonicalize_name(name) for name in upgraded}
    pins = {name: version for one in LISTS for name, version in read_pins(root / one.file).items()}
    constraints = {} if "all" in released else {name: pin for name, pin in pins.items() if name not in released}
    chosen_by_file: dict[str, set[str]] = {}
    for one in LISTS:
        chosen = resolve(root, one, constraints)
        constraints |= {name: version for name, (_, version) in chosen.items() if name != project}
        chosen_by_file[one.file] = set(chosen)
        below = {project}.union(*(chosen_by_file[file] for file in one.below))
        direct = {canonicalize_name(requirement.name) for requirement in direct_requirements(pyproject, one)}
        lines = {name: f"{shown}=={version}" for name, (shown, version) in chosen.items() if name not in below}
        (root / one.file).write_text(text_of(one, digest(pyproject), lines, direct), encoding="utf-8")


def text_of(one: RequirementsList, digest_now: str, lines: dict[str, str], direct: set[str]) -> str:
    """A file's text. lines : canonical name -> `name==version`. direct : the names that pyproject.toml has."""
    asked = [lines[name] for name in sorted(lines) if name in direct]
    needed = [lines[name] for name in sorted(lines) if name not in direct]
    head = [f"# {one.purpose} Compiled from pyproject.toml by `make requirements`.", DIGEST + digest_now]
    text = [*head, *(f"-r {file}" for file in one.below), "", *asked]
    return "\n".join([*text, "", "# needed by the above", *needed] if needed else text) + "\n"


# --- checking ---------------------------------------------------------------------------------------------------------


def problems(root: Path) -> list[str]:
    """What is out of date, as sentences; empty where the files are those of pyproject.toml."""
    pyproject = read_pyproject(root)
    found = []
    for one in LISTS:
        path = root / one.file
        below = {name: version for file in one.below for name, version in read_pins(root / file).items()}
        if not path.exists() or f"{DIGEST}{digest(pyproject)}\n" not in path.read_text(encoding="utf-8"):
            found.append(f"{one.file} was compiled from another pyproject.toml: run `make requirements`.")
        pins = read_pins(path)
        found += [
            f"{one.file} pins {name}, and a list below it does, too: run `make requirements`."
            for name in sorted(pins.keys() & below.keys())
        ]
        for wanted in direct_requirements(pyproject, one):
            pin = (below | pins).get(canonicalize_name(wanted.name))
            if pin is None or Version(pin) not in wanted.specifier:
                found.append(f"{one.file} pins {wanted.name} at {pin or 'nothing'}, pyproject.toml wants {wanted}.")
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where a file is out of date")
    parser.add_argument(
        "--upgrade", nargs="+", default=[], metavar="NAME", help="take the newest of these; all: of all"
    )
    options = parser.parse_args(arguments)
    try:
        if options.check:
            found = problems(ROOT)
            if found:
                raise RequirementsError("\n".join(found))
        else:
            write_lists(ROOT, options.upgrade)
    except RequirementsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
