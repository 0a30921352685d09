"""What the OpenAPI document says of every operation alike: how one signs in, and the problems that may come back."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "recsite.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        words = "`Token` and a key of a service account, or the token of a person: `Authorization: Token ...`."
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": words}
