"""Which classes of REST framework the API works with: those of the site, so that what the site closed stays closed.

The setting RECOMMENDER_API names others for this API alone, as dotted paths:

    RECOMMENDER_API = {"PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"]}

| name | without it |
|---|---|
| AUTHENTICATION_CLASSES, PERMISSION_CLASSES, FILTER_BACKENDS | the site's DEFAULT_... of REST_FRAMEWORK |
| THROTTLE_CLASSES | the site's, and throttles.py where RECOMMENDER_THROTTLES is set |
| PAGINATION_CLASS, EXCEPTION_HANDLER | the site's |
| PARSER_CLASSES, RENDERER_CLASSES | JSON, for the names of the fields are part of the API |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import classproperty
from django.utils.module_loading import import_string
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from recommender.api.parsers import BoundedJSONParser
from recommender.api.throttles import KeyThrottle, UserThrottle, VisitorThrottle

OF_THE_SITE = {
    "AUTHENTICATION_CLASSES": "DEFAULT_AUTHENTICATION_CLASSES",
    "PERMISSION_CLASSES": "DEFAULT_PERMISSION_CLASSES",
    "THROTTLE_CLASSES": "DEFAULT_THROTTLE_CLASSES",
    "PAGINATION_CLASS": "DEFAULT_PAGINATION_CLASS",
    "FILTER_BACKENDS": "DEFAULT_FILTER_BACKENDS",
    "EXCEPTION_HANDLER": "EXCEPTION_HANDLER",
}
OF_THE_API: dict[str, Any] = {"PARSER_CLASSES": [BoundedJSONParser], "RENDERER_CLASSES": [JSONRenderer]}
OF_LISTS = ("_CLASSES", "_BACKENDS")
OWN_THROTTLES = [VisitorThrottle, UserThrottle, KeyThrottle]


def of_site(name: str) -> Any:
    """What the setting names, else what the site has. In the place of what cannot be stands what raises
    ImproperlyConfigured once a request comes: the views load all the same, so that `manage.py check` can say it."""
    try:
        return _of_setting(name)
    except ImproperlyConfigured as error:
        refusal = _refusal(str(error))
        return [refusal] if name.endswith(OF_LISTS) else refusal


def wrong_settings() -> list[str]:
    """What is wrong with RECOMMENDER_API, a sentence for each name in it."""
    problems = []
    for name in (*OF_THE_SITE, *OF_THE_API):
        try:
            _of_setting(name)
        except ImproperlyConfigured as error:
            problems.append(str(error))
    return list(dict.fromkeys(problems))


def _of_setting(name: str) -> Any:
    chosen = getattr(settings, "RECOMMENDER_API", {})
    if not isinstance(chosen, dict):
        raise ImproperlyConfigured(f"RECOMMENDER_API is {chosen!r}; it must be a dictionary.")
    names = ", ".join([*OF_THE_SITE, *OF_THE_API])
    if unknown := chosen.keys() - OF_THE_SITE.keys() - OF_THE_API.keys():
        raise ImproperlyConfigured(f"RECOMMENDER_API knows no {', '.join(map(str, unknown))}. There are: {names}.")
    if name in chosen:
        value = chosen[name]
        if name.endswith(OF_LISTS) != isinstance(value, list | tuple):
            kind = "a list of dotted paths" if name.endswith(OF_LISTS) else "one dotted path"
            raise ImproperlyConfigured(f"RECOMMENDER_API[{name!r}] is {value!r}; it must be {kind}.")
        return [_imported(name, each) for each in value] if name.endswith(OF_LISTS) else _imported(name, value)
    if name in OF_THE_API:
        return OF_THE_API[name]
    value = getattr(api_settings, OF_THE_SITE[name])
    if name == "THROTTLE_CLASSES" and hasattr(settings, "RECOMMENDER_THROTTLES"):
        return [*value, *(throttle for throttle in OWN_THROTTLES if throttle not in value)]
    return value


def _refusal(problem: str) -> Callable[..., Any]:
    def refuse(*args: object, **kwargs: object) -> Any:
        raise ImproperlyConfigured(problem)

    return refuse


class SiteView(APIView):
    """Base of every view of the API. own_permissions : asked beside the site's own, which may only close more."""

    own_permissions: tuple[type[BasePermission], ...] = ()
    versioning_class = None  # the version of this API stands in its address, whatever the site does with its own
    _ignore_model_permissions = True  # DjangoModelPermissions asks views for a model, and most of these have none

    authentication_classes = classproperty(lambda cls: of_site("AUTHENTICATION_CLASSES"))
    throttle_classes = classproperty(lambda cls: of_site("THROTTLE_CLASSES"))
    parser_classes = classproperty(lambda cls: of_site("PARSER_CLASSES"))
    renderer_classes = classproperty(lambda cls: of_site("RENDERER_CLASSES"))

    permission_classes = classproperty(lambda cls: _permissions_of(cls))

    def get_exception_handler(self) -> Callable[..., Any]:
        return cast("Callable[..., Any]", of_site("EXCEPTION_HANDLER"))

    def perform_authentication(self, request: Request) -> None:
        if request.user is None:  # a site whose REST framework knows no anonymous user
            request.user = AnonymousUser()


def _permissions_of(view: type[SiteView]) -> list[Any]:
    permissions = [permission for permission in of_site("PERMISSION_CLASSES") if permission is not AllowAny]
    return [*permissions, *view.own_permissions] or [AllowAny]


class SiteRows:
    """Base of the views that list rows of a table."""

    pagination_class = classproperty(lambda cls: of_site("PAGINATION_CLASS"))
    filter_backends = classproperty(lambda cls: of_site("FILTER_BACKENDS"))


def _imported(name: str, value: Any) -> Any:
    """What a dotted path of the setting names; None stays, as for no pages."""
    found = value
    if isinstance(value, str):
        try:
            found = import_string(value)
        except ImportError as error:
            problem = f"RECOMMENDER_API[{name!r}] names {value!r}, which cannot be loaded: {error}"
            raise ImproperlyConfigured(problem) from error
    if found is not None and not callable(found):
        raise ImproperlyConfigured(f"RECOMMENDER_API[{name!r}] names {value!r}, which is no class or function.")
    return found
