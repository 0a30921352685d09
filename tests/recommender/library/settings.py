"""The least that a project needs. The environment's LIBRARY names the folder of its files."""

import os

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{os.environ['LIBRARY']}/db.sqlite3"}}
BUNDLE_ROOT = f"{os.environ['LIBRARY']}/bundles"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "recommender",
    "tests.recommender.library",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
REST_FRAMEWORK = {"TEST_REQUEST_DEFAULT_FORMAT": "json"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
RECOMMENDER_SOURCE = "tests.recommender.library.source.LibrarySource"
ROOT_URLCONF = "tests.recommender.library.urls"
SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
