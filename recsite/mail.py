"""Emails of a site in production that has no mail server: none is sent, and the log says that one was due."""

from collections.abc import Sequence

import structlog
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage

log = structlog.get_logger("recsite.mail")


class NoMailServer(BaseEmailBackend):
    """Drops emails. Neither text nor address is logged: the link of a password reset opens an account."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        log.error("email_not_sent", emails=len(email_messages), why="EMAIL_URL is not set")
        return 0
