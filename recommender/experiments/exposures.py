"""The people of an experiment: who saw a list of their arm, and what they did afterwards.

The served lists say who saw a list. A person counts once, with what they did in the experiment's `days` after their
first list, when these days are over: so the people are independent, and all are observed for equally long.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, Min, OuterRef, Q
from django.utils import timezone

from recommender.feedback import amount_paid, can_credit_purchases
from recommender.models import Event, Experiment, Exposure, ServedList
from recommender.source import CUSTOMER_KEY, get_source, interactions_of, with_keys

BATCH_SIZE = 500  # people whose lists and purchases are read together
COMMIT_DELAY = timedelta(minutes=10)  # a list may be committed so long after the time in it


def follow_experiments() -> None:
    """Record the people of the running experiment and what they did. Called every ten minutes."""
    for experiment in Experiment.objects.filter(state=Experiment.State.RUNNING):
        record_exposures(experiment)
        settle_exposures(experiment)


def record_exposures(experiment: Experiment) -> int:
    """Record the people who saw a list of their arm since the last time; back comes the number of all of them."""
    now = timezone.now()
    since = (experiment.exposed_until or experiment.started or now) - COMMIT_DELAY
    lists = ServedList.objects.filter(arm__experiment=experiment, created__gte=since).order_by()
    people = lists.values_list("arm", "customer", "visitor").annotate(first=Min("created"))
    exposures = [
        Exposure(arm_id=arm, customer=customer, visitor=visitor, first=first)
        for arm, customer, visitor, first in people.iterator(chunk_size=5_000)
    ]
    Exposure.objects.bulk_create(exposures, batch_size=500, ignore_conflicts=True)
    Experiment.objects.filter(pk=experiment.pk).update(exposed_until=now)
    experiment.exposed_until = now
    return Exposure.objects.filter(arm__experiment=experiment).count()


def settle_exposures(experiment: Experiment) -> int:
    """Count what the people did whose days are over; back comes their number. No day after the experiment's end
    counts."""
    days = timedelta(days=experiment.days)
    over = min(timezone.now(), experiment.stopped or timezone.now()) - days
    waiting = Exposure.objects.filter(arm__experiment=experiment, settled=None, first__lte=over).order_by("first")
    settled = 0
    while batch := list(waiting[:BATCH_SIZE]):
        _count_lists(batch, days)
        _count_purchases(batch, days)
        for exposure in batch:
            exposure.settled = exposure.first + days
        fields = ["settled", "lists", "click_rate", "orders", "revenue"]
        Exposure.objects.bulk_update(batch, fields, batch_size=100)
        settled += len(batch)
    return settled


# --- within -----------------------------------------------------------------------------------------------------------


def _count_lists(exposures: Sequence[Exposure], days: timedelta) -> None:
    """Count the lists of exposures that have none yet, and set the share of them clicked on."""
    by_person = {(exposure.arm_id, exposure.customer, exposure.visitor): exposure for exposure in exposures}
    served_to = Q(customer__in=[exposure.customer for exposure in exposures if exposure.customer])
    served_to |= Q(visitor__in=[exposure.visitor for exposure in exposures if exposure.visitor])
    was_clicked = Exists(Event.objects.filter(recommendation=OuterRef("pk"), kind__in=Event.TAKEN_UP))
    lists = ServedList.objects.filter(
        served_to, arm__in={exposure.arm_id for exposure in exposures}, created__range=_period(exposures, days)
    )
    clicked = dict.fromkeys(by_person, 0)
    for *person, created, was_clicked_on in lists.order_by().values_list(
        "arm", "customer", "visitor", "created", was_clicked
    ):
        key = tuple(person)
        if key in by_person and _counts(created, by_person[key], days):
            by_person[key].lists += 1
            clicked[key] += was_clicked_on
    for key, exposure in by_person.items():
        exposure.click_rate = clicked[key] / exposure.lists if exposure.lists else 0.0


def _count_purchases(exposures: Sequence[Exposure], days: timedelta) -> None:
    """Count the purchases of exposures that have none yet: all of a customer's, through a list or not."""
    by_customer = {exposure.customer: exposure for exposure in exposures if exposure.customer}
    for customer, bought, amount in _purchases(by_customer, *_period(exposures, days)):
        exposure = by_customer[customer]
        if _counts(bought, exposure, days):
            exposure.orders += 1
            exposure.revenue += amount


def _purchases(customers: Collection[str], start: datetime, end: datetime) -> list[tuple[str, datetime, float]]:
    """Customer's key, moment and amount of the purchases in a period."""
    source = get_source()
    if not customers or not can_credit_purchases(source):
        return []
    moment = source.interaction_time
    amount = [source.interaction_amount] if source.interaction_amount else []
    purchases = with_keys(source, interactions_of(source), CUSTOMER_KEY).filter(
        **{f"{CUSTOMER_KEY}__in": list(customers), f"{moment}__gte": start, f"{moment}__lt": end}
    )
    rows: Any = purchases.order_by().values_list(CUSTOMER_KEY, moment, *amount)
    return [(str(customer), bought, amount_paid(paid)) for customer, bought, *paid in rows]


def _period(exposures: Sequence[Exposure], days: timedelta) -> tuple[datetime, datetime]:
    """The first moment of the first exposure's days and the last moment of the last one's."""
    first = [exposure.first for exposure in exposures]
    return min(first), max(first) + days


def _counts(moment: datetime, exposure: Exposure, days: timedelta) -> bool:
    return exposure.first <= moment < exposure.first + days
