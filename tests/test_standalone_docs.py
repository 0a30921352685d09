"""docs/standalone.md keeps its word: its example runs where nothing is installed but the three packages it names."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "standalone.md").read_text(encoding="utf-8")
INSTALLED = re.findall(r"([\w-]+)==", re.search(r"pip install (.*)", PAGE)[1])

# Runs before the example: what was not installed with the three cannot be found, as in a fresh environment.
ALONE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def with_what_they_need(packages: list[str]) -> set[str]:
    """These distributions and those that come along when they are installed."""
    found, waiting = set(), list(packages)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name not in found:
            found.add(name)
            needs = [need for need in requires(name) or [] if "extra ==" not in need]
            waiting += [re.match(r"[\w.-]+", need)[0] for need in needs]
    return found


def run(code: str, folder: Path) -> subprocess.CompletedProcess:
    there = with_what_they_need(INSTALLED)
    hidden = {
        module
        for module, owners in packages_distributions().items()
        if not {owner.lower().replace("_", "-") for owner in owners} & there
    }
    assert {"torch", "django", "pandas", "scipy", "tqdm"} <= hidden
    return subprocess.run(
        [sys.executable, "-c", ALONE.format(hidden=hidden) + code],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def folder(bundle, tmp_path):
    (tmp_path / "bundle").symlink_to(bundle)
    return tmp_path


def test_the_page_names_what_the_site_runs_on():
    assert INSTALLED == ["onnxruntime", "numpy", "pyarrow"]
    pinned = (ROOT / "requirements.txt").read_text().splitlines()
    assert set(re.findall(r"[\w-]+==[\w.]+", PAGE)) <= set(pinned)


def test_the_example_runs_with_the_three_packages_alone(folder):
    example = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    checks = """
assert [len(x) for x in (everything, newcomer, r.recommend_for_user(known))] == [5, 5, 5]
assert [len(x) for x in lists] == [5] * len(lists) and len(lists) == len(r.user_keys[:100])
assert 0 <= stars <= 5 and 0 <= guess <= 5
assert len(columns["user"]) == 3 * len(part)
assert not {"torch", "django", "pandas", "scipy"} & set(sys.modules)
"""
    done = run(example + checks, folder)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert len(printed) == 5
    assert all(re.fullmatch(r"P\d+: score -?[\d.]+, would rate it [0-5]\.\d+", line) for line in printed)


def test_what_is_hidden_cannot_be_imported(folder):
    for module in ("torch", "django", "pandas", "scipy.sparse"):
        done = run(f"import {module}", folder)
        assert f"No module named '{module.split('.')[0]}" in done.stderr
