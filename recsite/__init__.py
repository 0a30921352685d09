"""The site: settings, addresses, the task queue and the one class that tells the recommender what to read."""

from recsite.celery import app as celery_app

__all__ = ["celery_app"]
