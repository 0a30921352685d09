"""The same site with the recommender app left out, and what of the site leans on it: what a worker weighs without."""

from recsite.settings import *  # noqa: F403

_bare = {"recsite.apps.SiteConfig": "benchmarks.site.apps.SiteWithoutRecommender"}
INSTALLED_APPS = [_bare.get(app, app) for app in INSTALLED_APPS if app != "recommender"]  # noqa: F405
# Calls are counted without it, too, only not by its classes.
REST_FRAMEWORK = {**REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": ["benchmarks.site.throttles.Counted"]}  # noqa: F405
ROOT_URLCONF = "benchmarks.site.without_urls"
# Pages are limited by a class of the recommender's, and none is asked for here.
MIDDLEWARE = [each for each in MIDDLEWARE if each != "recsite.middleware.rate_limits.LimitPages"]  # noqa: F405
