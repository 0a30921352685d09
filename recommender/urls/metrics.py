"""The address of the metrics for Prometheus. Takes the extra `metrics`."""

from django.urls import path

from recommender import extras

extras.require("metrics")
from recommender.api.metrics import MetricsView  # noqa: E402  (after the sentence that says what is missing)

app_name = "recommender_metrics"
urlpatterns = [path("metrics", MetricsView.as_view(), name="metrics")]
