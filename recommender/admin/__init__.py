"""The recommender in the admin: watch and start runs, compare versions, choose which one serves, see who did what.

Rows here are written by services alone, so every page only shows them; the buttons call runs.py and versions.py.
The pages are built on django-unfold; where it is not in INSTALLED_APPS there are none, and `manage.py check` says so.
"""

from django.apps import apps

if apps.is_installed("unfold"):
    # Each registers its pages.
    from recommender.admin import audit, drift, experiments, results, runs, schedules, versions
