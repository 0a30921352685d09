"""The addresses of a site that has an /api and a /metrics, and gives those of the recommender other places."""

from django.http import HttpResponse
from django.urls import include, path


def of_the_host(request, rest=""):
    return HttpResponse("the host's")


urlpatterns = [
    path("inner/reco/", include("recommender.urls.api")),
    path("inner/", include("recommender.urls.metrics")),
    path("shop/", include("recommender.urls.pages")),
    path("products/<key>/", of_the_host, name="product"),
    path("api/<path:rest>", of_the_host),
    path("metrics", of_the_host),
]
