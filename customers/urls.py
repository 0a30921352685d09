"""A customer's own pages, and the customers' part of the API."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from catalog.urls import KeyConverter  # noqa: F401  (registers the `key` converter used below)
from customers import api, views

router = SimpleRouter()
router.register("customers", api.CustomerViewSet, basename="api-customer")
router.register("purchases", api.PurchaseViewSet, basename="api-purchase")

urlpatterns = [
    path("welcome/", views.welcome, name="welcome"),
    path("orders/", views.orders, name="orders"),
    path("orders/<uuid:number>/", views.order, name="order"),
    path("orders/<int:purchase_id>/rate/", views.rate, name="rate"),
    path("cart/", views.cart, name="cart"),
    path("cart/checkout/", views.checkout, name="checkout"),
    path("cart/add/<key:key>/", views.add_to_cart, name="add_to_cart"),
    path("account/", views.account, name="account"),
    path("account/personalisation/", views.personalisation, name="personalisation"),
    path("api/v1/", include(router.urls)),
]
