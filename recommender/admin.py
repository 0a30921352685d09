"""The recommender in the admin: watch and start runs, compare versions, choose which one serves, see who did what.

Rows here are written by services alone, so every page only shows them; the buttons call recommender/training.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField, ExpressionWrapper, Model, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from recommender import training
from recommender.engine.config import LOSSES, TrainConfig
from recommender.errors import TrainingError
from recommender.gate import RULE
from recommender.models import MAY_PROMOTE, MAY_TRAIN, Event, ModelVersion, Promotion, ServedList, TrainingRun
from recommender.report_lines import NOTHING, curve_of, interval, lines_of, row_of, score
from recommender.tasks import queue_run

if TYPE_CHECKING:
    from django.contrib.auth.models import User

STATE_COLOURS = {
    TrainingRun.State.PROMOTED: "success",
    TrainingRun.State.REFUSED: "warning",
    TrainingRun.State.FAILED: "danger",
    TrainingRun.State.CANCELLED: "default",
    **dict.fromkeys(TrainingRun.ACTIVE, "info"),
}


class ReadOnlyAdmin(ModelAdmin):
    """Shows rows that no form may touch."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def page_of(self, request: HttpRequest, shown: Any) -> dict[str, Any]:
        """What the page of one row knows besides the row."""
        return {}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        shown = self.get_object(request, object_id)
        more = {} if shown is None or not self.has_view_permission(request, shown) else self.page_of(request, shown)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})

    def custom_page(self, request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
        """A page of our own inside the admin's frame."""
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return TemplateResponse(request, f"admin/recommender/{template}", {**frame, **context})


# --- runs -------------------------------------------------------------------------------------------------------------


class RetrainForm(forms.Form):
    """What one may choose; everything else has defaults that travel from shop to shop."""

    loss = forms.ChoiceField(
        choices=[(name, name) for name in LOSSES],
        initial=TrainConfig().loss,
        widget=UnfoldAdminSelectWidget,
        help_text="How lists are learned. softmax is best on everything measured so far.",
    )
    epochs = forms.IntegerField(
        min_value=1,
        max_value=1_000,
        initial=TrainConfig().epochs,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="At most so many passes over the purchases; training stops by itself when it no longer helps.",
    )
    tune = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=training.MOST_TRIALS,
        initial=0,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Try so many settings first and take the best. Each trial takes up to as long as a training.",
    )
    warm_start = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Go on from the version that serves, its weights and settings: a fraction of the time.",
    )

    def parameters(self) -> dict[str, Any]:
        """What was chosen; what was left alone is not named."""
        return {name: value for name, value in self.cleaned_data.items() if value}


@admin.register(TrainingRun)
class TrainingRunAdmin(ReadOnlyAdmin):
    list_display = ["number", "shown_state", "what", "quality", "popularity", "made", "started_by", "created", "took"]
    list_display_links = ["number"]
    list_select_related = ["version", "started_by"]
    list_filter = ["state"]
    change_form_template = "admin/recommender/run_page.html"
    actions_list = ["retrain"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrainingRun]:
        return super().get_queryset(request).select_related("version", "started_by")

    @display(description="Run", ordering="pk")
    def number(self, run: TrainingRun) -> int:
        return run.pk

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def shown_state(self, run: TrainingRun) -> str:
        return run.state

    @display(description="What it does or did")
    def what(self, run: TrainingRun) -> str:
        return f"{run.progress:.0%} {run.phase}" if run.is_active else run.error or run.phase

    @display(description="NDCG@10")
    def quality(self, run: TrainingRun) -> str:
        return score(run.metrics.get("two_tower", {}).get("ndcg_10"))

    @display(description="Popularity")
    def popularity(self, run: TrainingRun) -> str:
        return score(run.metrics.get("popularity", {}).get("ndcg_10"))

    @display(description="Version")
    def made(self, run: TrainingRun) -> str:
        return link_to(run.version) if hasattr(run, "version") else NOTHING

    @display(description="Took")
    def took(self, run: TrainingRun) -> str:
        return duration(run.finished - run.started) if run.started and run.finished else NOTHING

    def get_urls(self) -> list[URLPattern]:
        name = "recommender_trainingrun"
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/panel/", wrap(self.panel_view), name=f"{name}_panel"),
            path("<int:pk>/cancel/", wrap(self.cancel_view), name=f"{name}_cancel"),
            *super().get_urls(),
        ]

    # unfold asks for this method; naming the permission itself would make `migrate` look for it in an empty database.
    def has_start_training_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_TRAIN)

    def page_of(self, request: HttpRequest, shown: TrainingRun) -> dict[str, Any]:
        version = getattr(shown, "version", None)
        return {
            "run": shown,
            "took": duration(shown.finished - shown.started) if shown.started and shown.finished else "",
            "version": version,
            "colour": STATE_COLOURS[TrainingRun.State(shown.state)],
            "percent": round(100 * shown.progress),
            "chosen": [f"{name} {value}" for name, value in shown.parameters.items()],
            "learned_from": [f"{value:,} {name}" for name, value in shown.counts.items()],
            "lines": lines_of(version.report) if version else None,
            "curve": curve_of(shown.curve),
            "rule": RULE,
            "may_cancel": shown.is_active and request.user.has_perm(MAY_TRAIN),
        }

    def panel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part of a run's page that changes while it is executed; the page asks for it every two seconds."""
        run = self._shown(request, pk)
        return TemplateResponse(request, "admin/recommender/run_panel.html", self.page_of(request, run))

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        run = self._shown(request, pk)
        check_may(request, MAY_TRAIN)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            run = training.cancel_run(run=run)
        except TrainingError as error:
            messages.error(request, str(error))
        else:
            waits = "It stops within seconds." if run.is_active else "Nothing was changed."
            messages.success(request, f"Run {run.pk} is cancelled. {waits}")
        return redirect(page_address(run))

    @action(
        description="Retrain",
        url_path="retrain",
        permissions=["start_training"],
        icon="model_training",
        variant=ActionVariant.PRIMARY,
    )
    def retrain(self, request: HttpRequest) -> HttpResponse:
        """The page behind the button: a form, what is learned from, and how a model is judged."""
        training.fail_stale_runs()  # so that a run whose process died is not called active here
        form = RetrainForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                run = queue_run(parameters=form.parameters(), started_by=staff(request))
            except TrainingError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"Run {run.pk} waits for a worker to take it up.")
                return redirect(page_address(run))
        active = training.active_run()
        return self.custom_page(request, "retrain.html", "Retrain", form=form, active=active, rule=RULE)

    def _shown(self, request: HttpRequest, pk: int) -> TrainingRun:
        run = self.get_object(request, str(pk))
        if run is None:
            raise Http404(f"There is no run {pk}.")
        check_may(request, "recommender.view_trainingrun")
        return run


# --- versions ---------------------------------------------------------------------------------------------------------


class ReasonForm(forms.Form):
    """Why; kept with the promotion. Required where somebody decides otherwise than the gate did."""

    reason = forms.CharField(
        max_length=1_000,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Is kept with the promotion, for whoever asks later.",
    )

    def __init__(self, *args: Any, required: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = required


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = [
        "name",
        "serves",
        "quality",
        "beside_live",
        "beside_popularity",
        "gate",
        "run",
        "created",
    ]
    list_filter = ["passed_gate"]
    list_select_related = ["run"]
    search_fields = ["name"]
    change_form_template = "admin/recommender/version_page.html"
    list_before_template = "admin/recommender/versions_before.html"
    actions_list = ["roll_back"]
    actions_detail = ["promote"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        newest = Promotion.objects.order_by("-pk").values("version_id")[:1]
        is_live = ExpressionWrapper(Q(pk=Subquery(newest)), BooleanField())
        return super().get_queryset(request).annotate(is_live=is_live)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        live = training.live_version()
        more = {"live": live, "live_lines": lines_of(live.report) if live else None, "rule": RULE}
        return super().changelist_view(request, {**(extra_context or {}), **more})

    @display(description="Serves", label={"live": "success"})
    def serves(self, version: Any) -> str | None:
        return "live" if version.is_live else None

    @display(description="NDCG@10")
    def quality(self, version: ModelVersion) -> str:
        row = row_of(version.report, "two_tower")
        between = row.get("ndcg_10_interval")
        return f"{score(row.get('ndcg_10'))} ({interval(*between)})" if between else NOTHING

    @display(description="Beside the live one then")
    def beside_live(self, version: ModelVersion) -> str:
        return difference(version, "live")

    @display(description="Beside popularity")
    def beside_popularity(self, version: ModelVersion) -> str:
        return difference(version, "popularity")

    @display(description="Gate", label={"passed": "success", "refused": "warning"}, ordering="passed_gate")
    def gate(self, version: ModelVersion) -> str:
        return "passed" if version.passed_gate else "refused"

    def has_promote_version_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(MAY_PROMOTE)

    def page_of(self, request: HttpRequest, shown: Any) -> dict[str, Any]:
        return {
            "version": shown,
            "run": shown.run,
            "lines": lines_of(shown.report),
            "curve": curve_of(shown.report.get("curve", [])),
            "promotions": shown.promotions.select_related("by"),
            "rule": RULE,
        }

    @action(
        description="Promote",
        url_path="promote",
        permissions=["promote_version"],
        icon="publish",
        variant=ActionVariant.PRIMARY,
    )
    def promote(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make this version live; where the gate refused it, somebody must say why."""
        version = self.get_object(request, object_id)
        if version is None:
            raise Http404(f"There is no version {object_id}.")
        form = ReasonForm(request.POST or None, required=not version.passed_gate)
        if request.method == "POST" and form.is_valid():
            given = {"reason": form.cleaned_data["reason"], "override": not version.passed_gate}
            try:
                training.promote(version=version, by=staff(request), **given)
            except TrainingError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"Version {version.name} is live. Every process serves it within seconds.")
                return redirect(page_address(version))
        live = training.live_version()
        title = f"Promote version {version.name}"
        return self.custom_page(request, "promote.html", title, form=form, version=version, live=live, rule=RULE)

    @action(description="Roll back", url_path="roll-back", permissions=["promote_version"], icon="undo")
    def roll_back(self, request: HttpRequest) -> HttpResponse:
        """Go back to what served before."""
        form = ReasonForm(request.POST or None, required=False)
        if request.method == "POST" and form.is_valid():
            try:
                promotion = training.roll_back(by=staff(request), reason=form.cleaned_data["reason"])
            except TrainingError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"Version {promotion.version.name} is live again.")
                return redirect(page_address(promotion.version))
        live, below = training.live_version(), training.version_below()
        return self.custom_page(request, "roll_back.html", "Roll back", form=form, live=live, below=below)


# --- what happened ----------------------------------------------------------------------------------------------------


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    """The audit: which version became live, when, by whom and why."""

    list_display = ["time", "done", "which", "by", "reason"]
    list_filter = ["action"]
    list_select_related = ["version", "by"]
    search_fields = ["version__name", "reason"]
    date_hierarchy = "time"

    @display(
        description="Action",
        ordering="action",
        label={"promote": "success", "override": "danger", "roll back": "warning"},
    )
    def done(self, promotion: Promotion) -> str:
        return promotion.action

    @display(description="Version", ordering="version__name")
    def which(self, promotion: Promotion) -> str:
        return link_to(promotion.version)


@admin.register(ServedList)
class ServedListAdmin(ReadOnlyAdmin):
    list_display = ["created", "customer", "scenario", "source", "version", "length"]
    list_filter = ["source", "scenario"]
    list_select_related = ["version"]
    search_fields = ["=customer"]
    search_help_text = "A customer's key"

    @display(description="Items")
    def length(self, served: ServedList) -> int:
        return len(served.items)


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["time", "kind", "item", "customer", "value"]
    list_filter = ["kind"]
    search_fields = ["=customer", "=item"]
    search_help_text = "A customer's or an item's key"


# --- shared -----------------------------------------------------------------------------------------------------------


def staff(request: HttpRequest) -> User:
    """Who is asking; the admin lets nobody else in."""
    assert request.user.is_authenticated
    return request.user


def check_may(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def duration(took: timedelta) -> str:
    """12 s, 3 min 24 s, 2 h 5 min"""
    minutes, seconds = divmod(round(took.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def difference(version: ModelVersion, rival: str) -> str:
    """+.065 (+.051 to +.079)"""
    pair = version.report.get("paired", {}).get(rival, {})
    if pair.get("difference") is None:
        return NOTHING
    return f"{score(pair['difference'], '+')} ({interval(pair['low'], pair['high'], '+')})"


def page_address(row: TrainingRun | ModelVersion) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def link_to(version: ModelVersion) -> str:
    return format_html('<a class="underline" href="{}">{}</a>', page_address(version), version.name)
