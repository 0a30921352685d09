"""Addresses of the API. Takes the extra `api`.

In the demo site they stand under /api/v1/, before the catalog's own, whose product keys may hold slashes.
"""

from __future__ import annotations

from django.urls import include, path

from recommender import extras

extras.require("api")
# ruff: noqa: E402  (the imports below come after the sentence that says what is missing)
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
router.register("runs", RunViewSet, basename="run")
router.register("versions", VersionViewSet, basename="version")
router.register("list-results", ListResultsViewSet, basename="list-results")

app_name = "recommender_api"
urlpatterns = [
    path("recommendations/", RecommendationsView.as_view(), name="recommendations"),
    path("recommendations/batch/", BatchView.as_view(), name="recommendations-batch"),
    path("ratings/", RatingsView.as_view(), name="ratings"),
    path("products/<item_key:key>/customers/", InterestedCustomersView.as_view(), name="interested-customers"),
    path("cart/recommendations/", CartView.as_view(), name="cart-recommendations"),
    path("dismissals/", DismissalsView.as_view(), name="dismissals"),
    path("dismissals/<item_key:key>/", DismissalView.as_view(), name="dismissal"),
    path("events/", EventsView.as_view(), name="events"),
    path("", include(router.urls)),
    *(
        path(kind.path, view_of(kind).as_view(), name=f"{kind.name.replace('_', '-')}")
        for kind in KINDS.values()
        if not kind.request_body
    ),
]
