"""How allauth works here: who the client is, one account for an address, and what ends with a password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.account.views import SignupView
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from knox.models import AuthToken

from recommender.client_address import client_address


class AccountAdapter(DefaultAccountAdapter):
    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request) or "unknown"


class SignUpView(SignupView):
    """allauth's, where the same form sent twice at once ends with one account and an ordinary message.

    Usernames, and addresses in any spelling, are unique in the database: of two forms that are both found valid, the
    second to be saved reads that the account is there.
    """

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            with transaction.atomic():
                return super().form_valid(form)
        except IntegrityError:
            form.add_error(None, "An account with this name or address was made a moment ago. Sign in to it instead.")
            return self.form_invalid(form)


def revoke_tokens(user: Any) -> int:
    """End all tokens of a person; how many there were."""
    return AuthToken.objects.filter(user=user).delete()[0]


def revoke_with_password(sender: Any, instance: Any, created: bool, **options: Any) -> None:
    """After a user is saved: a new password, set by whatever door, ends every token. Django itself ends the sessions.

    `_password` holds a password that was set and not yet saved; a hash that is made anew at sign-in leaves it None.
    """
    if not created and instance._password is not None:
        revoke_tokens(instance)


def revoke_with_confirmation(sender: Any, request: Any, email_address: EmailAddress, **options: Any) -> None:
    """An address proves to be somebody's: tokens made before, perhaps by another person, end."""
    revoke_tokens(email_address.user)


def may_have_tokens(user: Any) -> bool:
    """Whether the person's address is confirmed, where the site asks for that."""
    if settings.ACCOUNT_EMAIL_VERIFICATION != "mandatory":
        return True
    return EmailAddress.objects.filter(user=user, verified=True).exists()


def needs_second_factor(user: Any) -> bool:
    """Whether a password alone is not enough for this person: they have a second factor, or have to have one."""
    return is_mfa_enabled(user) or lacks_second_factor(user)


def lacks_second_factor(user: Any) -> bool:
    """Whether the person works in the admin, has to have a second factor for that, and has none."""
    return settings.STAFF_MFA_REQUIRED and user.is_staff and not is_mfa_enabled(user)


class StaffSecondFactorMiddleware:
    """Staff who have to set up a second factor find every page of the admin closed until they have."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        where = request.resolver_match
        if where is None or where.app_name != "admin" or where.url_name in ("login", "logout", "jsi18n"):
            return None
        if not lacks_second_factor(request.user):
            return None
        messages.warning(request, "Work in the admin takes a second factor. Set up an authenticator app or a passkey.")
        return redirect("mfa_index")


@require_safe
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """The programs that are signed in as this person. Of a token its first characters are known, no more."""
    return render(request, "account/tokens.html", {"tokens": tokens_of(request.user)})


@require_POST
@login_required
def revoke(request: HttpRequest) -> HttpResponse:
    """End one token, by its digest, or with none all of them."""
    theirs = tokens_of(request.user)
    digest = request.POST.get("token")
    ended = (theirs.filter(digest=digest) if digest else theirs).delete()[0]
    messages.success(request, f"{ended} token{'' if ended == 1 else 's'} ended.")
    return redirect("account-tokens")


def tokens_of(user: Any) -> QuerySet[AuthToken]:
    return AuthToken.objects.filter(user=user).order_by("-created")
