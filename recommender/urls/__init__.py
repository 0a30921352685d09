"""All addresses of the recommender: the API under api/v1/, the pages about lists, and the metrics for Prometheus.

A project that has an /api or a /metrics of its own includes the parts instead, each where it likes:
`recommender.urls.pages` (namespace `recommender`), `recommender.urls.api` (`recommender_api`) and
`recommender.urls.metrics` (`recommender_metrics`). Names are the same either way. There are three namespaces because
Django cannot share one among includes.

Without the extras `api` and `metrics` there are the pages alone, and `manage.py check` says so.
"""

from django.urls import URLPattern, URLResolver, include, path

from recommender import extras

urlpatterns: list[URLPattern | URLResolver] = [path("", include("recommender.urls.pages"))]
if extras.is_installed("api"):
    urlpatterns.insert(0, path("api/v1/", include("recommender.urls.api")))  # first, as most requests go there
if extras.is_installed("metrics"):
    urlpatterns.append(path("", include("recommender.urls.metrics")))
