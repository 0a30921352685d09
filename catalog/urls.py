"""The shop's window: home, search, product pages; and the catalog's part of the API."""

from django.urls import include, path, register_converter
from django.urls.converters import StringConverter
from rest_framework.routers import SimpleRouter

from catalog import api, views


class KeyConverter(StringConverter):
    """A key of the shop in an address: slashes and spaces are welcome, only NUL, which PostgreSQL refuses, is not."""

    regex = r"[^\x00]+"


register_converter(KeyConverter, "key")

router = SimpleRouter()
router.register("products", api.ProductViewSet, basename="api-product")

urlpatterns = [
    path("", views.home, name="home"),
    path("media/products/sizes/<path:name>/<int:width>.webp", views.picture, name="picture"),
    path("media/products/<path:name>", views.picture),  # an upload, as older links name it
    path("products/", views.product_list, name="products"),
    path("products/<key:key>/", views.product_page, name="product"),
    path("api/v1/", include(router.urls)),
]
