"""Authentication of API calls: by knox's tokens, or by the site's session."""

from django.conf import settings
from django.utils.translation import gettext
from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework.authentication import SessionAuthentication as DrfSessionAuthentication
from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from recsite.accounts import missing_second_factor
from recsite.models import ApiKey


class TokenAuthentication(KnoxAuthentication):
    """`Authorization: Token ...`. Another scheme is refused, and not taken for an anonymous call."""

    def authenticate(self, request: Request) -> tuple | None:
        sent = get_authorization_header(request).split()
        scheme = self.authenticate_header(request)
        if sent and sent[0].lower() != scheme.lower().encode():
            raise AuthenticationFailed(
                gettext("The scheme of Authorization is {scheme}: `Authorization: {scheme} ...`.").format(scheme=scheme)
            )
        return super().authenticate(request)

    def authenticate_credentials(self, token: bytes) -> tuple:
        # knox's tokens are letters and digits. Other bytes cannot be decoded, or compared by a database.
        if not (token.isascii() and token.decode().isprintable()):
            raise AuthenticationFailed(gettext("Invalid token."))
        user, stored = super().authenticate_credentials(token)
        if settings.STAFF_MFA_REQUIRED and user.is_staff and not ApiKey.objects.filter(token=stored).exists():
            # A password made it, before its owner worked here or before a second factor was asked for.
            raise AuthenticationFailed(
                gettext("Staff sign in with a second factor. Programs of the shop use an API key.")
            )
        return user, stored


class SessionAuthentication(DrfSessionAuthentication):
    """The site's session. Staff who have to have a second factor do nothing here before they signed in with it."""

    def authenticate(self, request: Request) -> tuple | None:
        signed_in = super().authenticate(request)
        if signed_in is not None and (problem := missing_second_factor(request, signed_in[0])):
            raise PermissionDenied(problem)
        return signed_in
