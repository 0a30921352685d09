"""Who may ask for whom, and which permission opens which part of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.cache.backends.locmem import LocMemCache
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from recommender.source import customer_key_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User


REMEMBERED = 5  # seconds that an answer to "may they?" holds: asked anew for every list, it took two queries each time
_may = LocMemCache("recommender.access", {})  # of this process


def may_ask_for_anyone(request: Request) -> bool:
    """An API key: a user (of a token or a session) with this permission. Giving and taking it works within seconds;
    a token that is deleted or a user who is deactivated is turned away at once."""
    user = request.user
    if not user.is_authenticated:
        return False
    return bool(_may.get_or_set(user.pk, lambda: user.has_perm("recommender.recommend_for_anyone"), REMEMBERED))


def forget() -> None:
    """Ask anew who may: for tests, whose users come and go with the same primary keys."""
    _may.clear()


def check_may_ask_for(request: Request, customer: str) -> None:
    """A customer is asked for by themselves or by an API key, and by nobody else: 401 or 403."""
    if may_ask_for_anyone(request):
        return
    if not request.user.is_authenticated:
        raise NotAuthenticated("Sign in, or send an API key, to name a customer.")
    if customer_key_of(request.user) != customer:
        raise PermissionDenied("You may name no other customer than yourself.")


class MayAskForAnyone(BasePermission):
    message = "This takes the permission recommender.recommend_for_anyone."

    def has_permission(self, request: Request, view: Any) -> bool:
        return may_ask_for_anyone(request)


class StaffMay(BasePermission):
    """Staff whose permissions hold what the view's `needs` says of the action: {"create": "app.permission", ...}."""

    message = "This takes a member of staff with the permission for it."

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        # OPTIONS and methods the view does not have, which are answered with 405, have no action of their own.
        needed = view.needs.get(view.action, view.needs["list"])
        return bool(user.is_authenticated and user.is_staff and user.has_perm(needed))


def staff(request: Request) -> User:
    """Who is asking; StaffMay lets nobody else in."""
    assert request.user.is_authenticated
    return request.user
