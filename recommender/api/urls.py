"""Addresses under /api/v1/. They come before the catalog's own, whose product keys may hold slashes."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from recommender.api import results, training, views
from recommender.item_keys import ItemKeyConverter  # noqa: F401  (registers the `item_key` converter used below)

router = SimpleRouter()
router.register("runs", training.RunViewSet, basename="api-run")
router.register("versions", training.VersionViewSet, basename="api-version")
router.register("list-results", results.ListResultsViewSet, basename="api-list-results")

urlpatterns = [
    path("recommendations/", views.RecommendationsView.as_view(), name="api-recommendations"),
    path("recommendations/batch/", views.BatchView.as_view(), name="api-recommendations-batch"),
    path("recommendations/popular/", views.PopularView.as_view(), name="api-popular"),
    path("recommendations/trending/", views.TrendingView.as_view(), name="api-trending"),
    path("recommendations/recently-viewed/", views.RecentlyViewedView.as_view(), name="api-recently-viewed"),
    path("ratings/", views.RatingsView.as_view(), name="api-ratings"),
    path("products/<item_key:key>/similar/", views.SimilarView.as_view(), name="api-similar"),
    path("products/<item_key:key>/bought-together/", views.BoughtTogetherView.as_view(), name="api-bought-together"),
    path("products/<item_key:key>/also-viewed/", views.AlsoViewedView.as_view(), name="api-also-viewed"),
    path("cart/recommendations/", views.CartView.as_view(), name="api-cart-recommendations"),
    path("dismissals/", views.DismissalsView.as_view(), name="api-dismissals"),
    path("dismissals/<item_key:key>/", views.DismissalView.as_view(), name="api-dismissal"),
    path("events/", views.EventsView.as_view(), name="api-events"),
    path("", include(router.urls)),
]
