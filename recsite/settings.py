"""Every setting of the site, from the environment. With no variable set, the site runs embedded: SQLite, a broker
made of files, DEBUG on, and under `manage.py` only. Production sets DEBUG=0, SECRET_KEY, ALLOWED_HOSTS, DATABASE_URL,
REDIS_URL, CELERY_BROKER_URL and EMAIL_URL.
"""

from datetime import timedelta
from pathlib import Path

import environ
from celery.schedules import crontab
from django.core.checks.security.base import SECRET_KEY_MIN_LENGTH, SECRET_KEY_MIN_UNIQUE_CHARACTERS
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from recommender.celery import beat_schedule, task_routes

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# --- what kind of machine this is -------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=True)  # a server process needs it set, see recsite/startup.py
SECRET_KEY = env.str("SECRET_KEY", default="development-only-key")
if not DEBUG:
    if "SECRET_KEY" not in env.ENVIRON:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. With DEBUG=0 the site does not start on its development key."
        )
    # Django's own rule, which it only warns of (security.W009).
    if len(SECRET_KEY) < SECRET_KEY_MIN_LENGTH or len(set(SECRET_KEY)) < SECRET_KEY_MIN_UNIQUE_CHARACTERS:
        raise ImproperlyConfigured(
            f"SECRET_KEY has {len(SECRET_KEY)} characters, {len(set(SECRET_KEY))} of them different. With DEBUG=0 it "
            f"needs {SECRET_KEY_MIN_LENGTH} random ones. A key is made by "
            "python -c 'import secrets; print(secrets.token_urlsafe(50))'."
        )
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
BUNDLE_ROOT = Path(env.str("BUNDLE_ROOT", default=str(VAR_DIR / "bundles")))
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(VAR_DIR / "media")))
REDIS_URL = env.str("REDIS_URL", default="")

# --- applications -----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "import_export",
    "django_celery_beat",
    "django_celery_results",
    "recsite.apps.SiteConfig",
    "catalog",
    "customers",
    "recommender",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "recsite.middleware.cache_headers.private_by_default",
    "django.middleware.locale.LocaleMiddleware",  # before what refuses a request, in words
    "recsite.middleware.body_size.check_bodies",
    "recsite.middleware.moments.check_moments",
    "recsite.middleware.rate_limits.LimitPages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "recsite.accounts.StaffSecondFactorMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "recsite.api.audit.AuditMiddleware",
    "recsite.api.idempotency.IdempotencyMiddleware",  # the last one: it calls the view
]

ROOT_URLCONF = "recsite.urls"
WSGI_APPLICATION = "recsite.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "recsite" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "recsite.context_processors.site",
                "customers.context.customer",
            ],
        },
    },
]

# --- storage ----------------------------------------------------------------------------------------------------------

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A worker writes beside the site: readers must not block, and a transaction takes its write lock at the start.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    if DATABASES["default"]["ENGINE"].endswith("mysql"):
        import pymysql  # in the place of mysqlclient, which has no wheel for Linux

        pymysql.install_as_MySQLdb()
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    # While Redis is away each process keeps a cache of its own: limits count on, and no page and no list is lost.
    "default": {
        "BACKEND": "recsite.cache.RedisOrProcessCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 1, "SOCKET_TIMEOUT": 1},
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "recsite" / "static"]
MEDIA_URL = "/media/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

# Proxies in front of the site, each of which appends the address that it saw to X-Forwarded-For. Every limit asks
# recommender.client_address, which believes that header no further.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=1 if env.bool("BEHIND_PROXY", default=False) else 0)
RECOMMENDER_TRUSTED_PROXIES = TRUSTED_PROXIES

# --- people -----------------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "recsite.accounts.PasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = reverse_lazy("home")
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_SIGNUP_FORM_CLASS = "customers.forms.SignUpProfileForm"
ACCOUNT_SIGNUP_REDIRECT_URL = reverse_lazy("welcome")
# "optional" sends a link by which an address is confirmed; "mandatory" lets nobody sign in, or have a token, before.
email_url = env.str("EMAIL_URL", default="")  # no setting: it holds a password
ACCOUNT_EMAIL_VERIFICATION = env.str("EMAIL_VERIFICATION", default="optional" if email_url else "none")
ACCOUNT_ADAPTER = "recsite.accounts.AccountAdapter"
# Wrong passwords count by account and by address; an office behind one address has many people.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip,5/5m/key"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# allauth takes a confirmed address first, so that a stranger cannot lock its owner out with a factor. Where no email is
# sent, no address can be confirmed, and staff could not set up the factor they need.
MFA_ALLOW_UNVERIFIED_EMAIL = not email_url
MFA_TOTP_ISSUER = env.str("SITE_NAME", default="Two Towers")
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG  # passkeys on http://localhost
STAFF_MFA_REQUIRED = env.bool("STAFF_MFA_REQUIRED", default=not DEBUG)
ADMIN_PATH = env.str("ADMIN_PATH", default="admin/").strip("/") + "/"
ACCOUNT_LOGOUT_REDIRECT_URL = reverse_lazy("home")
# In development emails are printed. In production a password reset in a log would let its readers sign in, so without a
# mail server no email is sent, and the log says so.
EMAIL_CONFIG = env.email_url_config(email_url or "consolemail://")
if not DEBUG and not email_url:
    EMAIL_CONFIG["EMAIL_BACKEND"] = "recsite.mail.NoMailServer"
vars().update(EMAIL_CONFIG)
ACCOUNT_EMAIL_SUBJECT_PREFIX = f"[{env.str('SITE_NAME', default='Two Towers')}] "
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="webmaster@localhost")

# A visitor's cookie says the language, else their browser, else LANGUAGE_CODE. The texts lie in recsite/locale and
# recommender/locale; `make messages` collects them.
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français")]
LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
LOCALE_PATHS = [BASE_DIR / "recsite" / "locale"]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

# --- the shop and its admin -------------------------------------------------------------------------------------------

SITE_NAME = env.str("SITE_NAME", default="Two Towers")
CURRENCY = env.ENVIRON.get("CURRENCY", "$")  # env.str would read "$" as the name of another variable
SHIPPING_METHODS = env.list("SHIPPING_METHODS", default=["Standard", "Express", "Same-Day"])
UNFOLD = {
    "SITE_TITLE": SITE_NAME,
    "SITE_HEADER": SITE_NAME,
    "SITE_SUBHEADER": _("Shop and recommender"),
    "SITE_SYMBOL": "storefront",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")},
    ],
    "STYLES": [lambda request: static("admin.css")],
    "SIDEBAR": {"show_search": True, "show_all_applications": True, "navigation": "recsite.admin.navigation.sidebar"},
}
IMPORT_EXPORT_USE_TRANSACTIONS = True
IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "view"

# --- tasks ------------------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://localhost")
if CELERY_BROKER_URL.startswith("filesystem://"):
    _broker = VAR_DIR / "broker"
    for _folder in ("messages", "processed", "control"):
        (_broker / _folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_broker / "messages"),
        "data_folder_out": str(_broker / "messages"),
        "processed_folder": str(_broker / "processed"),
        "control_folder": str(_broker / "control"),
        "store_processed": False,
    }
CELERY_RESULT_BACKEND = "django-db"
CELERY_TASK_ROUTES = task_routes
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
RECOMMENDER_STALE_AFTER = env.float("STALE_AFTER", default=120.0)  # seconds without a sign of life: the process died
_often = min(60.0, RECOMMENDER_STALE_AFTER / 2)
CELERY_BEAT_SCHEDULE = {
    **beat_schedule,
    **{name: {**beat_schedule[name], "schedule": _often} for name in ("keep-runs-going", "start-due-runs")},
    "forget-answers": {"task": "recsite.tasks.forget_answers", "schedule": crontab(minute=25)},
    "forget-sessions": {"task": "recsite.tasks.forget_sessions", "schedule": crontab(hour=4, minute=30)},
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False  # the workers write logs as the site does
CELERY_TIMEZONE = TIME_ZONE

# --- API --------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "recsite.api.authentication.TokenAuthentication",
        "recsite.api.authentication.SessionAuthentication",
    ],
    # Closed by default: each view opens itself.
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_THROTTLE_CLASSES": [f"recommender.api.throttles.{whose}Throttle" for whose in ("Visitor", "User", "Key")],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["recommender.api.parsers.BoundedJSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "recsite.api.pagination.Pages",
    "PAGE_SIZE": 50,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "NUM_PROXIES": TRUSTED_PROXIES,
}
KNOX_TOKEN_MODEL = "knox.AuthToken"
REST_KNOX = {"TOKEN_TTL": timedelta(days=30)}  # tokens of people; the admin says how long a service account's keys last
IDEMPOTENCY_KEPT = timedelta(hours=env.int("IDEMPOTENCY_HOURS", default=24))  # how long a call may be sent again
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "recsite.api.problems.ProblemHandler",
    "EXCEPTION_FORMATTER_CLASS": "recsite.api.problems.ProblemFormatter",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Recommender API",
    "DESCRIPTION": "Lists, ratings, catalog, customers and training of one shop.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "recsite.api.openapi.complete"],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- the recommender --------------------------------------------------------------------------------------------------

RECOMMENDER_SOURCE = "recsite.source.ShopSource"
# Set where the environment sets them: the defaults are the recommender's own. docs/operations.md has both.
for name, read in {
    "KEEP_BUNDLES": env.int,
    "NOTIFY": env.list,
    "NOTIFY_OF": env.list,
    "MOST_LOST": env.float,
    "MOST_FALLEN": env.float,
    "KEEP_LISTS": env.int,
    "ATTRIBUTION_DAYS": env.int,
    "RETRIEVAL_ADDRESS": env.str,
}.items():
    if name in env.ENVIRON:
        vars()[f"RECOMMENDER_{name}"] = read(name)
_rates = {"THROTTLE_PAGE": env.str, "THROTTLE_VISITOR": env.str, "THROTTLE_USER": env.str, "THROTTLE_KEY": env.str}
# Lists, ratings and events are for visitors, too; what is for staff and API keys asks for its own permissions.
RECOMMENDER_API = {"PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"]}
RECOMMENDER_THROTTLES = {  # an empty one: as many calls as they like
    name.removeprefix("THROTTLE_").lower(): read(name) or None for name, read in _rates.items() if name in env.ENVIRON
}

# --- safety and logs --------------------------------------------------------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = env.bool("SECURE_COOKIES", default=not DEBUG)
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_REDIRECT_EXEMPT = [r"^health/"]  # asked from within, without TLS
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0 if DEBUG else 31_536_000)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
X_FRAME_OPTIONS = "DENY"

from recsite.logs import LOGGING  # noqa: E402, F401
