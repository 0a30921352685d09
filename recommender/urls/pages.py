"""Addresses of the pages about lists: why an item is in one, and what the reader does not want to be shown."""

from django.urls import path

from recommender import views
from recommender.item_keys import ItemKeyConverter  # noqa: F401  (registers the `item_key` converter used below)

app_name = "recommender"
urlpatterns = [
    path("recommendations/not-interested/", views.dismissed, name="dismissed"),
    path("recommendations/<item_key:key>/why/", views.why, name="why"),
    path("recommendations/<item_key:key>/not-interested/", views.dismiss, name="dismiss"),
    path("recommendations/<item_key:key>/take-back/", views.take_back, name="take-back"),
    path("recommendations/<item_key:key>/forget/", views.forget_view, name="forget-view"),
]
