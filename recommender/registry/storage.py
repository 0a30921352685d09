"""The files of bundles: the one place that knows BUNDLE_ROOT. Another store, such as an object store, begins here."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from django.conf import settings

ORPHAN_AGE_SECONDS = 24 * 3600.0  # younger files may belong to a process that lives
BUNDLE_NAME = re.compile(r"\.?\d{8}-\d{6}-(?P<run>\d+)(\.|$)")  # of a run, finished or not


def bundle_folder(version: str) -> Path:
    return bundle_root() / version


def work_folder(run: int, attempt: int) -> Path:
    """The folder of a run's snapshot and checkpoints, kept until it ends: the next attempt continues from them."""
    return _work() / f"{run}.{attempt}"


def bundle_root() -> Path:
    return Path(settings.BUNDLE_ROOT)


def remove_bundle(version: str) -> None:
    """Remove a bundle in one step, so that no process ever opens half of it."""
    folder = bundle_folder(version)
    renamed = folder.with_name(f".{folder.name}.pruned")
    if folder.exists():
        folder.rename(renamed)
    shutil.rmtree(renamed, ignore_errors=True)


def remove_orphans(versions: Collection[str], active_runs: Collection[int]) -> list[str]:
    """Remove bundles without a version, unfinished ones, and working files of runs that have ended; back come the names
    of what was removed.

    versions : names of those that have bundles.   active_runs : primary keys.
    """
    orphans = [
        folder
        for folder in _entries(Path(settings.BUNDLE_ROOT))
        if (match := BUNDLE_NAME.match(folder.name))
        and folder.name not in versions
        and int(match["run"]) not in active_runs
    ]
    orphans += [folder for folder in _entries(_work()) if _run_of(folder) not in active_runs]
    old = [folder for folder in orphans if time.time() - folder.stat().st_mtime > ORPHAN_AGE_SECONDS]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder.name for folder in old]


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _work() -> Path:
    return bundle_root() / ".work"


def _run_of(folder: Path) -> int:
    """The primary key of the run whose working files a folder holds; 0, which no run has, where the name has none."""
    number = folder.name.lstrip(".").split(".")[0]
    return int(number) if number.isdecimal() else 0
