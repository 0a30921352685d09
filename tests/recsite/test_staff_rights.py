"""Who works in the admin with some rights comes by no others."""

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from knox.models import AuthToken

pytestmark = pytest.mark.django_db
USERS = "/admin/auth/user/"


def every_right_over(*models: str):
    return Permission.objects.filter(content_type__model__in=models)


@pytest.fixture
def root():
    return User.objects.create_superuser("root", "root@shop.example", "a-long-password")


@pytest.fixture
def staff(client):
    """A member of staff with every right over users, groups, addresses and tokens, signed in."""
    user = User.objects.create_user("staff", "staff@shop.example", "a-long-password", is_staff=True)
    user.user_permissions.set(every_right_over("user", "group", "emailaddress", "authtoken", "authenticator"))
    client.force_login(user)
    return user


def form_of(user: User, **changes):
    told = {
        "username": user.username,
        "email": user.email,
        "first_name": user.first_name,
        "is_active": "on" if user.is_active else "",
        "is_staff": "on" if user.is_staff else "",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "10:00:00",
        "user_permissions": [right.pk for right in user.user_permissions.all()],
    }
    return {name: value for name, value in (told | changes).items() if value != ""}


def send(client, user, **changes):
    return client.post(f"{USERS}{user.pk}/change/", form_of(user, **changes))


def test_staff_make_neither_themselves_nor_others_more_than_they_are(client, staff):
    group = Group.objects.create(name="everything")
    group.permissions.set(Permission.objects.all())
    ada = User.objects.create_user("ada")
    rights = [right.pk for right in Permission.objects.all()]
    for user in (staff, ada):
        before = set(user.get_all_permissions())
        changes = {"is_superuser": "on", "is_staff": "on", "groups": [group.pk], "user_permissions": rights}
        assert send(client, user, **changes, first_name="New").status_code == 302
        now = User.objects.get(pk=user.pk)
        assert (now.first_name, now.is_superuser, now.is_staff) == ("New", False, user.is_staff)
        assert now.get_all_permissions() == before


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("kind", ["superuser", "more rights", "service account"])
def test_staff_change_nobody_who_may_do_more(client, staff, kind, active):
    above = User.objects.create_user("above", "above@shop.example", "a-long-password", is_superuser=kind == "superuser")
    if kind != "superuser":
        above.user_permissions.set(Permission.objects.filter(codename="change_product"))
    if kind == "service account":
        above.set_unusable_password()
    above.is_active = active
    above.save()
    before = User.objects.values().get(pk=above.pk)
    new = {"password1": "another-long-password", "password2": "another-long-password", "usable_password": "true"}
    assert client.get(f"{USERS}{above.pk}/change/").status_code == 200, "they may look"
    assert send(client, above, email="mine@evil.example", is_active="on").status_code == 403
    assert client.post(f"{USERS}{above.pk}/password/", {**new, "set-password": "1"}).status_code == 403
    assert client.post(f"{USERS}{above.pk}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [above.pk], "post": "yes"}
    client.post(USERS, chosen)
    assert User.objects.values().get(pk=above.pk) == before


def test_staff_still_help_customers(client, staff):
    ada = User.objects.create_user("ada", "ada@shop.example", "a-long-password")
    assert send(client, ada, email="ada@new.example").status_code == 302
    new = {"password1": "another-long-password", "password2": "another-long-password", "usable_password": "true"}
    assert client.post(f"{USERS}{ada.pk}/password/", {**new, "set-password": "1"}).status_code == 302
    ada.refresh_from_db()
    assert (ada.email, ada.check_password("another-long-password")) == ("ada@new.example", True)


def test_staff_write_no_rights_into_their_own_group(client, staff):
    group = Group.objects.create(name="helpers")
    staff.groups.add(group)
    rights = [right.pk for right in Permission.objects.all()]
    assert client.get(f"/admin/auth/group/{group.pk}/change/").status_code == 200
    told = {"name": "helpers", "permissions": rights}
    assert client.post(f"/admin/auth/group/{group.pk}/change/", told).status_code == 403
    assert client.post("/admin/auth/group/add/", {**told, "name": "more"}).status_code == 403
    assert not group.permissions.exists()


def test_staff_make_no_token_of_anybody(client, staff, root):
    assert client.post("/admin/knox/authtoken/add/", {"user": root.pk}).status_code == 404
    assert not AuthToken.objects.exists()


def test_staff_send_nobodys_new_password_to_themselves(client, staff, root):
    told = {"user": root.pk, "email": "staff@shop.example", "verified": "on", "primary": "on"}
    assert client.post("/admin/account/emailaddress/add/", told).status_code == 403
    mine = EmailAddress.objects.create(user=staff, email="staff@shop.example")
    assert client.post(f"/admin/account/emailaddress/{mine.pk}/change/", told).status_code == 403
    client.post("/admin/account/emailaddress/", {"action": "make_verified", "_selected_action": [mine.pk]})
    mine.refresh_from_db()
    assert (mine.user, mine.verified) == (staff, False)


@pytest.mark.skipif(not apps.is_installed("allauth.mfa"), reason="there is no second factor")
def test_staff_change_nobodys_second_factor(client, staff, root):
    assert client.get("/admin/mfa/authenticator/add/").status_code == 403


def test_a_superuser_gives_rights(admin_client):
    ada = User.objects.create_user("ada")
    right = Permission.objects.get(codename="change_product")
    assert send(admin_client, ada, is_staff="on", user_permissions=[right.pk]).status_code == 302
    assert User.objects.get(pk=ada.pk).has_perm("catalog.change_product")
    group = {"name": "buyers", "permissions": [right.pk]}
    assert admin_client.post("/admin/auth/group/add/", group).status_code == 302
    assert admin_client.get("/admin/account/emailaddress/").status_code == 200
