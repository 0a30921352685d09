"""What a visitor did becomes the customer's when they sign in; a fault of that never keeps them out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import structlog
from django.db import transaction

log = structlog.get_logger("recommender.feedback.signing_in")


def lets_everybody_in(receiver: Callable[..., None]) -> Callable[..., None]:
    """Decorator of a receiver of `user_logged_in`, whose sender lets every error through to the login: the site's own
    `scope_of` may fail here as anything else may. The error is logged, and what the receiver stored is undone."""

    @wraps(receiver)
    def guarded(*args: object, **kwargs: object) -> None:
        try:
            with transaction.atomic():  # else a failed query would take the login's own queries with it
                receiver(*args, **kwargs)
        except Exception:
            log.exception("visit_not_carried_over", receiver=receiver.__name__)

    return guarded
