"""Runs, versions, promotions, experiments, served lists, events, schedules and findings of drift."""

from __future__ import annotations

import secrets
import uuid
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, Q, Value, When
from django.utils import timezone

from recommender.key_columns import KeyColumn
from recommender.source import validate_time

# Permissions, as `has_perm` takes them.
MAY_TRAIN, MAY_PROMOTE = "recommender.start_training", "recommender.promote_version"
MAY_SEE_RESULTS, MAY_EXPERIMENT = "recommender.view_listcount", "recommender.run_experiment"
MAY_SEE_RUNS, MAY_SEE_VERSIONS = "recommender.view_trainingrun", "recommender.view_modelversion"

MIN_PROGRESS_FOR_PACE = 0.08  # of a run: before, it reads the data, which says little of how long training takes

# The sources of lists that results and experiments compare.
TWO_TOWER: Final = "two_tower"
POPULAR: Final = "popular"


def one_place_while(**condition: Any) -> models.GeneratedField:
    """A column that the database keeps: 1 in rows that fulfil the condition, and null, which is like no other row, in
    all others. A unique constraint on it lets one row fulfil the condition, in MariaDB, too, which knows no constraint
    with a condition."""
    place = Case(When(**condition, then=Value(1)), default=None, output_field=models.SmallIntegerField())
    return models.GeneratedField(expression=place, output_field=models.SmallIntegerField(null=True), db_persist=True)


class RunQuerySet(models.QuerySet["TrainingRun"]):
    def active(self) -> RunQuerySet:
        """The run that is queued or being executed. The database allows one."""
        return self.filter(state__in=TrainingRun.ACTIVE)


class TrainingRun(models.Model):
    """The training of one model, from its start to its end. Its row is the truth, not the broker's message."""

    class State(models.TextChoices):
        QUEUED = "queued"
        EXPORTING = "exporting"
        TRAINING = "training"
        EVALUATING = "evaluating"
        PROMOTED = "promoted"
        REFUSED = "refused"
        FAILED = "failed"
        CANCELLED = "cancelled"

    ACTIVE = (State.QUEUED, State.EXPORTING, State.TRAINING, State.EVALUATING)
    # The states that may follow a state. Back to queued or exporting: the process that executed the run died.
    _UNSUCCESSFUL, _AGAIN = {State.FAILED, State.CANCELLED}, {State.QUEUED, State.EXPORTING}
    NEXT = {
        State.QUEUED: {State.EXPORTING} | _UNSUCCESSFUL,
        State.EXPORTING: {State.TRAINING} | _AGAIN | _UNSUCCESSFUL,
        State.TRAINING: {State.EVALUATING} | _AGAIN | _UNSUCCESSFUL,
        State.EVALUATING: {State.PROMOTED, State.REFUSED} | _AGAIN | _UNSUCCESSFUL,
    }

    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    parameters = models.JSONField(default=dict, blank=True)
    phase = models.CharField(max_length=200, blank=True, help_text="What is being done right now, in words.")
    progress = models.FloatField(default=0, help_text="0 to 1.")
    heartbeat = models.DateTimeField(default=timezone.now, help_text="The last sign of life.")
    log = models.TextField(blank=True, help_text="The last lines of the run's log.")
    curve = models.JSONField(default=list, blank=True, help_text="Loss and validation NDCG@10 of each epoch.")
    metrics = models.JSONField(default=dict, blank=True)
    counts = models.JSONField(default=dict, blank=True, help_text="Customers, items and interactions learned from.")
    fingerprint = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the data.")
    error = models.TextField(blank=True)
    cancel_requested = models.BooleanField(default=False)
    attempt = models.PositiveSmallIntegerField(
        default=0, help_text="How many processes have taken the run up: one whose process died is gone on with."
    )
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    cancelled_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)
    active_place = one_place_while(state__in=["queued", "exporting", "training", "evaluating"])

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [("start_training", "Can start and cancel training runs")]
        constraints = [
            # At most one row can be active, however many processes race.
            models.UniqueConstraint(fields=["active_place"], name="one_active_training_run"),
            models.CheckConstraint(condition=Q(progress__gte=0, progress__lte=1), name="run_progress_between_0_and_1"),
        ]

    def __str__(self) -> str:
        return f"Run {self.pk}"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE

    @property
    def time_left(self) -> timedelta | None:
        """The time that the rest takes at most, at the pace so far: training may stop early. None without a pace."""
        if not self.is_active or self.started is None or self.progress < MIN_PROGRESS_FOR_PACE:
            return None
        return (self.heartbeat - self.started) * (1 - self.progress) / self.progress


class ModelVersion(models.Model):
    """A trained model in a bundle. It never changes; the newest Promotion decides whether it serves."""

    name = models.CharField(max_length=64, unique=True, help_text="Also the name of its folder under BUNDLE_ROOT.")
    run = models.OneToOneField(TrainingRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="version")
    created = models.DateTimeField(auto_now_add=True)
    report = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=64, blank=True)
    passed_gate = models.BooleanField(default=False)
    gate_reason = models.TextField(blank=True)
    pruned = models.DateTimeField(null=True, blank=True, help_text="When its bundle was removed to make room.")

    class Meta:
        ordering = ["-id"]
        permissions = [("promote_version", "Can promote and roll back versions")]

    def __str__(self) -> str:
        return self.name

    @property
    def metrics(self) -> dict[str, Any]:
        """The two towers' own row of the report."""
        rows = self.report.get("models", [])
        return next((row for row in rows if row["model"] == "two_tower"), {})


class Promotion(models.Model):
    """The gate or a person made a version live. The newest row is the live model; the others are the audit."""

    class Action(models.TextChoices):
        PROMOTE = "promote"
        OVERRIDE = "override"
        ROLL_BACK = "roll back"

    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="promotions")
    action = models.CharField(max_length=12, choices=Action, default=Action.PROMOTE)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    reason = models.TextField(blank=True)
    time = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.action} {self.version}"


class Experiment(models.Model):
    """Two ways of making lists, each for a share of the people. Written by experiments/service.py."""

    class State(models.TextChoices):
        PLANNED = "planned"
        RUNNING = "running"
        STOPPED = "stopped"

    name = models.CharField(max_length=100, unique=True)
    state = models.CharField(max_length=8, choices=State, default=State.PLANNED)
    scenario = models.CharField(max_length=50, blank=True, help_text="Only lists of this scenario; empty: all of them.")
    share = models.FloatField(default=1.0, help_text="Of the people that take part.")
    share_of_b = models.FloatField(default=0.5, help_text="Of those who take part, how many are in arm B.")
    days = models.PositiveSmallIntegerField(
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(28)],
        help_text="What somebody buys and clicks on counts for so many days from their first list on.",
    )
    people = models.PositiveIntegerField(
        default=5_000,
        validators=[MinValueValidator(200)],
        help_text="How many people you expect it to take. The intervals are right at any number, and narrowest there.",
    )
    salt = models.CharField(max_length=64, default=secrets.token_hex, editable=False)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    stopped_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True, blank=True)
    stopped = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True, help_text="Why it was stopped.")
    exposed_until = models.DateTimeField(
        null=True, editable=False, help_text="Lists up to then are known to have exposed whom they were for."
    )
    running_place = one_place_while(state="running")

    class Meta:
        ordering = ["-id"]
        permissions = [("run_experiment", "Can plan, start and stop experiments")]
        constraints = [
            # Two experiments at once would disturb each other's results.
            models.UniqueConstraint(fields=["running_place"], name="one_running_experiment"),
            models.CheckConstraint(
                condition=Q(share__gt=0, share__lte=1),
                name="experiment_share_between_0_and_1",
                violation_error_message="The share of people must be above 0 and at most 1.",
            ),
            models.CheckConstraint(
                condition=Q(share_of_b__gte=0.2, share_of_b__lte=0.8),
                name="experiment_share_of_b_between_a_fifth_and_four",
                violation_error_message="The share of arm B must be from 0.2 to 0.8: a smaller arm teaches little.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Arm(models.Model):
    """One of the two ways. An empty setting is as it would be without the experiment."""

    class Model(models.TextChoices):
        LIVE = "live", "the live version, as it changes"
        VERSION = "version", "one version"
        POPULAR = "popular", "no model: what is popular"

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="arms")
    name = models.CharField(max_length=1)
    model = models.CharField(max_length=7, choices=Model, default=Model.LIVE)
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    diversity = models.FloatField(null=True, blank=True)
    rotation = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ["experiment", "name"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "name"], name="one_arm_of_a_name"),
            models.CheckConstraint(
                condition=Q(model="version", version__isnull=False) | ~Q(model="version") & Q(version__isnull=True),
                name="arm_names_a_version_or_none",
            ),
        ]

    def __str__(self) -> str:
        model = f"version {self.version}" if self.version else self.get_model_display()
        return ", ".join([model, *(f"{name} {value:g}" for name, value in self.settings.items())])

    @property
    def settings(self) -> dict[str, float]:
        """The settings of lists of this arm, which replace those of the page."""
        values = {"diversity": self.diversity, "rotation": self.rotation}
        return {name: value for name, value in values.items() if value is not None}


class Exposure(models.Model):
    """A person who takes part in an experiment: when they saw their first list and, once their days are over, what they
    did. A customer has a key; a visitor an id of the visit."""

    arm = models.ForeignKey(Arm, on_delete=models.CASCADE, related_name="exposures")
    customer = KeyColumn(max_length=64, blank=True, db_index=True, help_text="The customer's key, if known.")
    visitor = KeyColumn(max_length=32, blank=True)
    first = models.DateTimeField(help_text="When the first list was served.")
    settled = models.DateTimeField(null=True, blank=True, help_text="When their days were over and all was counted.")
    lists = models.PositiveIntegerField(default=0)
    click_rate = models.FloatField(default=0, help_text="The share of these clicked on.")
    orders = models.PositiveIntegerField(default=0)
    revenue = models.FloatField(default=0)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["arm", "customer", "visitor"], name="one_exposure_of_a_person"),
        ]
        indexes = [models.Index(fields=["arm", "settled"], name="exposure_settled")]

    def __str__(self) -> str:
        return f"{self.customer or 'a visitor'} in {self.arm_id}"


class ServedList(models.Model):
    """One list that a person was shown. Never written for customers who opted out."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    customer = KeyColumn(max_length=64, blank=True, db_index=True, help_text="The customer's key, if known.")
    scenario = KeyColumn(max_length=50, blank=True)
    source = models.CharField(max_length=20)
    version = models.ForeignKey(ModelVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    items = models.JSONField(default=list)
    length = models.PositiveSmallIntegerField(default=0, help_text="How many items there are.")
    arm = models.ForeignKey(
        Arm, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="Of a running experiment."
    )
    visitor = KeyColumn(
        max_length=32, blank=True, help_text="Stands for the visit it was shown in, where nobody is known."
    )
    bucket = models.PositiveSmallIntegerField(
        default=0, help_text="Which of the buckets of recommender/feedback/counts.py the person falls into."
    )

    class Meta:
        ordering = ["-created"]
        permissions = [("recommend_for_anyone", "Can ask for the list of any customer or profile")]

    def __str__(self) -> str:
        return f"{self.scenario} list {self.id}"


class Event(models.Model):
    """What a person did with an item or a list. `event_id` is the sender's: a repeat is stored once.

    `recommendation` is set where the list held the item and was shown to that person, once for each kind of event.
    """

    class Kind(models.TextChoices):
        VIEW = "view"
        CLICK = "click"
        ADD_TO_CART = "add_to_cart"
        PURCHASE = "purchase"
        RATING = "rating"

    VIEWED = (Kind.VIEW, Kind.CLICK, Kind.ADD_TO_CART)  # the person looked at the item
    TAKEN_UP = (Kind.CLICK, Kind.ADD_TO_CART)  # with a list, the person accepted what it offered

    kind = models.CharField(max_length=12, choices=Kind)
    sender = KeyColumn(
        max_length=64, blank=True, help_text="Whose `event_id` it is: a user, an API key's account or a visit."
    )
    event_id = KeyColumn(max_length=100, null=True, blank=True)  # null is like no other row
    item = KeyColumn(max_length=64)
    customer = KeyColumn(max_length=64, blank=True)
    session = KeyColumn(max_length=64, blank=True)
    recommendation = models.ForeignKey(
        ServedList, on_delete=models.SET_NULL, null=True, blank=True, related_name="events"
    )
    value = models.FloatField(null=True, blank=True, help_text="The rating, or the amount paid.")
    time = models.DateTimeField(default=timezone.now, db_index=True, validators=[validate_time])

    class Meta:
        ordering = ["-time"]
        indexes = [
            models.Index(fields=["customer", "time"], name="event_of_customer"),
            models.Index(fields=["session", "time"], name="event_of_session"),
            models.Index(fields=["item", "time"], name="event_of_item"),
        ]
        # Without conditions, which MariaDB cannot have: rows without an event id or a list are never alike.
        constraints = [
            models.UniqueConstraint(fields=["sender", "event_id"], name="event_once_for_a_sender"),
            models.UniqueConstraint(fields=["recommendation", "kind", "item"], name="event_once_in_a_list"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.item}"


class ListCount(models.Model):
    """The results of the lists of one scenario and maker that were served on one day to one bucket of people. They name
    no person, and stay when the lists are removed. Written by recommender/feedback/counts.py."""

    day = models.DateField(db_index=True, help_text="Of the lists, in the site's time zone.")
    scenario = KeyColumn(max_length=50, blank=True)
    source = models.CharField(max_length=20)
    version = KeyColumn(max_length=64, blank=True, help_text="The model version's name; empty: no model.")
    bucket = models.PositiveSmallIntegerField()
    lists = models.PositiveIntegerField(default=0)
    views = models.PositiveIntegerField(default=0, help_text="Items shown, all lists together.")
    clicks = models.PositiveIntegerField(default=0, help_text="Clicks on their items.")
    clicked = models.PositiveIntegerField(default=0, help_text="Lists clicked on at least once.")
    orders = models.PositiveIntegerField(default=0, help_text="Purchases credited to them.")
    revenue = models.FloatField(default=0, help_text="What was paid for these.")
    counted = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-day", "scenario", "source", "version", "bucket"]
        verbose_name, verbose_name_plural = "result of lists", "results of lists"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "scenario", "source", "version", "bucket"], name="one_list_count_a_day_and_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.scenario} {self.source} {self.version} {self.bucket}"


class Dismissal(models.Model):
    """An item that a customer does not want to see. Those of visitors are in their session: see dismissals.py."""

    customer = KeyColumn(max_length=64, help_text="The customer's key.")
    item = KeyColumn(max_length=64)
    time = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-time", "-id"]
        constraints = [models.UniqueConstraint(fields=["customer", "item"], name="one_dismissal_of_an_item")]

    def __str__(self) -> str:
        return f"{self.customer} dismissed {self.item}"


class TrainingSchedule(models.Model):
    """When a training starts by itself: at an hour, after a number of purchases, or whichever comes first."""

    class Weekday(models.IntegerChoices):
        MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = range(7)

    active = models.BooleanField(default=True, help_text="An inactive schedule starts nothing.")
    hour = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(23)],
        help_text="Every day at this hour, 0 to 23, in the site's time zone.",
    )
    weekday = models.PositiveSmallIntegerField(
        null=True, blank=True, choices=Weekday, help_text="At the hour on this day only; empty: every day."
    )
    purchases = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="As soon as there are so many purchases more than at the last start.",
    )
    warm_start = models.BooleanField(
        default=True, help_text="Go on from the version that serves: a fraction of the time of a cold start."
    )
    settled = models.DateTimeField(
        default=timezone.now,
        editable=False,
        help_text="Hours up to then are done with: a run was started, or it was made.",
    )
    counted = models.PositiveBigIntegerField(
        null=True, editable=False, help_text="The purchases that there were at the last start."
    )
    run = models.ForeignKey(
        TrainingRun, on_delete=models.SET_NULL, null=True, editable=False, related_name="+", help_text="Started last."
    )
    note = models.CharField(max_length=300, blank=True, editable=False, help_text="What keeps it from starting a run.")

    class Meta:
        ordering = ["warm_start", "id"]  # of two that are due at once, the cold start goes first
        constraints = [
            models.CheckConstraint(
                condition=Q(hour__isnull=False) | Q(purchases__isnull=False),
                name="schedule_has_an_hour_or_purchases",
                violation_error_message="Give an hour, a number of purchases, or both.",
            ),
        ]

    def __str__(self) -> str:
        day = "every day" if self.weekday is None else f"every {self.Weekday(self.weekday).label}"
        when = [f"{day} at {self.hour}:00"] if self.hour is not None else []
        when += [f"after {self.purchases:,} purchases"] if self.purchases else []
        words = f"{' or '.join(when)}, {'warm' if self.warm_start else 'cold'}"
        return words[0].upper() + words[1:]

    def clean(self) -> None:
        if self.weekday is not None and self.hour is None:
            raise ValidationError({"weekday": "A weekday needs an hour."})


class DriftFinding(models.Model):
    """A daily comparison of one recent value with the training data of the live version, or with the weeks before."""

    class Subject(models.TextChoices):
        PROFILES = "profiles"
        PURCHASES = "purchases"
        LISTS = "lists"

    class Measure(models.TextChoices):
        PSI = "psi", "population stability index"
        UNKNOWN = "unknown", "share of unknown values"
        FALLBACK = "fallback", "share of lists not made by the model"
        CLICKS = "clicks", "share of lists clicked on"

    class Level(models.TextChoices):
        FINE = "fine"
        WATCH = "watch"
        HIGH = "high"

    time = models.DateTimeField(db_index=True, help_text="The same for all findings of one look.")
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+")
    subject = models.CharField(max_length=10, choices=Subject)
    field = models.CharField(max_length=100, blank=True)
    measure = models.CharField(max_length=10, choices=Measure)
    value = models.FloatField()
    before = models.FloatField(null=True, help_text="The same of the training data, or of the weeks before.")
    counted = models.PositiveIntegerField(help_text="People, purchases or lists that the value is of.")
    level = models.CharField(max_length=5, choices=Level)
    words = models.TextField()

    class Meta:
        ordering = ["-time", "id"]

    def __str__(self) -> str:
        return f"{self.subject} {self.field} {self.measure}: {self.value:.3f} ({self.level})"
