"""The recommender in the admin: watch and start runs, compare versions, choose which one serves, see who did what.

Only services write the rows, so the pages show them read-only, and their buttons call the services. They are built on
Django's own admin, or on django-unfold where that is in INSTALLED_APPS: see look/.
"""

# Each registers its pages.
from recommender.admin import audit, drift, experiments, results, runs, schedules, versions
