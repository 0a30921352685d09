"""Who may ask for whom, and which permission opens which part of training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.cache.backends.locmem import LocMemCache
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from recommender.source import customer_key_of, get_source, scope_of_request, scope_text, settled_scope

if TYPE_CHECKING:
    from django.contrib.auth.models import User


PERMISSION_CACHE_SECONDS = 5  # without it, each list takes two queries for permissions
_permissions = LocMemCache("recommender.access", {})  # of this process


def may_ask_for_anyone(request: Request) -> bool:
    """Whether the caller is an API key: a user, of a token or a session, who has the permission.

    A permission that is given or taken counts within seconds; a deleted token or a deactivated user at once.
    """
    user = request.user
    if not user.is_authenticated:
        return False

    def may() -> bool:
        return has_permission(user, "recommender.recommend_for_anyone")

    # Of each class its own: a device may have the primary key of a user who has the permission.
    caller = f"{user.__class__.__module__}.{user.__class__.__qualname__}:{user.pk}"
    return bool(_permissions.get_or_set(cache_name(caller), may, PERMISSION_CACHE_SECONDS))


def has_permission(user: Any, permission: str) -> bool:
    """Whether a user has a permission; users of a model without permissions have none."""
    return hasattr(user, "has_perm") and bool(user.has_perm(permission))


def cache_name(caller: object) -> str:
    """A caller as a part of a cache key, which may hold no spaces and 250 characters at most."""
    return hashlib.blake2b(str(caller).encode(), digest_size=16).hexdigest()


def forget_permissions() -> None:
    """Empty the cache of permissions. Tests call it: their users come and go with the same primary keys."""
    _permissions.clear()


def scope_of(request: Request, fields: Mapping[str, Any]) -> str | None:
    """The scope that a request is of, as the source says it; an API key may name another in `scope`, where the source
    allows that. PermissionDenied for anybody else who does. None where the source has no scopes."""
    own, named = scope_of_request(request), scope_text(fields.get("scope"))
    if named is None or named == own:
        return settled_scope(own)
    if not (may_ask_for_anyone(request) and get_source().scope_by_key):
        raise PermissionDenied(gettext("You may name no other scope than that of your request."))
    return settled_scope(named)


def customer_of(request: Request, fields: Mapping[str, Any], scope: str | None = None) -> str | None:
    """The key of the customer that a request is about. None for a profile, a visitor, or a user who is no customer.

    It is the customer whom `fields` name, else the user who is signed in. NotAuthenticated or PermissionDenied where
    somebody other than the customer or an API key names one.
    """
    customer: str | None = fields.get("customer")
    if customer is None:
        return None if fields.get("profile") is not None else customer_key_of(request.user, scope)
    if not may_ask_for_anyone(request):
        if not request.user.is_authenticated:
            raise NotAuthenticated(gettext("Sign in, or send an API key, to name a customer."))
        if customer_key_of(request.user, scope) != customer:
            raise PermissionDenied(gettext("You may name no other customer than yourself."))
    return customer


class MayAskForAnyone(BasePermission):
    message = _("This takes the permission recommender.recommend_for_anyone.")

    def has_permission(self, request: Request, view: Any) -> bool:
        return may_ask_for_anyone(request)


class StaffMay(BasePermission):
    """Staff with the permission that the view's `needs` names for the action: {"create": "app.permission", ...}."""

    message = _("This takes a member of staff with the permission for it.")

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        # OPTIONS, and methods that the view answers with 405, have no action of their own.
        permission = view.needs.get(view.action, view.needs["list"])
        return bool(user.is_authenticated and getattr(user, "is_staff", False) and has_permission(user, permission))


def staff(request: Request) -> User:
    """The member of staff who sends the request, past StaffMay."""
    assert request.user.is_authenticated
    return request.user
