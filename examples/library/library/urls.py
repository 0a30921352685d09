from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path
from rest_framework_simplejwt.views import TokenObtainPairView

from library import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("anmelden/", auth.LoginView.as_view(template_name="library/login.html"), name="login"),
    path("api/token/", TokenObtainPairView.as_view(), name="token"),
    # >>> recommender
    path("", include("recommender.urls")),
    # <<< recommender
    path("", views.shelf, name="shelf"),
    path("medien/<uuid:key>/", views.medium, name="medium"),
]
