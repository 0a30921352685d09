"""Every address of recsite/urls.py but those of the recommender and the health check that asks it."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from benchmarks.site.views import EmptyView
from recsite.api import problems

urlpatterns = [
    path("benchmark/empty/", EmptyView.as_view()),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("api/v1/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/v1/docs", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
    path("", include("customers.urls")),
    path("", include("catalog.urls")),
    path("api/<path:address>", problems.NoSuchAddress.as_view()),
]
handler500 = problems.server_error
