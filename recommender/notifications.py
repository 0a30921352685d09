"""How runs end, for others: three signals, and emails to the addresses in RECOMMENDER_NOTIFY.

Both are sent after the commit, so that they report only what is so. A receiver or a mail server that fails changes
nothing: Django logs its error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.dispatch import Signal

from recommender.redaction import without_values

if TYPE_CHECKING:
    from recommender.models import ModelVersion, Promotion, TrainingRun

log = structlog.get_logger("recommender.notifications")

run_failed = Signal()  # run=TrainingRun
version_refused = Signal()  # version=ModelVersion
version_promoted = Signal()  # promotion=Promotion: by the gate, by hand, or a roll back

OCCASIONS = ("failure", "refusal", "promotion")


def notify_failure(run: TrainingRun) -> None:
    body = (
        f"{without_values(run.error)}\n\nThe version that served before serves on. The page of run {run.pk} in the "
        "admin has the whole error and the log."
    )
    _after_commit(run_failed, "failure", f"Training run {run.pk} failed", body, run=run)


def notify_refusal(version: ModelVersion) -> None:
    body = (
        f"{version.gate_reason}\n\nThe version that served before serves on. In the admin it can be promoted by hand."
    )
    _after_commit(version_refused, "refusal", f"Version {version.name} was refused", body, version=version)


def notify_promotion(promotion: Promotion) -> None:
    promoter = f"by {promotion.by}" if promotion.by else "by the gate or a command"
    name = promotion.version.name
    since = f"{promotion.time:%Y-%m-%d %H:%M %Z}"
    body = f"Version {name} serves since {since} ({promotion.action}, {promoter}).\n\n{promotion.reason}"
    _after_commit(version_promoted, "promotion", f"Version {name} is live", body, promotion=promotion)


def _after_commit(signal: Signal, occasion: str, subject: str, body: str, **arguments: Any) -> None:
    # robust: Django logs what a receiver or a mail server raises. Lambdas: that log names the function, and a partial
    # has no name.
    transaction.on_commit(lambda: signal.send_robust(sender=None, **arguments), robust=True)
    to: Sequence[str] = getattr(settings, "RECOMMENDER_NOTIFY", ())
    if to and occasion in getattr(settings, "RECOMMENDER_NOTIFY_OF", OCCASIONS):
        transaction.on_commit(lambda: _mail(subject, body, list(to)), robust=True)


def _mail(subject: str, body: str, to: list[str]) -> None:
    send_mail(f"[{getattr(settings, 'SITE_NAME', 'Recommender')}] {subject}", body, None, to)
    log.info("notification_sent", subject=subject, to=len(to))
