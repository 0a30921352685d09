"""Texts of unfold and django-celery-results that the admin shows and that they have no German or French for.

They are translated in the site's own catalogs, which come before those of every app.
"""

from django.utils.translation import gettext_noop

WORDS = (
    gettext_noop("Search apps and models..."),
    gettext_noop("All applications"),
    gettext_noop("Light"),
    gettext_noop("Dark"),
    gettext_noop("System"),
    gettext_noop("Type to search"),
    gettext_noop("Go back"),
    gettext_noop("Select format"),
    gettext_noop("Choose file to upload"),
    gettext_noop("Select record"),
    gettext_noop("Select all rows"),
    gettext_noop("Select action to run"),
    gettext_noop("Select action"),
    gettext_noop("Apply Filters"),
    gettext_noop("Select value"),
    gettext_noop("Date"),
    gettext_noop("Date from"),
    gettext_noop("Date to"),
    gettext_noop("Celery Results"),
    gettext_noop("task results"),
    gettext_noop("group results"),
)
