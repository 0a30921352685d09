"""The same site with the recommender app left out: what a worker weighs without it."""

from recsite.settings import *  # noqa: F403

INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "recommender"]  # noqa: F405
ROOT_URLCONF = "benchmarks.site.without_urls"
