"""A German city library: SQLite, or the database of DATABASE_URL; an API behind JWT; the plain admin."""

import os
from pathlib import Path
from urllib.parse import urlsplit

# >>> recommender
from recommender.celery import beat_schedule, task_routes

# <<< recommender

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = BASE_DIR / "var"

SECRET_KEY = "an example, never served to anybody beyond it"
DEBUG = True
ALLOWED_HOSTS = [".localhost", "127.0.0.1"]  # altstadt.localhost:8000, hafen.localhost:8000
LANGUAGE_CODE = "de"
TIME_ZONE = "Europe/Berlin"
USE_TZ = True
USE_THOUSAND_SEPARATOR = True
ROOT_URLCONF = "library.urls"
AUTH_USER_MODEL = "library.User"
LOGIN_URL = "login"
CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", "memory://")
LOGIN_REDIRECT_URL = "/"
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if os.environ.get("DATABASE_URL"):
    import pymysql

    pymysql.install_as_MySQLdb()
    address = urlsplit(os.environ["DATABASE_URL"])
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.mysql",
            "NAME": address.path[1:],
            "USER": address.username or "",
            "PASSWORD": address.password or "",
            "HOST": address.hostname,
            "PORT": address.port or 3306,
            "OPTIONS": {"charset": "utf8mb4"},
        }
    }
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": VAR / "db.sqlite3"}}

INSTALLED_APPS = [
    "library",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    # >>> recommender
    "recommender",
    # <<< recommender
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}

# >>> recommender
RECOMMENDER_SOURCE = "library.source.LibrarySource"
BUNDLE_ROOT = VAR / "bundles"
CELERY_TASK_ROUTES = task_routes
CELERY_BEAT_SCHEDULE = beat_schedule
# <<< recommender
