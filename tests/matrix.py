"""The app's own tests on other versions of Python and Django: `make matrix`.

    python -m tests.matrix                        every cell, each in an environment of its own under var/matrix
    python -m tests.matrix --only 3.13/6.1 -k tags    one cell; what is not known here goes to pytest

The packages are those of requirements*.txt but for Django, and for what lint and audits need. A cell without its
interpreter on this machine is told as that, which is an error under CI=true.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "var" / "matrix"
# Django's versions that pyproject.toml allows, each on the oldest and the newest Python that it and the torch of
# requirements.txt have wheels for. Django 6 takes Python 3.12 and newer.
CELLS = ("3.11/5.2", "3.13/5.2", "3.12/6.0", "3.13/6.1")
NEEDED_BY_TESTS = ("pytest", "pytest-django", "pytest-xdist", "execnet", "iniconfig", "pluggy", "Pygments")


@dataclass(frozen=True)
class Outcome:
    """What came of a cell. versions : of Python, Django and torch.   problem : why its tests were not run."""

    cell: str
    versions: str = ""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    problem: str = ""

    def row(self) -> str:
        said = self.problem or f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"
        return f"| {self.cell} | {self.versions} | {said} | {self.seconds:.0f} |"


def run_cell(cell: str, arguments: list[str]) -> Outcome:
    """The tests of a cell, in its environment, which is made where it is missing or of other packages."""
    python, django = cell.split("/")
    interpreter = interpreter_of(python)
    if interpreter is None:
        return Outcome(cell, problem=f"not run: there is no Python {python} here")
    home = FOLDER / f"python{python}-django{django}"
    problem = install(interpreter, home, f"Django~={django}.0")
    if problem:
        return Outcome(cell, problem=f"not run: {problem}")
    result, began = home / "result.xml", time.monotonic()
    result.unlink(missing_ok=True)
    options = ["-n", "2", "--dist", "worksteal", f"--junit-xml={result}", "-p", "no:cacheprovider"]
    command = [home / "bin" / "python", "-m", "pytest", *options, "tests/recommender", *arguments]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    seconds = time.monotonic() - began
    if not result.exists():
        return Outcome(cell, versions(home), seconds=seconds, problem="failed: pytest wrote no result")
    counts = {name: int(value) for name, value in ElementTree.parse(result).getroot()[0].items() if value.isdecimal()}
    failed = counts["failures"] + counts["errors"]
    passed = counts["tests"] - failed - counts["skipped"]
    return Outcome(cell, versions(home), passed, failed, counts["skipped"], seconds)


def interpreter_of(python: str) -> str | None:
    """The newest interpreter of a version like "3.13", on the PATH or of pyenv."""
    of_pyenv = sorted(Path.home().glob(f".pyenv/versions/{python}.*/bin/python"))
    return shutil.which(f"python{python}") or (str(of_pyenv[-1]) if of_pyenv else None)


def pins() -> list[str]:
    """What a cell installs beside Django: all that the site runs on, and what its tests need."""
    of_file = {file: file.read_text(encoding="utf-8").splitlines() for file in sorted(ROOT.glob("requirements*.txt"))}
    wanted = list(of_file[ROOT / "requirements.txt"])
    wanted += [line for lines in of_file.values() for line in lines if line.partition("==")[0] in NEEDED_BY_TESTS]
    pinned = dict.fromkeys(line for line in wanted if "==" in line and not line.startswith(("#", "Django==")))
    # A local build (torch's without CUDA) is of one Python.
    return [line.partition("+")[0] for line in pinned]


def install(interpreter: str, home: Path, django: str) -> str:
    """Make the environment of a cell; why that failed, "" where it did not.

    torch first, with what this Python needs of it; then the pins as they are: a package of the demo site that does not
    allow a Django yet, by its own word, is tried with it all the same.
    """
    packages = [*pins(), django]
    stamp, digest = home / "packages.sha256", hashlib.sha256("\n".join(packages).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return ""
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([interpreter, "-m", "venv", home], check=True)
    pip = [home / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    torch = next(line for line in packages if line.startswith("torch=="))
    for step in ([torch], ["--no-deps", *(line for line in packages if line != torch)]):
        ran = subprocess.run([*pip, *step], capture_output=True, text=True, check=False)
        if ran.returncode:
            return ran.stderr.strip().splitlines()[-1]
    stamp.write_text(digest)
    return ""


def versions(home: Path) -> str:
    code = "import sys, django, torch; print(sys.version.split()[0], django.__version__, torch.__version__, sep=', ')"
    return subprocess.run([home / "bin" / "python", "-c", code], capture_output=True, text=True).stdout.strip()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(CELLS), choices=CELLS, metavar="PYTHON/DJANGO")
    options, to_pytest = parser.parse_known_args(arguments)
    outcomes = [run_cell(cell, to_pytest) for cell in options.only]
    print("| Python/Django | versions | outcome | seconds |\n|---|---|---|---|")
    print("\n".join(outcome.row() for outcome in outcomes))
    missing = os.environ.get("CI") == "true" and any(outcome.problem for outcome in outcomes)
    return int(missing or any(outcome.failed or outcome.problem.startswith("failed") for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
