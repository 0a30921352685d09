"""Addresses of the recommender: the pages about lists, the API, and the metrics for Prometheus.

Without the extras `api` and `metrics` there are the pages alone, and `manage.py check` says so.
"""

from django.urls import URLPattern, URLResolver, include, path

from recommender import extras, views
from recommender.item_keys import ItemKeyConverter  # noqa: F401  (registers the `item_key` converter used below)

urlpatterns: list[URLPattern | URLResolver] = [
    path("recommendations/not-interested/", views.dismissed, name="dismissed"),
    path("recommendations/<item_key:key>/why/", views.why, name="why"),
    path("recommendations/<item_key:key>/not-interested/", views.dismiss, name="dismiss"),
    path("recommendations/<item_key:key>/take-back/", views.take_back, name="take-back"),
    path("recommendations/<item_key:key>/forget/", views.forget_view, name="forget-view"),
]
if extras.is_installed("api"):
    urlpatterns.insert(0, path("api/v1/", include("recommender.api.urls")))  # first, as most requests go there
if extras.is_installed("metrics"):
    from recommender.api.metrics import MetricsView

    urlpatterns.append(path("metrics", MetricsView.as_view(), name="metrics"))
