"""Where bundles lie: the one place that knows of BUNDLE_ROOT. Another store, such as an object store, begins here."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from django.conf import settings

# What a process that died may have left behind is as old as this before it is taken for that.
LEFT_BEHIND = 24 * 3600.0  # seconds
OURS = re.compile(r"\.?\d{8}-\d{6}-(?P<run>\d+)(\.|$)")  # a bundle of a run, or the beginnings of one


def bundle_folder(version: str) -> Path:
    return Path(settings.BUNDLE_ROOT) / version


def work_folder(run: int, attempt: int) -> Path:
    """Snapshot and checkpoints of a run, kept until it ends: a run whose process died goes on from them."""
    return _work() / f"{run}.{attempt}"


def remove_bundle(version: str) -> None:
    """In one step, so that no process ever opens half of it."""
    folder = bundle_folder(version)
    gone = folder.with_name(f".{folder.name}.pruned")
    if folder.exists():
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def remove_leavings(versions: Collection[str], active_runs: Collection[int]) -> list[str]:
    """Remove bundles that no version is of, half-written ones, and working files of runs that have ended; back come the
    names of what was removed.

    versions : names of those that have bundles.   active_runs : primary keys.
    """
    root, work = Path(settings.BUNDLE_ROOT), _work()
    leavings = [
        folder
        for folder in (root.iterdir() if root.is_dir() else ())
        if (match := OURS.match(folder.name)) and folder.name not in versions and int(match["run"]) not in active_runs
    ]
    leavings += [folder for folder in (work.iterdir() if work.is_dir() else ()) if _run_of(folder) not in active_runs]
    removed = []
    for folder in leavings:
        if time.time() - folder.stat().st_mtime > LEFT_BEHIND:
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder.name)
    return removed


def _work() -> Path:
    return Path(settings.BUNDLE_ROOT) / ".work"


def _run_of(folder: Path) -> int:
    """The run whose working files a folder holds; 0, which no run has, where the name says none."""
    number = folder.name.lstrip(".").split(".")[0]
    return int(number) if number.isdecimal() else 0
