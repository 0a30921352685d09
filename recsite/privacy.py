"""Everything that is kept about a person, in all apps: given to them as one document, and erased.

PARTS and NOT_THEIRS name every model that has to do with a person. tests/recsite/test_privacy.py walks all models and
fails on one that is in neither.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from allauth.account.models import EmailAddress
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Model, QuerySet
from knox.models import AuthToken

from customers.models import CartItem, Customer, Purchase
from customers.selectors import customer_of
from recommender import feedback

log = structlog.get_logger("recsite.privacy")

# Models that point at a person and say nothing about them that is theirs to have.
NOT_THEIRS = {
    "admin.LogEntry": "What staff did in the admin, kept for audit. What it calls a customer is erased with them.",
    "account.EmailConfirmation": "A key that confirms an address, good for days.",
    "mfa.Authenticator": "A second factor's secret or public key: the page of the account lists them.",
    "auth.User_groups": "What staff may do.",
    "auth.User_user_permissions": "What staff may do.",
    "recommender.TrainingRun": "Which member of staff started or cancelled it.",
    "recommender.Experiment": "Which member of staff started or stopped it.",
    "recommender.Promotion": "Which member of staff decided it.",
    "recsite.ServiceAccount": "Another program, and which member of staff let it in.",
    "recsite.ApiKey": "A key of another program.",
    "recsite.StoredAnswer": "A copy of an answer that the API gave, kept for a day in case the call comes again.",
}


class Part(NamedTuple):
    """One part of the document: rows of a model, with every field but those that are secret or say the same again."""

    model: type[Model]
    rows: Callable[[User, Customer | None], QuerySet[Any]]
    without: tuple[str, ...] = ()

    def values(self, user: User, customer: Customer | None) -> list[dict[str, Any]]:
        fields = [field for field in self.model._meta.concrete_fields if field.name not in self.without]
        rows = self.rows(user, customer)
        return [{field.name: _plain(getattr(row, field.name)) for field in fields} for row in rows]


def _of_customer(model: type[Model], lookup: str, *without: str, related: str = "") -> Part:
    def rows(user: User, customer: Customer | None) -> QuerySet[Any]:
        records = model.objects.filter(**{lookup: customer.pk}) if customer else model.objects.none()
        return records.select_related(related) if related else records

    return Part(model, rows, without)


def _of_recommender(name: str, model: type[Model]) -> Part:
    def rows(user: User, customer: Customer | None) -> QuerySet[Any]:
        return feedback.personal_data_of(customer.key)[name] if customer else model.objects.none()

    return Part(model, rows, without=("customer",))


PARTS = {
    "account": Part(
        User,
        lambda user, _: User.objects.filter(pk=user.pk),
        without=("password", "is_staff", "is_superuser", "is_active"),
    ),
    "email_addresses": Part(EmailAddress, lambda user, _: EmailAddress.objects.filter(user=user), ("id", "user")),
    "api_keys": Part(AuthToken, lambda user, _: AuthToken.objects.filter(user=user), ("digest", "token_key", "user")),
    "profile": _of_customer(Customer, "pk", "id", "user"),
    "purchases": _of_customer(Purchase, "customer", "customer", related="product"),
    "cart": _of_customer(CartItem, "customer", "id", "customer", related="product"),
    **{name: _of_recommender(name, model) for name, model in feedback.PERSONAL_MODELS.items()},
}


def everything_about(user: User, *, visit: dict[str, Any], now: datetime) -> dict[str, Any]:
    """All that the site keeps about the person who signs in as this user, as plain values.

    visit : what the session of this visit remembers, without its keys to the account.
    """
    customer = customer_of(user)
    return {
        "made": now,
        **{name: part.values(user, customer) for name, part in PARTS.items()},
        "this_visit": {name: value for name, value in visit.items() if not name.startswith(("_", "account_"))},
    }


def _plain(value: Any) -> Any:
    """A related row by what the shop calls it, not by its number in the database."""
    if not isinstance(value, Model):
        return value.name if hasattr(value, "storage") else value
    names = {name: getattr(value, name) for name in ("key", "name") if hasattr(value, name)}
    return names or str(value.pk)


# --- erasure ----------------------------------------------------------------------------------------------------------


def delete_account(user: User) -> None:
    """Delete the account and the customer behind it. recsite/receivers.py erases the rest."""
    with transaction.atomic():
        customer = customer_of(user)
        if customer is not None:
            customer.delete()
        user.delete()
    log.info("account_deleted")


def erase_customer(customer: Customer) -> None:
    """Before the row goes: what the recommender keeps, and how the admin's log calls the customer."""
    feedback.erase_personal_data(customer.key)
    _erase_names(Customer, [customer.pk])
    _erase_names(Purchase, customer.purchases.values_list("pk", flat=True))


def erase_user(user: User) -> None:
    """Before the row goes: sessions, which no foreign key ties to the user, and how the admin's log calls the user."""
    _erase_names(User, [user.pk])
    sessions = [s.pk for s in Session.objects.iterator() if s.get_decoded().get(SESSION_KEY) == str(user.pk)]
    Session.objects.filter(pk__in=sessions).delete()


def _erase_names(model: type[Model], pks: Any) -> None:
    entries = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model))
    entries.filter(object_id__in=[str(pk) for pk in pks]).update(object_repr="(erased)")
