"""Users, groups and sign-in methods. Staff cannot raise their own permissions, or anybody's above their own.

Superusers alone give permissions. Other staff change, delete and give passwords to users whose permissions they have
themselves: setting a user's password or email address is enough to sign in as that user.
"""

from typing import Any

from allauth.account.admin import EmailAddressAdmin as AllauthEmailAddressAdmin
from allauth.account.models import EmailAddress
from allauth.mfa.admin import AuthenticatorAdmin as AllauthAuthenticatorAdmin
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from recsite.accounts import is_address_taken

RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


def may_manage(by: Any, user: User) -> bool:
    """Whether a member of staff has every permission that the user has, or would have if active."""
    if by.is_superuser:
        return True
    stored = User.objects.get(pk=user.pk)  # the form of the request may be in `user` already
    stored.is_active = True
    return not stored.is_superuser and stored.get_all_permissions() <= by.get_all_permissions()


class SuperuserOnly:
    """A page that others may read at most."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_superuser and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_superuser and super().has_delete_permission(request, obj)


admin.site.unregister([User, Group, EmailAddress, Authenticator])


class ChangeForm(UserChangeForm):
    def clean_email(self) -> str:
        address = self.cleaned_data["email"]
        if is_address_taken(address, self.instance):
            raise ValidationError(gettext("Another user has this address."))
        return address


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = ChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and (obj is None or may_manage(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may = super().has_delete_permission(request, obj)
        return may and (obj is None or may_manage(request.user, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        fields = list(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else [*fields, *RIGHTS]


@admin.register(Group)
class GroupAdmin(SuperuserOnly, DjangoGroupAdmin, ModelAdmin):
    pass


@admin.register(EmailAddress)
class EmailAddressAdmin(SuperuserOnly, AllauthEmailAddressAdmin, ModelAdmin):
    """A link that sets a new password is sent to these."""

    def get_actions(self, request: HttpRequest) -> dict:
        actions = super().get_actions(request)
        if not self.has_change_permission(request):
            actions.pop("make_verified", None)  # which asks for no right itself
        return actions


@admin.register(Authenticator)
class AuthenticatorAdmin(SuperuserOnly, AllauthAuthenticatorAdmin, ModelAdmin):
    """Second factors: changing one is enough to sign in with it."""

    exclude = ["data"]  # the secret itself
