"""Addresses of the recommender: its part of the API, and what a monitoring system reads."""

from django.urls import include, path

from recommender.api.metrics import MetricsView

urlpatterns = [
    path("api/v1/", include("recommender.api.urls")),
    path("metrics", MetricsView.as_view(), name="metrics"),
]
