"""Old bundles are removed to make room. The rows of versions stay, as the audit of reports and promotions."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from recommender.models import Arm, Experiment, ModelVersion, TrainingRun
from recommender.registry.promotion import anchor_version, live_version, rollback_version
from recommender.registry.storage import remove_bundle, remove_orphans

log = structlog.get_logger("recommender.registry.pruning")

KEEP_BUNDLES = 10


def prune_bundles(*, keep: int | None = None) -> list[str]:
    """Remove old bundles and files of processes that died; back come the names of what was removed.

    The live version, the one that a roll back would make live, the best one so far, those of a running experiment, and
    the `keep` newest (the setting RECOMMENDER_KEEP_BUNDLES, 10) stay.
    """
    keep = getattr(settings, "RECOMMENDER_KEEP_BUNDLES", KEEP_BUNDLES) if keep is None else keep
    newest = set(ModelVersion.objects.order_by("-pk").values_list("pk", flat=True)[:keep])
    old = ModelVersion.objects.filter(pruned=None).exclude(pk__in=newest).order_by("pk")
    removed = [version.name for version in old if _prune(version)]
    versions = set(ModelVersion.objects.filter(pruned=None).values_list("name", flat=True))
    removed += remove_orphans(versions, set(TrainingRun.objects.active().values_list("pk", flat=True)))
    if removed:
        log.info("bundles_pruned", removed=removed)
    return removed


def _prune(version: ModelVersion) -> bool:
    """Remove the bundle of a version, unless it serves, would after a roll back, or is the best so far."""
    with transaction.atomic():
        # A promotion of this version locks the same row: it is promoted or pruned, never both.
        ModelVersion.objects.select_for_update().get(pk=version.pk)
        in_experiment = Arm.objects.filter(version=version, experiment__state=Experiment.State.RUNNING).exists()
        if in_experiment or version in (live_version(), rollback_version(), anchor_version()):
            return False
        ModelVersion.objects.filter(pk=version.pk).update(pruned=timezone.now())
        remove_bundle(version.name)
    return True
