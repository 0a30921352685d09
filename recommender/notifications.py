"""How runs end, for others: signals, and emails to the addresses in RECOMMENDER_NOTIFY.

Both are sent after the commit, so that they report only what is so. A receiver or a mail server that fails changes
nothing: Django logs its error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone, translation

from recommender.redaction import without_values
from recommender.signals import run_failed, send_after_commit, version_promoted, version_refused
from recommender.words import Words

if TYPE_CHECKING:
    from recommender.models import ModelVersion, Promotion, TrainingRun

log = structlog.get_logger("recommender.notifications")

Mail = tuple[Words, Words]  # subject and body

OCCASIONS = ("failure", "refusal", "promotion")


def notify_failure(run: TrainingRun) -> None:
    def mail() -> Mail:
        body = Words(
            "{error}\n\nThe version that served before serves on. The page of run {run} in the admin has the "
            "whole error "
            "and the log.",
            error=without_values(run.shown_error),
            run=run.pk,
        )
        return Words("Training run {run} failed", run=run.pk), body

    _after_commit(run_failed, "failure", mail, run=run)


def notify_refusal(version: ModelVersion) -> None:
    def mail() -> Mail:
        body = Words(
            "{reason}\n\nThe version that served before serves on. In the admin it can be promoted by hand.",
            reason=version.shown_gate_reason,
        )
        return Words("Version {version} was refused", version=version.name), body

    _after_commit(version_refused, "refusal", mail, version=version)


def notify_promotion(promotion: Promotion) -> None:
    def mail() -> Mail:
        values = {
            "version": promotion.version.name,
            "time": f"{timezone.localtime(promotion.time):%Y-%m-%d %H:%M %Z}",
            "action": Words(promotion.action),
            "reason": promotion.shown_reason,
        }
        if promotion.by:
            body = Words(
                "Version {version} serves since {time} ({action}, by {person}).\n\n{reason}",
                person=str(promotion.by),
                **values,
            )
        else:
            body = Words(
                "Version {version} serves since {time} ({action}, by the gate or a command).\n\n{reason}", **values
            )
        return Words("Version {version} is live", version=promotion.version.name), body

    _after_commit(version_promoted, "promotion", mail, promotion=promotion)


def _after_commit(signal: Signal, occasion: str, mail: Callable[[], Mail], **arguments: Any) -> None:
    """mail : makes subject and body of the email, after the commit: what it raises changes nothing of what happened."""
    send_after_commit(signal, **arguments)
    to: Sequence[str] = getattr(settings, "RECOMMENDER_NOTIFY", ())
    if to and occasion in getattr(settings, "RECOMMENDER_NOTIFY_OF", OCCASIONS):
        # robust: Django logs what a mail server raises, with the name of the function, which a partial has not.
        transaction.on_commit(lambda: _send(mail, list(to)), robust=True)


def _send(mail: Callable[[], Mail], to: Sequence[str]) -> None:
    with translation.override(settings.LANGUAGE_CODE):  # that of the site: nobody knows that of its readers
        subject, body = (words.translated() for words in mail())
    send_mail(f"[{getattr(settings, 'SITE_NAME', 'Recommender')}] {subject}", body, None, to)
    log.info("notification_sent", subject=subject, to=len(to))
