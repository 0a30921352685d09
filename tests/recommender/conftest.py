"""Who looks at the recommender's pages in the admin, and who calls its API."""

import pytest
from django.contrib.auth.models import Permission, User
from knox.models import AuthToken
from rest_framework.test import APIClient


@pytest.fixture
def staff(client):
    """Signs in a member of staff who has the permissions named, and no other."""

    def sign_in(*permissions: str) -> User:
        user = User.objects.create_user("grace", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(user)
        return user

    return sign_in


@pytest.fixture
def api_key(db):
    """Another system with a token, which may ask for anyone."""
    user = User.objects.create_user("till")
    user.user_permissions.add(Permission.objects.get(codename="recommend_for_anyone"))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {AuthToken.objects.create(user)[1]}")
    return client
