"""The live version: promote another one, or roll back. One new row of Promotion changes it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import transaction
from django.utils import timezone

from recommender.engine.bundle.manifest import read_manifest
from recommender.engine.errors import BundleError
from recommender.engine.evaluation.segments import MIN_PEOPLE
from recommender.engine_words import error_words
from recommender.errors import TrainingError
from recommender.models import ModelVersion, Promotion
from recommender.notifications import notify_promotion
from recommender.registry.storage import bundle_folder
from recommender.source import get_source
from recommender.words import Words, columns

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

ANCHOR_DAYS = 30  # a bundle holds keys and histories of people who may have left since

log = structlog.get_logger("recommender.registry.promotion")


def live_version() -> ModelVersion | None:
    """The version that serves; None before the first promotion."""
    newest = Promotion.objects.select_related("version").first()
    return newest.version if newest else None


def anchor_version() -> ModelVersion | None:
    """The best version so far, beside which every new one is measured: the last that was proven better than the best
    before it, or that a person made live; of those of the last ANCHOR_DAYS. None where nothing was promoted in them.

    A tie with the live version may hide a loss that is too small to be seen. Beside a version that stays, they add up.
    """
    anchor = None
    since = timezone.now() - timedelta(days=ANCHOR_DAYS)
    promotions = Promotion.objects.filter(time__gte=since).order_by("pk")
    measured = ("version__report__users", "version__report__paired")
    for version, action, users, paired in promotions.values_list("version", "action", *measured):
        pairs = paired or {}  # without an anchor the live version was the best so far
        low = (pairs.get("anchor") or pairs.get("live") or {}).get("low")
        proven = low is not None and low > 0 and (users or 0) >= MIN_PEOPLE
        if anchor is None or proven or action != Promotion.Action.PROMOTE:
            anchor = version
    return None if anchor is None else ModelVersion.objects.get(pk=anchor)


def promote(
    *, version: ModelVersion, by: User | None = None, reason: Words | str = "", override: bool = False
) -> Promotion:
    """Make a version live. TrainingError when the gate refused it, unless `override` is set and a reason given."""
    action = Promotion.Action.PROMOTE
    if not version.passed_gate:
        action = Promotion.Action.OVERRIDE
        if not override:
            verdict = version.gate_words or Words("it was not judged.")
            raise TrainingError(
                Words("Version {version} was not let through: {verdict}", version=version.name, verdict=verdict)
            )
        if not reason.strip():
            raise TrainingError(
                Words("Say why version {version}, which was not let through, shall serve anyway.", version=version.name)
            )
    if live_version() == version:
        raise TrainingError(Words("Version {version} serves already.", version=version.name))
    return _make_live(version, action, by, reason)


def roll_back(*, by: User | None = None, reason: str = "") -> Promotion:
    """Make the version live that served before the present one; again, the one before that. TrainingError if none."""
    version = rollback_version()
    if version is None:
        raise TrainingError(Words("There is no earlier version to roll back to."))
    return _make_live(version, Promotion.Action.ROLL_BACK, by, reason)


def report_for(user: User | AnonymousUser, version: ModelVersion) -> dict[str, Any]:
    """The report of a version; without the sampled customers' lists for a user who may not look at customers."""
    may_see_samples = user.has_perm(get_source().may_see_customers)
    return {name: part for name, part in version.report.items() if name != "samples" or may_see_samples}


def rollback_version() -> ModelVersion | None:
    """The version that a roll back would make live: promotions stack versions, a roll back removes the top one."""
    stack: list[ModelVersion] = []
    for promotion in Promotion.objects.select_related("version").order_by("pk"):
        if promotion.action == Promotion.Action.ROLL_BACK:
            stack = stack[:-1] or [promotion.version]
        else:
            stack.append(promotion.version)
    return stack[-2] if len(stack) > 1 else None


def _make_live(version: ModelVersion, action: str, by: User | None, reason: Words | str) -> Promotion:
    with transaction.atomic():
        # Pruning locks the same row: the bundle of a live version is never removed.
        pruned = ModelVersion.objects.select_for_update().get(pk=version.pk).pruned
        if pruned:
            raise TrainingError(
                Words(
                    "Version {version} cannot serve: its bundle was removed on {day:date}.",
                    version=version.name,
                    day=pruned,
                )
            )
        try:
            read_manifest(bundle_folder(version.name))
        except BundleError as error:
            raise TrainingError(
                Words("Version {version} cannot serve: {error}", version=version.name, error=error_words(error))
            ) from None
        promotion = Promotion(
            version=version,
            action=action,
            by=by,
            **columns(reason=reason if isinstance(reason, Words) else reason.strip()),
        )
        promotion.full_clean()
        promotion.save()
        notify_promotion(promotion)
    log.info("promotion", version=version.name, action=str(action), by=by.pk if by else None, reason=str(reason))
    return promotion
