"""The site's own settings and the empty view beside it."""

from recsite.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.site.urls"
