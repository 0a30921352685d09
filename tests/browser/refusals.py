"""The site's addresses, and some that lead straight to its pages of refusal."""

from django.core.exceptions import PermissionDenied
from django.shortcuts import render
from django.urls import include, path


def not_allowed(request):
    raise PermissionDenied


urlpatterns = [
    path("refused/403/", not_allowed),
    path("refused/429/", lambda request: render(request, "429.html", status=429)),
    path("refused/500/", lambda request: render(None, "500.html")),
    path("", include("recsite.urls")),
]
