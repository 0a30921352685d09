"""Addresses of the recommender: pages about lists, its part of the API, and what a monitoring system reads."""

from django.urls import include, path

from recommender import views
from recommender.api.metrics import MetricsView
from recommender.api.urls import ItemKeyConverter  # noqa: F401  (registers the `item_key` converter used below)

urlpatterns = [
    path("api/v1/", include("recommender.api.urls")),  # first: they are asked for most
    path("recommendations/not-interested/", views.dismissed, name="dismissed"),
    path("recommendations/<item_key:key>/why/", views.why, name="why"),
    path("recommendations/<item_key:key>/not-interested/", views.dismiss, name="dismiss"),
    path("recommendations/<item_key:key>/take-back/", views.take_back, name="take-back"),
    path("recommendations/<item_key:key>/forget/", views.forget_view, name="forget-view"),
    path("metrics", MetricsView.as_view(), name="metrics"),
]
