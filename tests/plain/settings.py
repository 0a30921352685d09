"""The demo site with Django's own admin: `pytest --ds=tests.plain.settings tests/recommender/admin`."""

from recsite.settings import *  # noqa: F403
from recsite.settings import INSTALLED_APPS as WITH_UNFOLD

INSTALLED_APPS = [
    # The shop's own pages in the admin are built on unfold: only the recommender's are registered, by urls.py.
    "django.contrib.admin.apps.SimpleAdminConfig" if name == "django.contrib.admin" else name
    for name in WITH_UNFOLD
    if not name.startswith("unfold")
]
ROOT_URLCONF = "tests.plain.urls"
