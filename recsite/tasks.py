"""What the workers do for the site."""

from celery import shared_task
from django.core.management import call_command

from recsite.api import idempotency


@shared_task(ignore_result=True)
def forget_answers() -> None:
    """Remove the answers to calls with an Idempotency-Key that are too old to count."""
    idempotency.forget_answers()


@shared_task(ignore_result=True)
def forget_sessions() -> None:
    """Remove the sessions that have ended: every visitor who looks at a product begins one."""
    call_command("clearsessions")
