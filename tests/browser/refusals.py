"""The site's addresses, and some that lead straight to its pages of refusal."""

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.shortcuts import render
from django.urls import include, path

from recsite.urls import handler400  # noqa: F401 (Django looks for it here)


def not_allowed(request):
    raise PermissionDenied


def unreadable(request):
    raise SuspiciousOperation


def too_large(request):
    raise RequestDataTooBig


urlpatterns = [
    path("refused/400/", unreadable),
    path("refused/403/", not_allowed),
    path("refused/413/", too_large),
    path("refused/429/", lambda request: render(request, "429.html", status=429)),
    path("refused/500/", lambda request: render(None, "500.html")),
    path("", include("recsite.urls")),
]
