"""What the workers do for the site."""

from celery import shared_task

from recsite import idempotency


@shared_task(ignore_result=True)
def forget_answers() -> None:
    """Remove the answers to calls with an Idempotency-Key that are too old to count."""
    idempotency.forget_answers()
