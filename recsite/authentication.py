"""The tokens of the API: knox's, with no words about them that a token can break."""

from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request


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
