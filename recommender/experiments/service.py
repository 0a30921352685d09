"""Experiments: plan one, start it, stop it, and make the better arm live. Every process follows within seconds.

Who is in which arm is worked out, not stored (assignment.py); who saw a list of their arm is read from the served
lists. Each person counts once, with what they did in the experiment's `days` after their first list, when these days
are over: what is compared are independent people, each observed for as long as every other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Exists, Min, OuterRef, Q
from django.utils import timezone

from recommender import registry
from recommender.engine.bundle.storage import read_manifest
from recommender.engine.errors import BundleError
from recommender.errors import ExperimentError, TrainingError
from recommender.feedback import amount_of, has_revenue
from recommender.models import Arm, Event, Experiment, Exposure, ModelVersion, Promotion, ServedList
from recommender.source import get_source

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger("recommender.experiments.service")

State = Experiment.State
AT_ONCE = 500  # people whose lists and purchases are read together
LATE = timedelta(minutes=10)  # a list may be committed so long after the moment it carries


def plan_experiment(*, arms: Sequence[Mapping[str, Any]], **fields: Any) -> Experiment:
    """A new experiment of two arms, A and B, that does not run yet. ValidationError names the field that is wrong."""
    experiment = Experiment(**fields)
    experiment.full_clean()
    made = [Arm(name=name, **fields) for name, fields in zip("AB", arms, strict=True)]
    for arm in made:
        for setting, value in arm.settings.items():
            if not 0 <= value <= 1:
                raise ValidationError(f"{setting} of arm {arm.name} is {value:g}; it must be from 0 to 1.")
        if (arm.model == Arm.Model.VERSION) != (arm.version is not None):
            raise ValidationError(f"Arm {arm.name} needs a version, or none where it is not of one version.")
    a, b = made
    if (a.model, a.version, a.settings) == (b.model, b.version, b.settings):
        raise ValidationError("Both arms are the same. Give one of them another version or other settings.")
    with transaction.atomic():
        experiment.save()
        for arm in made:
            arm.experiment = experiment
            arm.save()
    return experiment


def start_experiment(*, experiment: Experiment, by: User | None = None) -> Experiment:
    """Let it run. ExperimentError when another one does, or when a version of it cannot serve."""
    if experiment.state != State.PLANNED:
        raise ExperimentError(f"{experiment} is {experiment.state}; only a planned experiment can be started.")
    try:
        with transaction.atomic():
            for arm in experiment.arms.select_related("version"):
                if arm.version is not None:
                    _check_serves(arm.version, arm.name)
            now = timezone.now()
            changes = {"state": State.RUNNING, "started": now, "started_by": by, "exposed_until": now}
            if not Experiment.objects.filter(pk=experiment.pk, state=State.PLANNED).update(**changes):
                raise ExperimentError(f"{experiment} was started or removed meanwhile.")
    except IntegrityError:
        raise ExperimentError(
            f"{Experiment.objects.filter(state=State.RUNNING).first()} is running; one experiment runs at a time."
        ) from None
    log.info("experiment_started", experiment=experiment.name, by=by.pk if by else None)
    experiment.refresh_from_db()
    return experiment


def stop_experiment(*, experiment: Experiment, by: User | None = None, reason: str = "") -> Experiment:
    """End it: from the next list on everybody is served alike. ExperimentError unless it runs."""
    record_exposures(experiment)
    changes = {"state": State.STOPPED, "stopped": timezone.now(), "stopped_by": by, "reason": reason.strip()}
    if not Experiment.objects.filter(pk=experiment.pk, state=State.RUNNING).update(**changes):
        experiment.refresh_from_db()
        raise ExperimentError(f"{experiment} is {experiment.state}; only a running experiment can be stopped.")
    log.info("experiment_stopped", experiment=experiment.name, by=by.pk if by else None, reason=reason)
    experiment.refresh_from_db()
    settle_exposures(experiment)
    return experiment


def stop_and_promote(*, arm: Arm, by: User | None = None, reason: str = "", findings: str = "") -> Promotion:
    """End the experiment and make the version of an arm live, which is kept with the promotion as any other.

    findings : what the experiment says, in words. ExperimentError when the arm is of no version of its own, or that
    version serves already or cannot; the experiment then goes on.
    """
    version = arm.version
    if version is None:
        raise ExperimentError(f"Arm {arm.name} is of {arm}: there is no version to promote.")
    why = " ".join(filter(None, (f"Experiment {arm.experiment}, arm {arm.name}.", findings, reason.strip())))
    try:
        with transaction.atomic():
            stop_experiment(experiment=arm.experiment, by=by, reason=reason)
            # What people did outweighs what the gate foresaw; where it refused, the promotion says so by its action.
            return registry.promote(version=version, by=by, reason=why, override=True)
    except TrainingError as error:
        arm.experiment.refresh_from_db()
        raise ExperimentError(str(error)) from None


def remove_experiment(*, experiment: Experiment) -> None:
    """Take a planned experiment back. ExperimentError for one that ran: what was seen is kept."""
    if not Experiment.objects.filter(pk=experiment.pk, state=State.PLANNED).delete()[0]:
        raise ExperimentError(f"{experiment} is {experiment.state}; only a planned experiment can be removed.")


def follow_experiments() -> None:
    """Take note of whom the running experiment reached and what came of it. Every ten minutes."""
    for experiment in Experiment.objects.filter(state=State.RUNNING):
        record_exposures(experiment)
        settle_exposures(experiment)


def record_exposures(experiment: Experiment) -> int:
    """Take down who saw a list of their arm since the last time; back comes how many people there are now."""
    now = timezone.now()
    since = (experiment.exposed_until or experiment.started or now) - LATE
    lists = ServedList.objects.filter(arm__experiment=experiment, created__gte=since).order_by()
    people = lists.values_list("arm", "customer", "visitor").annotate(first=Min("created"))
    seen = [
        Exposure(arm_id=arm, customer=customer, visitor=visitor, first=first)
        for arm, customer, visitor, first in people.iterator(chunk_size=5_000)
    ]
    Exposure.objects.bulk_create(seen, batch_size=500, ignore_conflicts=True)
    Experiment.objects.filter(pk=experiment.pk).update(exposed_until=now)
    experiment.exposed_until = now
    return Exposure.objects.filter(arm__experiment=experiment).count()


def settle_exposures(experiment: Experiment) -> int:
    """Count what people did whose days are over; back comes how many. Nobody's days go on past the experiment's end."""
    days = timedelta(days=experiment.days)
    over = min(timezone.now(), experiment.stopped or timezone.now()) - days
    waiting = Exposure.objects.filter(arm__experiment=experiment, settled=None, first__lte=over).order_by("first")
    settled = 0
    while some := list(waiting[:AT_ONCE]):
        done = _outcomes(some, days)
        for exposure in some:
            outcome = done[exposure.pk]
            exposure.settled = exposure.first + days
            exposure.lists = outcome.lists
            exposure.click_rate = outcome.clicked / outcome.lists if outcome.lists else 0.0
            exposure.orders, exposure.revenue = outcome.orders, outcome.revenue
        fields = ["settled", "lists", "click_rate", "orders", "revenue"]
        Exposure.objects.bulk_update(some, fields, batch_size=100)
        settled += len(some)
    return settled


# --- within -----------------------------------------------------------------------------------------------------------


@dataclass
class _Outcome:
    lists: int = 0
    clicked: int = 0
    orders: int = 0
    revenue: float = 0.0


def _check_serves(version: ModelVersion, arm: str) -> None:
    """ExperimentError unless the bundle of an arm's version is there."""
    # Pruning holds the same row: a version is in a running experiment or its bundle removed, never both.
    version = ModelVersion.objects.select_for_update().get(pk=version.pk)
    try:
        if version.pruned:
            raise BundleError(f"its bundle was removed on {version.pruned:%Y-%m-%d}.")
        read_manifest(registry.bundle_folder(version.name))
    except BundleError as error:
        raise ExperimentError(f"Version {version.name} of arm {arm} cannot serve: {error}") from None


def _outcomes(people: Sequence[Exposure], days: timedelta) -> dict[int, _Outcome]:
    """What each did from their first list on, for so many days, by pk of the exposure."""
    found: dict[int, _Outcome] = defaultdict(_Outcome)
    by_person = {(each.arm_id, each.customer, each.visitor): each for each in people}
    start, end = min(each.first for each in people), max(each.first for each in people) + days
    clicked = Exists(Event.objects.filter(recommendation=OuterRef("pk"), kind__in=Event.TAKEN_UP))
    theirs = Q(customer__in=[each.customer for each in people if each.customer])
    theirs |= Q(visitor__in=[each.visitor for each in people if each.visitor])
    lists = ServedList.objects.filter(theirs, arm__in={each.arm_id for each in people}, created__range=(start, end))
    for arm, customer, visitor, at, taken_up in lists.order_by().values_list(
        "arm", "customer", "visitor", "created", clicked
    ):
        each = by_person.get((arm, customer, visitor))
        if each is not None and _within(at, each, days):
            found[each.pk].lists += 1
            found[each.pk].clicked += taken_up
    customers = {each.customer: each for each in people if each.customer}
    for customer, at, paid in _purchases(customers, start, end):
        each = customers[str(customer)]
        if _within(at, each, days):
            found[each.pk].orders += 1
            found[each.pk].revenue += paid
    return found


def _purchases(customers: Iterable[str], start: datetime, end: datetime) -> Iterable[tuple[Any, datetime, float]]:
    """Customer's key, moment and amount of all that these customers bought, through a list or not."""
    source = get_source()
    keys = list(customers)
    if not keys or not has_revenue(source):
        return []
    key, moment = f"{source.interaction_customer}__{source.customer_key}", source.interaction_time
    bought = source.interactions.filter(**{f"{key}__in": keys, f"{moment}__gte": start, f"{moment}__lt": end})
    rows = bought.order_by().values_list(
        key, moment, *([source.interaction_amount] if source.interaction_amount else [])
    )
    return [(customer, at, amount_of(paid)) for customer, at, *paid in rows]


def _within(at: datetime, exposure: Exposure, days: timedelta) -> bool:
    return exposure.first <= at < exposure.first + days
