"""The site's own settings and the empty view beside it."""

from recsite.settings import *  # noqa: F403

# Calls are counted as ever, and nobody is turned away.
RECOMMENDER_THROTTLES = {**dict.fromkeys(("visitor", "user", "key"), "1000000000/min"), "page": None}

ROOT_URLCONF = "benchmarks.site.urls"
