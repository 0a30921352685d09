"""Addresses under /api/v1/. They come before the catalog's own, whose product keys may hold slashes."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from recommender.api.dismissals import DismissalsView, DismissalView
from recommender.api.events import EventsView
from recommender.api.recommendations import (
    BatchView,
    CartView,
    InterestedCustomersView,
    RatingsView,
    RecommendationsView,
    view_of,
)
from recommender.api.results import ListResultsViewSet
from recommender.api.training import RunViewSet, VersionViewSet
from recommender.item_keys import ItemKeyConverter  # noqa: F401  (registers the `item_key` converter used below)
from recommender.serving import KINDS

router = SimpleRouter()
router.register("runs", RunViewSet, basename="api-run")
router.register("versions", VersionViewSet, basename="api-version")
router.register("list-results", ListResultsViewSet, basename="api-list-results")

urlpatterns = [
    path("recommendations/", RecommendationsView.as_view(), name="api-recommendations"),
    path("recommendations/batch/", BatchView.as_view(), name="api-recommendations-batch"),
    path("ratings/", RatingsView.as_view(), name="api-ratings"),
    path("products/<item_key:key>/customers/", InterestedCustomersView.as_view(), name="api-interested-customers"),
    path("cart/recommendations/", CartView.as_view(), name="api-cart-recommendations"),
    path("dismissals/", DismissalsView.as_view(), name="api-dismissals"),
    path("dismissals/<item_key:key>/", DismissalView.as_view(), name="api-dismissal"),
    path("events/", EventsView.as_view(), name="api-events"),
    path("", include(router.urls)),
    *(
        path(kind.path, view_of(kind).as_view(), name=f"api-{kind.name.replace('_', '-')}")
        for kind in KINDS.values()
        if not kind.request_body
    ),
]
