"""Every address of the site. Each app brings its own; tests/recsite/test_access.py walks them all."""

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.decorators.http import require_POST
from django.views.i18n import set_language
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from catalog.urls import KeyConverter  # noqa: F401  (registers the `key` converter used below)
from recsite import accounts, health, privacy_views
from recsite.api import problems, tokens

# The admin signs in by the same door as everybody: with its limits, and the second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

of_accounts = [  # in place of allauth's
    path("signup/", accounts.SignUpView.as_view(), name="account_signup"),
    path("email/", accounts.EmailView.as_view(), name="account_email"),
    re_path(r"^confirm-email/(?P<key>[-:\w]+)/$", accounts.ConfirmEmailView.as_view(), name="account_confirm_email"),
]
urlpatterns = [
    path("", include("recommender.urls")),  # first: most requests are for lists
    path(settings.ADMIN_PATH, admin.site.urls),
    path("accounts/", include(of_accounts)),
    path("accounts/", include("allauth.urls")),
    path("language/", require_POST(set_language), name="set_language"),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("api/v1/tokens/", tokens.TokensView.as_view(), name="api-tokens"),
    path("api/v1/tokens/this/", tokens.ThisTokenView.as_view(), name="api-this-token"),
    path("api/v1/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/v1/docs", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
    path("account/history/", privacy_views.history, name="history"),
    path("account/history/<int:purchase_id>/", privacy_views.count_purchase, name="count-purchase"),
    path("account/history/of/<key:key>/", privacy_views.count_product, name="count-product"),
    path("account/tokens/", accounts.tokens, name="account-tokens"),
    path("account/tokens/end/", accounts.revoke, name="account-revoke"),
    path("account/data/", privacy_views.download, name="download"),
    path("account/delete/", privacy_views.delete_account, name="delete-account"),
    path("", include("customers.urls")),
    path("", include("catalog.urls")),
    path("api/<path:address>", problems.NoSuchAddress.as_view()),
]
handler400 = problems.bad_request
handler500 = problems.server_error
