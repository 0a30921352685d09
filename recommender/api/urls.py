"""Addresses under /api/v1/. They come before the catalog's own, whose product keys may hold slashes."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from recommender.api import results, training, views
from recommender.item_keys import ItemKeyConverter  # noqa: F401  (registers the `item_key` converter used below)
from recommender.serving import KINDS

router = SimpleRouter()
router.register("runs", training.RunViewSet, basename="api-run")
router.register("versions", training.VersionViewSet, basename="api-version")
router.register("list-results", results.ListResultsViewSet, basename="api-list-results")

urlpatterns = [
    path("recommendations/", views.RecommendationsView.as_view(), name="api-recommendations"),
    path("recommendations/batch/", views.BatchView.as_view(), name="api-recommendations-batch"),
    path("ratings/", views.RatingsView.as_view(), name="api-ratings"),
    path("cart/recommendations/", views.CartView.as_view(), name="api-cart-recommendations"),
    path("dismissals/", views.DismissalsView.as_view(), name="api-dismissals"),
    path("dismissals/<item_key:key>/", views.DismissalView.as_view(), name="api-dismissal"),
    path("events/", views.EventsView.as_view(), name="api-events"),
    path("", include(router.urls)),
    *(
        path(kind.path, views.view_of(kind).as_view(), name=f"api-{kind.name.replace('_', '-')}")
        for kind in KINDS.values()
        if not kind.request_body
    ),
]
