"""The recommender's own rows about a customer: to be handed out whole, and to be erased whole.

Call `erase_personal_data` when a customer is deleted. The files of a bundle may hold data of customers, too; no request
of the site reads it, and it goes when the bundle is pruned: see docs/operations.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Model, QuerySet

from recommender.models import Dismissal, Event, Exposure, ModelVersion, ServedList
from recommender.signals import customer_erased, send_after_commit
from recommender.source import learnable_keys

log = structlog.get_logger("recommender.feedback.personal_data")

# Every model with a field `customer`; a test looks for others.
PERSONAL_MODELS: dict[str, type[Model]] = {
    "events": Event,
    "lists": ServedList,
    "not_interested": Dismissal,
    "experiments": Exposure,
}


def personal_data_of(customer: str) -> dict[str, QuerySet[Any]]:
    """All rows about a customer (a key), by the names of PERSONAL_MODELS."""
    return {name: model._default_manager.filter(customer=customer) for name, model in PERSONAL_MODELS.items()}


def erase_personal_data(customer: str) -> None:
    """Remove every trace of a customer (a key): rows, events before they signed in, and the samples in reports."""
    with transaction.atomic():
        sessions = set(Event.objects.filter(customer=customer).exclude(session="").values_list("session", flat=True))
        Event.objects.filter(customer="", session__in=sessions).delete()
        for rows in personal_data_of(customer).values():
            rows.delete()
        _erase_samples(customer)
        send_after_commit(customer_erased, customer=customer)
    log.info("customer_erased")


def _erase_samples(customer: str) -> None:
    rows = ModelVersion.objects.select_for_update().order_by("pk").values_list("pk", "report__samples")
    pks = [pk for pk, samples in rows if any(sample["user"] == customer for sample in samples or ())]
    for version in ModelVersion.objects.filter(pk__in=pks):
        version.report["samples"] = [row for row in version.report["samples"] if row["user"] != customer]
        version.save(update_fields=["report"])


def learnable_samples(samples: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The samples of customers who exist and agree: some may have left while a model learned from them."""
    keys = learnable_keys([sample["user"] for sample in samples])
    return [sample for sample in samples if sample["user"] in keys]
