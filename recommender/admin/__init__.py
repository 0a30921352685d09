"""The recommender in the admin: watch and start runs, compare versions, choose which one serves, see who did what.

Only services write the rows, so the pages show them read-only, and their buttons call the services. The pages are built
on django-unfold. Where it is not in INSTALLED_APPS there are no pages, and `manage.py check` says so.
"""

from django.apps import apps

if apps.is_installed("unfold"):
    # Each registers its pages.
    from recommender.admin import audit, drift, experiments, results, runs, schedules, versions
