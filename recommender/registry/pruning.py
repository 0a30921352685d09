"""Which bundles make room for new ones. The rows of versions stay: what was measured, promoted and why is the audit."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from recommender.models import Arm, Experiment, ModelVersion, TrainingRun
from recommender.registry.promotion import bundle_folder, live_version, version_below

log = structlog.get_logger("recommender.registry.pruning")

KEPT = 10
# What a process that died may have left behind is as old as this before it is taken for that.
LEFT_BEHIND = 24 * 3600.0  # seconds
OURS = re.compile(r"\.?\d{8}-\d{6}-(?P<run>\d+)(\.|$)")  # a bundle of a run, or the beginnings of one


def prune_bundles(*, keep: int | None = None) -> list[str]:
    """Remove old bundles and what died with its process; back come the names of what was removed.

    The live version, the one below it, those of a running experiment, and the `keep` newest (the setting
    RECOMMENDER_KEEP_BUNDLES, 10) are kept.
    """
    keep = getattr(settings, "RECOMMENDER_KEEP_BUNDLES", KEPT) if keep is None else keep
    newest = set(ModelVersion.objects.order_by("-pk").values_list("pk", flat=True)[:keep])
    old = ModelVersion.objects.filter(pruned=None).exclude(pk__in=newest).order_by("pk")
    removed = [version.name for version in old if _prune(version)]
    removed += _remove_leavings()
    if removed:
        log.info("bundles_pruned", removed=removed)
    return removed


def _prune(version: ModelVersion) -> bool:
    """Remove the bundle of a version unless it serves, to some people at least, or would after a roll back."""
    with transaction.atomic():
        # Whoever promotes this version holds the same row: it is promoted or pruned, never both.
        ModelVersion.objects.select_for_update().get(pk=version.pk)
        in_experiment = Arm.objects.filter(version=version, experiment__state=Experiment.State.RUNNING).exists()
        if in_experiment or version in (live_version(), version_below()):
            return False
        folder = bundle_folder(version.name)
        gone = folder.with_name(f".{folder.name}.pruned")
        if folder.exists():
            folder.rename(gone)  # in one step: no process ever opens half of it
        ModelVersion.objects.filter(pk=version.pk).update(pruned=timezone.now())
    shutil.rmtree(gone, ignore_errors=True)
    return True


def _remove_leavings() -> list[str]:
    """Bundles that no version is of, half-written ones, and the working files of runs that have ended."""
    root = Path(settings.BUNDLE_ROOT)
    active = TrainingRun.objects.active().first()
    known = set(ModelVersion.objects.filter(pruned=None).values_list("name", flat=True))
    found = [
        folder
        for folder in (root.iterdir() if root.is_dir() else ())
        if (match := OURS.match(folder.name))
        and folder.name not in known
        and not (active and int(match["run"]) == active.pk)
    ]
    work = root / ".work"
    found += [
        folder
        for folder in (work.iterdir() if work.is_dir() else ())
        if not TrainingRun.objects.filter(pk=_run_of(folder), state__in=TrainingRun.ACTIVE).exists()
    ]
    removed = []
    for folder in found:
        if time.time() - folder.stat().st_mtime > LEFT_BEHIND:
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder.name)
    return removed


def _run_of(folder: Path) -> int:
    """The run whose working files a folder holds; 0, which no run has, where the name says none."""
    number = folder.name.lstrip(".").split(".")[0]
    return int(number) if number.isdecimal() else 0
