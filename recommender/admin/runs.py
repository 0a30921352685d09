"""Runs in the admin: start one, watch it, cancel it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from recommender import training
from recommender.admin.pages import ReadOnlyAdmin, check_may, duration, link_to, page_address, staff
from recommender.engine.config import LOSSES, TrainConfig
from recommender.errors import TrainingError
from recommender.models import MAY_SEE_RUNS, MAY_TRAIN, TrainingRun
from recommender.reports import NO_VALUE, epoch_charts, format_score, report_lines
from recommender.training import MAX_TRIALS, gate_rules, queue_again, queue_run

STATE_COLOURS = {
    TrainingRun.State.PROMOTED: "success",
    TrainingRun.State.REFUSED: "warning",
    TrainingRun.State.FAILED: "danger",
    TrainingRun.State.CANCELLED: "default",
    **dict.fromkeys(TrainingRun.ACTIVE, "info"),
}
# What the engine counted, in this order (PostgreSQL keeps none), and the app's word for it.
COUNTED = {"users": "customers", "items": "items", "interactions": "interactions"}
ENDED_IN_VAIN = (TrainingRun.State.FAILED, TrainingRun.State.CANCELLED)


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
    minutes = forms.FloatField(
        required=False,
        min_value=1,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Begin no pass that would end after so many minutes; empty: no limit. The report says if it was met.",
    )
    tune = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_TRIALS,
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
        return super().get_queryset(request).select_related("version", "started_by", "cancelled_by")

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
        return format_score(run.metrics.get("two_tower", {}).get("ndcg_10"))

    @display(description="Popularity")
    def popularity(self, run: TrainingRun) -> str:
        return format_score(run.metrics.get("popularity", {}).get("ndcg_10"))

    @display(description="Version")
    def made(self, run: TrainingRun) -> str:
        return link_to(run.version) if hasattr(run, "version") else NO_VALUE

    @display(description="Took")
    def took(self, run: TrainingRun) -> str:
        return duration(run.finished - run.started) if run.started and run.finished else NO_VALUE

    def get_urls(self) -> list[URLPattern]:
        name = "recommender_trainingrun"
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/panel/", wrap(self.panel_view), name=f"{name}_panel"),
            path("<int:pk>/cancel/", wrap(self.cancel_view), name=f"{name}_cancel"),
            path("<int:pk>/again/", wrap(self.again_view), name=f"{name}_again"),
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
            "learned_from": [
                f"{shown.counts[name]:,} {word}" for name, word in COUNTED.items() if name in shown.counts
            ],
            "lines": report_lines(version.report) if version else None,
            "curves": epoch_charts(shown.curve),
            "left": duration(shown.time_left) if shown.time_left else "",
            "rule": gate_rules(),
            "may_cancel": shown.is_active and request.user.has_perm(MAY_TRAIN),
            "may_start_again": shown.state in ENDED_IN_VAIN and request.user.has_perm(MAY_TRAIN),
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
            run = training.cancel_run(run=run, by=staff(request))
        except TrainingError as error:
            messages.error(request, str(error))
        else:
            waits = "It stops within seconds." if run.is_active else "Nothing was changed."
            messages.success(request, f"Run {run.pk} is cancelled. {waits}")
        return redirect(page_address(run))

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Start a run that came to nothing again, with the same parameters."""
        run = self._shown(request, pk)
        check_may(request, MAY_TRAIN)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            again = queue_again(run, started_by=staff(request))
        except TrainingError as error:
            messages.error(request, str(error))
            return redirect(page_address(run))
        messages.success(
            request, f"Run {again.pk} does what run {run.pk} was to do. It waits for a worker to take it up."
        )
        return redirect(page_address(again))

    @action(
        description="Retrain",
        url_path="retrain",
        permissions=["start_training"],
        icon="model_training",
        variant=ActionVariant.PRIMARY,
    )
    def retrain(self, request: HttpRequest) -> HttpResponse:
        """The page behind the button: a form, what is learned from, and how a model is judged."""
        form = RetrainForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                run = queue_run(parameters=form.parameters(), started_by=staff(request))
            except TrainingError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"Run {run.pk} waits for a worker to take it up.")
                return redirect(page_address(run))
        active = (
            TrainingRun.objects.active().exclude(training.is_stale()).first()
        )  # one whose process died gives way to the new one
        return self.custom_page(request, "retrain.html", "Retrain", form=form, active=active, rule=gate_rules())

    def _shown(self, request: HttpRequest, pk: int) -> TrainingRun:
        run = self.get_object(request, str(pk))
        if run is None:
            raise Http404(f"There is no run {pk}.")
        check_may(request, MAY_SEE_RUNS)
        return run
