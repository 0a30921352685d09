"""`manage.py count_lists`: count what lists brought, as the tasks do, and remove the oldest."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from recommender.feedback import settle_lists


class Command(BaseCommand):
    help = (
        "Counts what the lists of all days that are not settled yet brought, and removes lists older than KEEP_LISTS."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        removed = settle_lists()
        self.stdout.write(f"Counted. {removed:,} old lists were removed." if removed else "Counted.")
