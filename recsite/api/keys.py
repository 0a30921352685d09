"""Service accounts and their keys: made, shown once, rotated and revoked. The member of staff is logged, in the history
that the admin shows."""

from collections.abc import Iterable
from datetime import timedelta

import structlog
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from knox.models import AuthToken

from recsite.models import ApiKey, ServiceAccount

log = structlog.get_logger("recsite.keys")

SHOWN = 8  # characters of a key that tell it from others
# What another program may be given; what takes a member of staff is not among it.
RIGHTS = Q(content_type__app_label="recommender", codename__in=["recommend_for_anyone", "view_trainingrun"]) | Q(
    content_type__app_label__in=["catalog", "customers"], content_type__model__in=["product", "customer", "purchase"]
)


class KeyRefused(Exception):
    """A key or a right cannot be given, changed or taken. The text is a sentence for a page."""


# --- accounts ---------------------------------------------------------------------------------------------------------


def rights() -> QuerySet[Permission]:
    """Every right that a service account can have."""
    return Permission.objects.filter(RIGHTS).select_related("content_type").order_by("content_type__model", "pk")


@transaction.atomic
def create_account(*, name: str, purpose: str, given: Iterable[Permission], by: User) -> ServiceAccount:
    """A program's account: its user has no password, so nobody can sign in as it."""
    user = User(username=name)
    user.set_unusable_password()
    user.save()
    account = ServiceAccount.objects.create(user=user, purpose=purpose, created_by=by)
    set_rights(account=account, given=given, by=by)
    log.info("service_account_created", account=name, by=by.pk)
    return account


def set_rights(*, account: ServiceAccount, given: Iterable[Permission], by: User) -> None:
    """From now on the account may do this, and nothing else."""
    before, after = set(account.user.user_permissions.filter(RIGHTS)), set(given)
    check_may_change(before ^ after, by=by)
    account.user.user_permissions.remove(*(before - after))
    account.user.user_permissions.add(*(after - before))
    if before != after:
        log.info("service_account_rights", account=str(account), by=by.pk, rights=sorted(map(label, after)))


def check_may_change(rights: Iterable[Permission], *, by: User) -> None:
    """KeyRefused for rights that one may neither give nor take."""
    beyond = sorted(label(right) for right in rights if not by.has_perm(label(right)))
    if beyond:
        raise KeyRefused(
            gettext("You cannot give or take what you may not do yourself: {rights}.").format(rights=", ".join(beyond))
        )


def set_active(*, account: ServiceAccount, active: bool, by: User) -> None:
    """Switch an account off: every key of it is turned away at once. Switched on again, they work again."""
    if account.user.is_active == active:
        return
    account.user.is_active = active
    account.user.save(update_fields=["is_active"])
    log.info("service_account_switched", account=str(account), active=active, by=by.pk)


def label(right: Permission) -> str:
    """recommender.recommend_for_anyone"""
    return f"{right.content_type.app_label}.{right.codename}"


# --- keys -------------------------------------------------------------------------------------------------------------


@transaction.atomic
def make_key(*, account: ServiceAccount, name: str, lifetime: timedelta | None, by: User) -> tuple[ApiKey, str]:
    """A new key and its text, which is kept nowhere and seen once. lifetime : None, until it is revoked."""
    if any(key.state == "works" and key.name == name for key in account.keys.all()):
        raise KeyRefused(
            gettext("{account} has a key named {name!r} that works. Rotate it, or give this one another name.").format(
                account=account, name=name
            )
        )
    made = new_key(account, name, lifetime, by)
    record(account, by, f"Made the key {made[0].name!r} ({made[0].start}...).", "api_key_made", key=made[0].start)
    return made


@transaction.atomic
def rotate_key(*, key: ApiKey, overlap: timedelta, by: User) -> tuple[ApiKey, str]:
    """A key in place of this one, with its name and lifetime. overlap : how long this one works on."""
    if key.state != "works":
        raise KeyRefused(
            gettext("{key} is {state}; make a new key instead.").format(key=key.name, state=gettext(key.state))
        )
    lifetime = None if key.expires is None else key.expires - key.created
    made = new_key(key.account, key.name, lifetime, by)
    if overlap:
        ends = timezone.now() + overlap
        key.expires = ends if key.expires is None else min(key.expires, ends)
        key.save(update_fields=["expires"])
        AuthToken.objects.filter(pk=key.token_id).update(expiry=key.expires)
    else:
        end(key, by)
    words = f"Rotated the key {key.name!r}: {made[0].start}... in place of {key.start}..."
    record(key.account, by, words, "api_key_rotated", key=made[0].start, before=key.start)
    return made


@transaction.atomic
def revoke_key(*, key: ApiKey, by: User) -> None:
    """From now on the key is turned away."""
    if key.state != "works":
        raise KeyRefused(gettext("{key} is {state} already.").format(key=key.name, state=gettext(key.state)))
    end(key, by)
    record(key.account, by, f"Revoked the key {key.name!r} ({key.start}...).", "api_key_revoked", key=key.start)


def new_key(account: ServiceAccount, name: str, lifetime: timedelta | None, by: User) -> tuple[ApiKey, str]:
    if not account.user.is_active:
        raise KeyRefused(
            gettext("{account} is switched off. Switch it on before it gets a key.").format(account=account)
        )
    beyond = sorted(right for right in account.user.get_all_permissions() if not by.has_perm(right))
    if beyond:
        raise KeyRefused(
            gettext("A key of {account} opens what you may not open yourself: {rights}.").format(
                account=account, rights=", ".join(beyond)
            )
        )
    token, text = AuthToken.objects.create(account.user, expiry=lifetime)
    key = ApiKey.objects.create(
        account=account, name=name, start=text[:SHOWN], token=token, created_by=by, expires=token.expiry
    )
    return key, text


def end(key: ApiKey, by: User) -> None:
    AuthToken.objects.filter(pk=key.token_id).delete()
    key.token, key.revoked, key.revoked_by = None, timezone.now(), by
    key.save(update_fields=["token", "revoked", "revoked_by"])


def record(account: ServiceAccount, by: User, words: str, event: str, **fields: str) -> None:
    LogEntry.objects.log_actions(by.pk, [account], CHANGE, change_message=words, single_object=True)
    log.info(event, account=str(account), by=by.pk, **fields)
