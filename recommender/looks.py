"""Which look the admin has here: Django's own, or that of django-unfold, which the extra `admin` brings."""

from django.apps import apps

PLAIN, UNFOLD = "plain", "unfold"


def look() -> str:
    return UNFOLD if apps.is_installed("unfold") else PLAIN
