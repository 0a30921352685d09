"""How allauth works here: who the client is, one account for an address, what ends with a password or a second factor,
and what a second factor opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.account.views import ConfirmEmailView as AllauthConfirmEmailView
from allauth.account.views import EmailView as AllauthEmailView
from allauth.account.views import SignupView
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import MinimumLengthValidator
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe
from knox.models import AuthToken

from recommender.client_address import client_address


class AccountAdapter(DefaultAccountAdapter):
    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request) or "unknown"

    def get_reauthentication_methods(self, user: Any) -> list[dict]:
        """How a person confirms that it is them. Where there is a second factor, the password is not enough: whoever
        knows it could add a factor of their own, or remove the one that is there."""
        methods = super().get_reauthentication_methods(user)
        return [m for m in methods if m["id"] != "reauthenticate"] if is_mfa_enabled(user) else methods

    def send_mail(self, template_prefix: str, email: str, context: dict) -> None:
        """Emails are from the shop, by its name, and not from the host that answered."""
        site = {"name": settings.SITE_NAME, "domain": self.request.get_host()}
        super().send_mail(template_prefix, email, {"current_site": site, **context})


class SignUpView(SignupView):
    """allauth's page. Of two equal forms sent at once, both valid, the second to be saved gets an ordinary message:
    usernames, and addresses in any spelling, are unique in the database."""

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            with transaction.atomic():
                return super().form_valid(form)
        except IntegrityError:
            words = gettext("An account with this name or address was made a moment ago. Sign in to it instead.")
            form.add_error(None, words)
            return self.form_invalid(form)


PROVED_FACTOR = "account_proved_factor"  # in a session: the factor that was set up in it
ADDRESS_TAKEN = _("Another account has this address. If that is yours, too, sign in to it or reset its password.")


def is_address_taken(address: str, user: Any) -> bool:
    """Whether another user has this address, in any spelling."""
    return bool(address) and User.objects.filter(email__iexact=address).exclude(pk=user.pk).exists()


class OneAccountAnAddress:
    """For a view of allauth that changes addresses: one that another user has is refused with a sentence."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            with transaction.atomic():
                return super().post(request, *args, **kwargs)  # type: ignore[misc]
        except IntegrityError:
            messages.error(request, ADDRESS_TAKEN)
            return redirect("account_email")


class EmailView(OneAccountAnAddress, AllauthEmailView):
    """allauth's page of a person's addresses."""


class ConfirmEmailView(OneAccountAnAddress, AllauthConfirmEmailView):
    """allauth's page of a link that confirms an address."""


def revoke_tokens(user: Any) -> int:
    """End all tokens of a person; how many there were."""
    return AuthToken.objects.filter(user=user).delete()[0]


class PasswordValidator(MinimumLengthValidator):
    """Django's rule of length; and a new password, set at whatever door, ends every token. Django ends the sessions."""

    def password_changed(self, password: str, user: Any) -> None:
        """Django calls this once a new password is saved, and not when it makes a hash anew at sign-in."""
        revoke_tokens(user)


def revoke_with_confirmation(sender: Any, request: Any, email_address: EmailAddress, **options: Any) -> None:
    """An address proves to be somebody's: tokens made before, perhaps by another person, end."""
    revoke_tokens(email_address.user)


def remember_new_factor(sender: Any, request: HttpRequest, user: Any, authenticator: Any, **options: Any) -> None:
    """Somebody set up a second factor, and proved it. Tokens that a password alone has made end; this session counts
    as signed in with the factor, and no other session does."""
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        return  # they come with a factor and are none
    revoke_tokens(user)
    request.session[PROVED_FACTOR] = authenticator.pk


def may_have_tokens(user: Any) -> bool:
    """Whether the person's address is confirmed, where the site asks for that."""
    if settings.ACCOUNT_EMAIL_VERIFICATION != "mandatory":
        return True
    return EmailAddress.objects.filter(user=user, verified=True).exists()


def needs_second_factor(user: Any) -> bool:
    """Whether a password alone is not enough for this person: they have a second factor, or have to have one."""
    return is_mfa_enabled(user) or (settings.STAFF_MFA_REQUIRED and user.is_staff)


def missing_second_factor(request: Any, user: Any) -> str:
    """What the session of a member of staff lacks to work for the shop, as a sentence; "" where it lacks nothing.

    Having a factor is not enough. The session has to have passed it: one that is older than the factor, perhaps of
    somebody who knew the password, has not.
    """
    if not (settings.STAFF_MFA_REQUIRED and user.is_staff):
        return ""
    if not is_mfa_enabled(user):
        return gettext("Work in the admin takes a second factor. Set up an authenticator app or a passkey.")
    passed = any(record["method"] == "mfa" for record in get_authentication_records(request, user))
    if passed or PROVED_FACTOR in request.session:
        return ""
    return gettext("Work in the admin takes your second factor, and you signed in without it. Confirm that it is you.")


class StaffSecondFactorMiddleware:
    """Staff who have to have a second factor find every page of the admin closed until they have set one up, and until
    they have signed in with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.app_name != "admin" or match.url_name in ("login", "logout", "jsi18n"):
            return None
        problem = missing_second_factor(request, request.user)
        if not problem:
            return None
        messages.warning(request, problem)
        if not is_mfa_enabled(request.user):
            return redirect("mfa_index")
        query = urlencode({"next": request.get_full_path()}) if request.method == "GET" else ""
        return redirect(f"{reverse('account_reauthenticate')}?{query}")


@require_safe
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """The programs that are signed in as this person. Of a token its first characters are known, no more."""
    return render(request, "account/tokens.html", {"tokens": tokens_of(request.user)})


@require_POST
@login_required
def revoke(request: HttpRequest) -> HttpResponse:
    """End one token, by its digest, or with none all of them."""
    chosen = tokens_of(request.user)
    digest = request.POST.get("token")
    ended = (chosen.filter(digest=digest) if digest else chosen).delete()[0]
    messages.success(request, ngettext("{n} token ended.", "{n} tokens ended.", ended).format(n=ended))
    return redirect("account-tokens")


def tokens_of(user: Any) -> QuerySet[AuthToken]:
    return AuthToken.objects.filter(user=user).order_by("-created")
