"""Addresses of the recommender: its part of the API."""

from django.urls import include, path

urlpatterns = [path("api/v1/", include("recommender.api.urls"))]
