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
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from recommender.key_columns import KeyColumn
from recommender.source import MAX_KEY_CHARACTERS, validate_time
from recommender.words import Words, counted, in_words, joined, shown_column, stored_words

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


# States, actions and levels, as sentences say them: "Run 7 is queued."
WORDS_OF_VALUES = [
    gettext_noop("queued"),
    gettext_noop("exporting"),
    gettext_noop("training"),
    gettext_noop("evaluating"),
    gettext_noop("promoted"),
    gettext_noop("refused"),
    gettext_noop("failed"),
    gettext_noop("cancelled"),
    gettext_noop("planned"),
    gettext_noop("running"),
    gettext_noop("stopped"),
    gettext_noop("promote"),  # of promotions
    gettext_noop("override"),
    gettext_noop("roll back"),
    gettext_noop("fine"),  # of findings
    gettext_noop("watch"),
    gettext_noop("high"),
]
ARM_SETTINGS = {"diversity": gettext_noop("diversity {value:g}"), "rotation": gettext_noop("rotation {value:g}")}
ARM_MODELS = {
    "live": gettext_noop("the live version, as it changes"),
    "version": gettext_noop("one version"),
    "popular": gettext_noop("no model: what is popular"),
}
WEEKDAYS = (
    gettext_noop("Monday"),
    gettext_noop("Tuesday"),
    gettext_noop("Wednesday"),
    gettext_noop("Thursday"),
    gettext_noop("Friday"),
    gettext_noop("Saturday"),
    gettext_noop("Sunday"),
)


def parts_field() -> models.JSONField:
    """Beside a column with an English sentence: of what it is made in other languages; nothing where a person wrote it.
    recommender/words.py reads and writes both."""
    return models.JSONField(null=True, blank=True, editable=False)


def scope_field() -> KeyColumn:
    return KeyColumn(
        max_length=255,
        blank=True,
        default="",
        db_default="",  # a process of the code before names no scope
        help_text=_("The site, tenant or market, where the source has several."),
        verbose_name=_("scope"),
    )


class RunQuerySet(models.QuerySet["TrainingRun"]):
    def active(self) -> RunQuerySet:
        """The run that is queued or being executed. The database allows one."""
        return self.filter(state__in=TrainingRun.ACTIVE)


class TrainingRun(models.Model):
    """The training of one model, from its start to its end. Its row is the truth, not the broker's message."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        EXPORTING = "exporting", _("Exporting")
        TRAINING = "training", _("Training")
        EVALUATING = "evaluating", _("Evaluating")
        PROMOTED = "promoted", _("Promoted")
        REFUSED = "refused", _("Refused")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    ACTIVE = (State.QUEUED, State.EXPORTING, State.TRAINING, State.EVALUATING)
    # The states that may follow a state. Back to queued or exporting: the process that executed the run died.
    _UNSUCCESSFUL, _AGAIN = {State.FAILED, State.CANCELLED}, {State.QUEUED, State.EXPORTING}
    NEXT = {
        State.QUEUED: {State.EXPORTING} | _UNSUCCESSFUL,
        State.EXPORTING: {State.TRAINING} | _AGAIN | _UNSUCCESSFUL,
        State.TRAINING: {State.EVALUATING} | _AGAIN | _UNSUCCESSFUL,
        State.EVALUATING: {State.PROMOTED, State.REFUSED} | _AGAIN | _UNSUCCESSFUL,
    }

    state = models.CharField(max_length=12, choices=State, default=State.QUEUED, verbose_name=_("state"))
    parameters = models.JSONField(default=dict, blank=True, verbose_name=_("parameters"))
    phase = models.CharField(
        max_length=200, blank=True, help_text=_("What is being done right now, in words."), verbose_name=_("phase")
    )
    phase_parts = parts_field()
    progress = models.FloatField(default=0, help_text=_("0 to 1."), verbose_name=_("progress"))
    heartbeat = models.DateTimeField(
        default=timezone.now, help_text=_("The last sign of life."), verbose_name=_("heartbeat")
    )
    log = models.TextField(blank=True, help_text=_("The last lines of the run's log."), verbose_name=_("log"))
    curve = models.JSONField(
        default=list, blank=True, help_text=_("Loss and validation NDCG@10 of each epoch."), verbose_name=_("curve")
    )
    metrics = models.JSONField(default=dict, blank=True, verbose_name=_("metrics"))
    counts = models.JSONField(
        default=dict,
        blank=True,
        help_text=_("Customers, items and interactions learned from."),
        verbose_name=_("counts"),
    )
    fingerprint = models.CharField(
        max_length=64, blank=True, help_text=_("SHA-256 of the data."), verbose_name=_("fingerprint")
    )
    error = models.TextField(blank=True, verbose_name=_("error"))
    error_parts = parts_field()
    cancel_requested = models.BooleanField(default=False, verbose_name=_("cancel requested"))
    attempt = models.PositiveSmallIntegerField(
        default=0,
        help_text=_("How many processes have taken the run up: one whose process died is gone on with."),
        verbose_name=_("attempt"),
    )
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("started by")
    )
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("cancelled by"),
    )
    created = models.DateTimeField(auto_now_add=True, verbose_name=_("created"))
    started = models.DateTimeField(null=True, blank=True, verbose_name=_("started"))
    finished = models.DateTimeField(null=True, blank=True, verbose_name=_("finished"))
    active_place = one_place_while(state__in=["queued", "exporting", "training", "evaluating"])

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("training run")
        verbose_name_plural = _("training runs")
        ordering = ["-id"]
        permissions = [("start_training", "Can start and cancel training runs")]
        constraints = [
            # At most one row can be active, however many processes race.
            models.UniqueConstraint(fields=["active_place"], name="one_active_training_run"),
            models.CheckConstraint(condition=Q(progress__gte=0, progress__lte=1), name="run_progress_between_0_and_1"),
        ]

    def __str__(self) -> str:
        return gettext("Run {run}").format(run=self.pk)

    @property
    def state_words(self) -> Words:
        return Words(self.state)

    @property
    def shown_phase(self) -> str:
        """What is being done right now, in the reader's language; `shown_error` alike."""
        return shown_column(self, "phase")

    @property
    def shown_error(self) -> str:
        return shown_column(self, "error")

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

    name = models.CharField(
        max_length=64,
        unique=True,
        help_text=_("Also the name of its folder under BUNDLE_ROOT."),
        verbose_name=_("name"),
    )
    run = models.OneToOneField(
        TrainingRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="version", verbose_name=_("run")
    )
    created = models.DateTimeField(auto_now_add=True, verbose_name=_("created"))
    report = models.JSONField(default=dict, verbose_name=_("report"))
    fingerprint = models.CharField(max_length=64, blank=True, verbose_name=_("fingerprint"))
    passed_gate = models.BooleanField(default=False, verbose_name=_("passed gate"))
    gate_reason = models.TextField(blank=True, verbose_name=_("gate reason"))
    gate_reason_parts = parts_field()
    pruned = models.DateTimeField(
        null=True, blank=True, help_text=_("When its bundle was removed to make room."), verbose_name=_("pruned")
    )

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ["-id"]
        permissions = [("promote_version", "Can promote and roll back versions")]

    def __str__(self) -> str:
        return self.name

    @property
    def shown_gate_reason(self) -> str:
        """What the gate said, in the reader's language."""
        return shown_column(self, "gate_reason")

    @property
    def gate_words(self) -> Words | str:
        return stored_words(self.gate_reason, self.gate_reason_parts)

    @property
    def metrics(self) -> dict[str, Any]:
        """The two towers' own row of the report."""
        rows = self.report.get("models", [])
        return next((row for row in rows if row["model"] == "two_tower"), {})


class Promotion(models.Model):
    """The gate or a person made a version live. The newest row is the live model; the others are the audit."""

    class Action(models.TextChoices):
        PROMOTE = "promote", _("Promote")
        OVERRIDE = "override", _("Override")
        ROLL_BACK = "roll back", _("Roll Back")

    version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="promotions", verbose_name=_("version")
    )
    action = models.CharField(max_length=12, choices=Action, default=Action.PROMOTE, verbose_name=_("action"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
    )
    reason = models.TextField(blank=True, verbose_name=_("reason"))
    reason_parts = parts_field()
    time = models.DateTimeField(auto_now_add=True, verbose_name=_("time"))

    class Meta:
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{gettext(self.action)} {self.version}"

    @property
    def shown_reason(self) -> str:
        """Why, in the reader's language where the gate said so, or as somebody wrote it."""
        return shown_column(self, "reason")


class Experiment(models.Model):
    """Two ways of making lists, each for a share of the people. Written by experiments/service.py."""

    class State(models.TextChoices):
        PLANNED = "planned", _("Planned")
        RUNNING = "running", _("Running")
        STOPPED = "stopped", _("Stopped")

    name = models.CharField(max_length=100, unique=True, verbose_name=_("name"))
    state = models.CharField(max_length=8, choices=State, default=State.PLANNED, verbose_name=_("state"))
    scenario = models.CharField(
        max_length=50,
        blank=True,
        help_text=_("Only lists of this scenario; empty: all of them."),
        verbose_name=_("scenario"),
    )
    share = models.FloatField(default=1.0, help_text=_("Of the people that take part."), verbose_name=_("share"))
    share_of_b = models.FloatField(
        default=0.5, help_text=_("Of those who take part, how many are in arm B."), verbose_name=_("share of b")
    )
    days = models.PositiveSmallIntegerField(
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(28)],
        help_text=_("What somebody buys and clicks on counts for so many days from their first list on."),
        verbose_name=_("days"),
    )
    people = models.PositiveIntegerField(
        default=5_000,
        validators=[MinValueValidator(200)],
        help_text=_(
            "How many people you expect it to take. The intervals are right at any number, and narrowest there."
        ),
        verbose_name=_("people"),
    )
    salt = models.CharField(max_length=64, default=secrets.token_hex, editable=False, verbose_name=_("salt"))
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("started by")
    )
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("stopped by")
    )
    created = models.DateTimeField(auto_now_add=True, verbose_name=_("created"))
    started = models.DateTimeField(null=True, blank=True, verbose_name=_("started"))
    stopped = models.DateTimeField(null=True, blank=True, verbose_name=_("stopped"))
    reason = models.TextField(blank=True, help_text=_("Why it was stopped."), verbose_name=_("reason"))
    exposed_until = models.DateTimeField(
        null=True,
        editable=False,
        help_text=_("Lists up to then are known to have exposed whom they were for."),
        verbose_name=_("exposed until"),
    )
    running_place = one_place_while(state="running")

    class Meta:
        verbose_name = _("experiment")
        verbose_name_plural = _("experiments")
        ordering = ["-id"]
        permissions = [("run_experiment", "Can plan, start and stop experiments")]
        constraints = [
            # Two experiments at once would disturb each other's results.
            models.UniqueConstraint(fields=["running_place"], name="one_running_experiment"),
            models.CheckConstraint(
                condition=Q(share__gt=0, share__lte=1),
                name="experiment_share_between_0_and_1",
                violation_error_message=_("The share of people must be above 0 and at most 1."),
            ),
            models.CheckConstraint(
                condition=Q(share_of_b__gte=0.2, share_of_b__lte=0.8),
                name="experiment_share_of_b_between_a_fifth_and_four",
                violation_error_message=_("The share of arm B must be from 0.2 to 0.8: a smaller arm teaches little."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state_words(self) -> Words:
        return Words(self.state)


class Arm(models.Model):
    """One of the two ways. An empty setting is as it would be without the experiment."""

    class Model(models.TextChoices):
        LIVE = "live", _("the live version, as it changes")
        VERSION = "version", _("one version")
        POPULAR = "popular", _("no model: what is popular")

    experiment = models.ForeignKey(
        Experiment, on_delete=models.CASCADE, related_name="arms", verbose_name=_("experiment")
    )
    name = models.CharField(max_length=1, verbose_name=_("name"))
    model = models.CharField(max_length=7, choices=Model, default=Model.LIVE, verbose_name=_("model"))
    version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("version")
    )
    diversity = models.FloatField(null=True, blank=True, verbose_name=_("diversity"))
    rotation = models.FloatField(null=True, blank=True, verbose_name=_("rotation"))

    class Meta:
        verbose_name = _("arm")
        verbose_name_plural = _("arms")
        ordering = ["experiment", "name"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "name"], name="one_arm_of_a_name"),
            models.CheckConstraint(
                condition=Q(model="version", version__isnull=False) | ~Q(model="version") & Q(version__isnull=True),
                name="arm_names_a_version_or_none",
            ),
        ]

    def __str__(self) -> str:
        return in_words(self.words)

    @property
    def words(self) -> Words:
        """The arm as a sentence says it: "version v1, diversity 0.3"."""
        model = Words("version {version}", version=self.version) if self.version else Words(ARM_MODELS[self.model])
        settings = [Words(ARM_SETTINGS[name], value=value) for name, value in self.settings.items()]
        return joined([model, *settings], ", ")

    @property
    def settings(self) -> dict[str, float]:
        """The settings of lists of this arm, which replace those of the page."""
        values = {"diversity": self.diversity, "rotation": self.rotation}
        return {name: value for name, value in values.items() if value is not None}


class Exposure(models.Model):
    """A person who takes part in an experiment: when they saw their first list and, once their days are over, what they
    did. A customer has a key; a visitor an id of the visit."""

    arm = models.ForeignKey(Arm, on_delete=models.CASCADE, related_name="exposures", verbose_name=_("arm"))
    customer = KeyColumn(
        max_length=MAX_KEY_CHARACTERS,
        blank=True,
        db_index=True,
        help_text=_("The customer's key, if known."),
        verbose_name=_("customer"),
    )
    visitor = KeyColumn(max_length=32, blank=True, verbose_name=_("visitor"))
    first = models.DateTimeField(help_text=_("When the first list was served."), verbose_name=_("first"))
    settled = models.DateTimeField(
        null=True, blank=True, help_text=_("When their days were over and all was counted."), verbose_name=_("settled")
    )
    lists = models.PositiveIntegerField(default=0, verbose_name=_("lists"))
    click_rate = models.FloatField(
        default=0, help_text=_("The share of these clicked on."), verbose_name=_("click rate")
    )
    orders = models.PositiveIntegerField(default=0, verbose_name=_("orders"))
    revenue = models.FloatField(default=0, verbose_name=_("revenue"))

    class Meta:
        verbose_name = _("exposure")
        verbose_name_plural = _("exposures")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["arm", "customer", "visitor"], name="one_exposure_of_a_person"),
        ]
        indexes = [models.Index(fields=["arm", "settled"], name="exposure_settled")]

    def __str__(self) -> str:
        return f"{self.customer or gettext('a visitor')}, {self.arm_id}"


class ServedList(models.Model):
    """One list that a person was shown. Never written for customers who opted out."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False, verbose_name=_("id"))
    created = models.DateTimeField(default=timezone.now, editable=False, db_index=True, verbose_name=_("created"))
    customer = KeyColumn(
        max_length=MAX_KEY_CHARACTERS,
        blank=True,
        db_index=True,
        help_text=_("The customer's key, if known."),
        verbose_name=_("customer"),
    )
    scenario = KeyColumn(max_length=50, blank=True, verbose_name=_("scenario"))
    scope = scope_field()
    source = models.CharField(max_length=20, verbose_name=_("source"))
    version = models.ForeignKey(
        ModelVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("version")
    )
    items = models.JSONField(default=list, verbose_name=_("items"))
    length = models.PositiveSmallIntegerField(
        default=0, help_text=_("How many items there are."), verbose_name=_("length")
    )
    arm = models.ForeignKey(
        Arm,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Of a running experiment."),
        verbose_name=_("arm"),
    )
    visitor = KeyColumn(
        max_length=32,
        blank=True,
        help_text=_("Stands for the visit it was shown in, where nobody is known."),
        verbose_name=_("visitor"),
    )
    bucket = models.PositiveSmallIntegerField(
        default=0,
        help_text=_("A number that stays with the person; ranges of results are counted by it."),
        verbose_name=_("bucket"),
    )

    class Meta:
        verbose_name = _("served list")
        verbose_name_plural = _("served lists")
        ordering = ["-created"]
        permissions = [("recommend_for_anyone", "Can ask for the list of any customer or profile")]

    def __str__(self) -> str:
        return gettext("{scenario} list {id}").format(scenario=self.scenario, id=self.id)


class Event(models.Model):
    """What a person did with an item or a list. `event_id` is the sender's: a repeat is stored once.

    `recommendation` is set where the list held the item and was shown to that person, once for each kind of event.
    """

    class Kind(models.TextChoices):
        VIEW = "view", _("View")
        CLICK = "click", _("Click")
        ADD_TO_CART = "add_to_cart", _("Add To Cart")
        PURCHASE = "purchase", _("Purchase")
        RATING = "rating", _("Rating")

    VIEWED = (Kind.VIEW, Kind.CLICK, Kind.ADD_TO_CART)  # the person looked at the item
    TAKEN_UP = (Kind.CLICK, Kind.ADD_TO_CART)  # with a list, the person accepted what it offered

    kind = models.CharField(max_length=12, choices=Kind, verbose_name=_("kind"))
    sender = KeyColumn(
        max_length=MAX_KEY_CHARACTERS + 10,
        blank=True,
        help_text=_("Who gave the event its id: a user, an API key's account or a visit."),
        verbose_name=_("sender"),
    )
    event_id = KeyColumn(max_length=100, null=True, blank=True, verbose_name=_("event id"))  # null is like no other row
    item = KeyColumn(max_length=MAX_KEY_CHARACTERS, verbose_name=_("item"))
    customer = KeyColumn(max_length=MAX_KEY_CHARACTERS, blank=True, verbose_name=_("customer"))
    session = KeyColumn(max_length=64, blank=True, verbose_name=_("session"))
    recommendation = models.ForeignKey(
        ServedList,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="events",
        verbose_name=_("recommendation"),
    )
    value = models.FloatField(
        null=True, blank=True, help_text=_("The rating, or the amount paid."), verbose_name=_("value")
    )
    time = models.DateTimeField(default=timezone.now, db_index=True, validators=[validate_time], verbose_name=_("time"))

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
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
        return gettext("{kind} of {item}").format(kind=self.get_kind_display(), item=self.item)


class ListCount(models.Model):
    """The results of the lists of one scenario and maker that were served on one day to one bucket of people. They name
    no person, and stay when the lists are removed. Written by recommender/feedback/counts.py."""

    day = models.DateField(db_index=True, help_text=_("Of the lists, in the site's time zone."), verbose_name=_("day"))
    scenario = KeyColumn(max_length=50, blank=True, verbose_name=_("scenario"))
    scope = scope_field()
    source = models.CharField(max_length=20, verbose_name=_("source"))
    version = KeyColumn(
        max_length=64, blank=True, help_text=_("The model version's name; empty: no model."), verbose_name=_("version")
    )
    bucket = models.PositiveSmallIntegerField(verbose_name=_("bucket"))
    lists = models.PositiveIntegerField(default=0, verbose_name=_("lists"))
    views = models.PositiveIntegerField(
        default=0, help_text=_("Items shown, all lists together."), verbose_name=_("views")
    )
    clicks = models.PositiveIntegerField(default=0, help_text=_("Clicks on their items."), verbose_name=_("clicks"))
    clicked = models.PositiveIntegerField(
        default=0, help_text=_("Lists clicked on at least once."), verbose_name=_("clicked")
    )
    orders = models.PositiveIntegerField(
        default=0, help_text=_("Purchases credited to them."), verbose_name=_("orders")
    )
    revenue = models.FloatField(default=0, help_text=_("What was paid for these."), verbose_name=_("revenue"))
    counted = models.DateTimeField(default=timezone.now, verbose_name=_("counted"))

    class Meta:
        ordering = ["-day", "scenario", "source", "version", "bucket"]
        verbose_name, verbose_name_plural = _("result of lists"), _("results of lists")
        constraints = [
            models.UniqueConstraint(
                fields=["day", "scenario", "scope", "source", "version", "bucket"], name="one_list_count_a_day_and_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.scenario} {self.source} {self.version} {self.bucket}"


class Dismissal(models.Model):
    """An item that a customer does not want to see. Those of visitors are in their session: see dismissals.py."""

    customer = KeyColumn(max_length=MAX_KEY_CHARACTERS, help_text=_("The customer's key."), verbose_name=_("customer"))
    item = KeyColumn(max_length=MAX_KEY_CHARACTERS, verbose_name=_("item"))
    time = models.DateTimeField(default=timezone.now, verbose_name=_("time"))

    class Meta:
        verbose_name = _("dismissal")
        verbose_name_plural = _("dismissals")
        ordering = ["-time", "-id"]
        constraints = [models.UniqueConstraint(fields=["customer", "item"], name="one_dismissal_of_an_item")]

    def __str__(self) -> str:
        return gettext("{customer} dismissed {item}").format(customer=self.customer, item=self.item)


class TrainingSchedule(models.Model):
    """When a training starts by itself: at an hour, after a number of purchases, or whichever comes first."""

    class Weekday(models.IntegerChoices):
        MONDAY = 0, _("Monday")
        TUESDAY = 1, _("Tuesday")
        WEDNESDAY = 2, _("Wednesday")
        THURSDAY = 3, _("Thursday")
        FRIDAY = 4, _("Friday")
        SATURDAY = 5, _("Saturday")
        SUNDAY = 6, _("Sunday")

    active = models.BooleanField(
        default=True, help_text=_("An inactive schedule starts nothing."), verbose_name=_("active")
    )
    hour = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(23)],
        help_text=_("Every day at this hour, 0 to 23, in the site's time zone."),
        verbose_name=_("hour"),
    )
    weekday = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        choices=Weekday,
        help_text=_("At the hour on this day only; empty: every day."),
        verbose_name=_("weekday"),
    )
    purchases = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("As soon as there are so many purchases more than at the last start."),
        verbose_name=_("purchases"),
    )
    warm_start = models.BooleanField(
        default=True,
        help_text=_("Go on from the version that serves: a fraction of the time of a cold start."),
        verbose_name=_("warm start"),
    )
    settled = models.DateTimeField(
        default=timezone.now,
        editable=False,
        help_text=_("Hours up to then are done with: a run was started, or it was made."),
        verbose_name=_("settled"),
    )
    counted = models.PositiveBigIntegerField(
        null=True,
        editable=False,
        help_text=_("The purchases that there were at the last start."),
        verbose_name=_("counted"),
    )
    run = models.ForeignKey(
        TrainingRun,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        help_text=_("Started last."),
        verbose_name=_("run"),
    )
    note = models.CharField(
        max_length=300,
        blank=True,
        editable=False,
        help_text=_("What keeps it from starting a run."),
        verbose_name=_("note"),
    )
    note_parts = parts_field()

    class Meta:
        verbose_name = _("training schedule")
        verbose_name_plural = _("training schedules")
        ordering = ["warm_start", "id"]  # of two that are due at once, the cold start goes first
        constraints = [
            models.CheckConstraint(
                condition=Q(hour__isnull=False) | Q(purchases__isnull=False),
                name="schedule_has_an_hour_or_purchases",
                violation_error_message=_("Give an hour, a number of purchases, or both."),
            ),
        ]

    def __str__(self) -> str:
        when = []
        if self.hour is not None and self.weekday is None:
            when.append(Words("every day at {hour}:00", hour=self.hour))
        elif self.hour is not None:
            when.append(Words("every {day} at {hour}:00", day=Words(WEEKDAYS[self.weekday or 0]), hour=self.hour))
        if self.purchases:
            when.append(counted("after {count:n} purchase", "after {count:n} purchases", self.purchases))
        either = Words("{one} or {other}", one=when[0], other=when[1]) if len(when) > 1 else when[0]
        text = in_words(Words("{when}, warm", when=either) if self.warm_start else Words("{when}, cold", when=either))
        return text[0].upper() + text[1:]

    @property
    def shown_note(self) -> str:
        return shown_column(self, "note")

    def clean(self) -> None:
        if self.weekday is not None and self.hour is None:
            raise ValidationError({"weekday": _("A weekday needs an hour.")})


class DriftFinding(models.Model):
    """A daily comparison of one recent value with the training data of the live version, or with the weeks before."""

    class Subject(models.TextChoices):
        PROFILES = "profiles", _("Profiles")
        PURCHASES = "purchases", _("Purchases")
        LISTS = "lists", _("Lists")

    class Measure(models.TextChoices):
        PSI = "psi", _("population stability index")
        UNKNOWN = "unknown", _("share of unknown values")
        FALLBACK = "fallback", _("share of lists not made by the model")
        CLICKS = "clicks", _("share of lists clicked on")

    class Level(models.TextChoices):
        FINE = "fine", _("Fine")
        WATCH = "watch", _("Watch")
        HIGH = "high", _("High")

    time = models.DateTimeField(
        db_index=True, help_text=_("The same for all findings of one look."), verbose_name=_("time")
    )
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+", verbose_name=_("version"))
    subject = models.CharField(max_length=10, choices=Subject, verbose_name=_("subject"))
    field = models.CharField(max_length=100, blank=True, verbose_name=_("field"))
    measure = models.CharField(max_length=10, choices=Measure, verbose_name=_("measure"))
    value = models.FloatField(verbose_name=_("value"))
    before = models.FloatField(
        null=True, help_text=_("The same of the training data, or of the weeks before."), verbose_name=_("before")
    )
    counted = models.PositiveIntegerField(
        help_text=_("People, purchases or lists that the value is of."), verbose_name=_("counted")
    )
    level = models.CharField(max_length=5, choices=Level, verbose_name=_("level"))
    words = models.TextField(verbose_name=_("words"))
    words_parts = parts_field()

    class Meta:
        verbose_name = _("drift finding")
        verbose_name_plural = _("drift findings")
        ordering = ["-time", "id"]

    def __str__(self) -> str:
        words = Words(
            "{subject} {field} {measure}: {value:.3f} ({level})",
            subject=self.get_subject_display(),
            field=self.field,
            measure=self.get_measure_display(),
            value=self.value,
            level=Words(self.level),
        )
        return in_words(words)

    @property
    def shown_words(self) -> str:
        return shown_column(self, "words")
