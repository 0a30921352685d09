"""Tokens of people: a customer's own program signs in with their password and sends the token instead."""

from allauth.account.adapter import get_adapter
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiResponse, extend_schema
from knox.models import AuthToken
from rest_framework import serializers, status
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.strict import storable
from recommender.api.fields import StrictSerializer
from recsite.accounts import may_have_tokens, needs_second_factor
from recsite.api.authentication import TokenAuthentication
from recsite.api.problems import Problem


class CredentialsSerializer(StrictSerializer):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=128, trim_whitespace=False, style={"input_type": "password"})

    def validate(self, attrs: dict[str, str]) -> dict:
        """Signs in through allauth, which holds back who guesses passwords."""
        if not all(map(storable, attrs.values())):
            raise serializers.ValidationError(gettext("Text that no name or password holds."))
        try:
            user = get_adapter().authenticate(self.context["request"], **attrs)
        except ValidationError as error:
            raise serializers.ValidationError(error.messages) from None
        if user is None or not user.is_active:
            raise serializers.ValidationError(gettext("The username and password do not match."), code="no_match")
        if not may_have_tokens(user):
            raise serializers.ValidationError(gettext("Confirm your email address first."), code="not_confirmed")
        if needs_second_factor(user):
            why = gettext(
                "This account signs in with a second factor, on the site. Programs of the shop use an API key."
            )
            raise serializers.ValidationError(why, code="second_factor")
        return {"user": user}


class TokenAnswer(serializers.Serializer):
    token = serializers.CharField(help_text="Sent as `Authorization: Token ...`.")
    expiry = serializers.DateTimeField(help_text="It ends then; ask for another one.")


class TokensView(APIView):
    permission_classes = [AllowAny]
    authentication_classes: list[type[BaseAuthentication]] = []  # a name and a password come instead

    @extend_schema(
        summary="A token for a person's own program",
        description="Opens what the person may do themselves, and nobody else's. Programs that act for the shop have "
        "keys, which the admin makes.",
        tags=["tokens"],
        request=CredentialsSerializer,
        responses={201: TokenAnswer, 400: Problem},
    )
    def post(self, request: Request) -> Response:
        credentials = CredentialsSerializer(data=request.data, context={"request": request})
        credentials.is_valid(raise_exception=True)
        token, text = AuthToken.objects.create(credentials.validated_data["user"])
        answer = {"token": text, "expiry": token.expiry}
        return Response(TokenAnswer(answer).data, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class ThisTokenView(APIView):
    permission_classes = [IsAuthenticated]
    authentication_classes = [TokenAuthentication]

    @extend_schema(
        summary="End the token that this is sent with",
        tags=["tokens"],
        responses={204: OpenApiResponse(description="It no longer works.")},
    )
    def delete(self, request: Request) -> Response:
        request.auth.delete()
        return Response(status=status.HTTP_204_NO_CONTENT)
