"""Every address of the site. Each app brings its own; tests/test_access.py walks them all."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("recommender.urls")),
    path("", include("customers.urls")),
    path("", include("catalog.urls")),
]
