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
from django.utils import translation
from django.utils.translation import gettext

from recommender.redaction import without_values
from recommender.signals import run_failed, send_after_commit, version_promoted, version_refused

if TYPE_CHECKING:
    from recommender.models import ModelVersion, Promotion, TrainingRun

log = structlog.get_logger("recommender.notifications")

OCCASIONS = ("failure", "refusal", "promotion")


def notify_failure(run: TrainingRun) -> None:
    def mail() -> tuple[str, str]:
        subject = gettext("Training run {run} failed").format(run=run.pk)
        body = gettext(
            "{error}\n\nThe version that served before serves on. The page of run {run} in the admin has the "
            "whole error "
            "and the log."
        )
        return subject, body.format(error=without_values(run.shown_error), run=run.pk)

    _after_commit(run_failed, "failure", mail, run=run)


def notify_refusal(version: ModelVersion) -> None:
    def mail() -> tuple[str, str]:
        subject = gettext("Version {version} was refused").format(version=version.name)
        body = gettext("{reason}\n\nThe version that served before serves on. In the admin it can be promoted by hand.")
        return subject, body.format(reason=version.shown_gate_reason)

    _after_commit(version_refused, "refusal", mail, version=version)


def notify_promotion(promotion: Promotion) -> None:
    def mail() -> tuple[str, str]:
        subject = gettext("Version {version} is live").format(version=promotion.version.name)
        body = gettext("Version {version} serves since {time} ({action}, by {person}).\n\n{reason}")
        if not promotion.by:
            body = gettext("Version {version} serves since {time} ({action}, by the gate or a command).\n\n{reason}")
        return subject, body.format(
            version=promotion.version.name,
            time=f"{promotion.time:%Y-%m-%d %H:%M %Z}",
            action=gettext(promotion.action),
            person=promotion.by,
            reason=promotion.shown_reason,
        )

    _after_commit(version_promoted, "promotion", mail, promotion=promotion)


def _after_commit(signal: Signal, occasion: str, mail: Callable[[], tuple[str, str]], **arguments: Any) -> None:
    """mail : makes subject and body of the email, in the language of the site: nobody knows that of its readers."""
    send_after_commit(signal, **arguments)
    to: Sequence[str] = getattr(settings, "RECOMMENDER_NOTIFY", ())
    if to and occasion in getattr(settings, "RECOMMENDER_NOTIFY_OF", OCCASIONS):
        with translation.override(settings.LANGUAGE_CODE):
            subject, body = mail()
        # robust: Django logs what a mail server raises, with the name of the function, which a partial has not.
        transaction.on_commit(lambda: _mail(subject, body, list(to)), robust=True)


def _mail(subject: str, body: str, to: list[str]) -> None:
    send_mail(f"[{getattr(settings, 'SITE_NAME', 'Recommender')}] {subject}", body, None, to)
    log.info("notification_sent", subject=subject, to=len(to))
