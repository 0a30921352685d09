"""The settings of the foreign project. FOREIGN_USER says who its auth users are, DATABASE_URL where its rows are."""

import os
import tempfile
from pathlib import Path

import environ

USERS = {"integer": "auth.User", "uuid": "foreign.Person", "custom": "foreign.Badge"}

SECRET_KEY = "of the test"
DEBUG = False
USE_TZ = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.foreign.urls"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": environ.Env().db("DATABASE_URL", default="sqlite://:memory:")}
if not DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": f"test_foreign_{os.getpid()}"}  # its suites run side by side
if DATABASES["default"]["ENGINE"].endswith("mysql"):
    import pymysql

    pymysql.install_as_MySQLdb()
AUTH_USER_MODEL = USERS[os.environ.get("FOREIGN_USER", "integer")]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
    "recommender",
    "tests.foreign",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
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
RECOMMENDER_SOURCE = "tests.foreign.sources.UsersAsCustomers"
BUNDLE_ROOT = Path(tempfile.gettempdir()) / "foreign-bundles"
