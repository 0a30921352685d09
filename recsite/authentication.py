"""The tokens of the API: knox's, with no words about them that a token can break."""

from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework.exceptions import AuthenticationFailed


class TokenAuthentication(KnoxAuthentication):
    def authenticate_credentials(self, token: bytes) -> tuple:
        # knox's tokens are letters and digits. Anything else could not be decoded, or asked a database for.
        if not (token.isascii() and token.decode().isprintable()):
            raise AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(token)
