"""The addresses of a site that shows lists on its pages, and includes none of the recommender's addresses."""

from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("products/<key>/", lambda request, key: HttpResponse(key), name="product")]
