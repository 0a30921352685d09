"""Who looks at the recommender's pages in the admin."""

import pytest
from django.contrib.auth.models import Permission, User


@pytest.fixture
def staff(client):
    """Signs in a member of staff who has the permissions named, and no other."""

    def sign_in(*permissions: str) -> User:
        user = User.objects.create_user("grace", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(user)
        return user

    return sign_in
