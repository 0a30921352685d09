"""Who calls the API: by knox's tokens, with no words about them that a token can break, or by the site's session."""

from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework.authentication import SessionAuthentication as DrfSessionAuthentication
from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from recsite.accounts import lacks_second_factor


class TokenAuthentication(KnoxAuthentication):
    """`Authorization: Token ...`. Whoever sends another scheme means to be somebody, and is told that they are not."""

    def authenticate(self, request: Request) -> tuple | None:
        sent = get_authorization_header(request).split()
        scheme = self.authenticate_header(request)
        if sent and sent[0].lower() != scheme.lower().encode():
            raise AuthenticationFailed(f"The scheme of Authorization is {scheme}: `Authorization: {scheme} ...`.")
        return super().authenticate(request)

    def authenticate_credentials(self, token: bytes) -> tuple:
        # knox's tokens are letters and digits. Anything else could not be decoded, or asked a database for.
        if not (token.isascii() and token.decode().isprintable()):
            raise AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(token)


class SessionAuthentication(DrfSessionAuthentication):
    """The site's session. Staff who have to have a second factor do nothing here before they have it."""

    def authenticate(self, request: Request) -> tuple | None:
        found = super().authenticate(request)
        if found is not None and lacks_second_factor(found[0]):
            raise PermissionDenied("Staff set up a second factor first, on the page of their account.")
        return found
