"""Experiments in the admin: plan one, start it, watch its intervals, stop it, make the better arm live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from recommender import experiments
from recommender.admin.pages import ReadOnlyAdmin, ReasonForm, check_may, money, staff
from recommender.errors import ExperimentError
from recommender.experiments import (
    Difference,
    ExperimentResults,
    MeasureResult,
    experiment_results,
    interval_conditions,
    measure_label,
)
from recommender.models import MAY_EXPERIMENT, MAY_PROMOTE, Arm, Experiment, ModelVersion
from recommender.reports import NO_VALUE, BandChart, band_chart, verdict

State = Experiment.State
STATE_COLOURS = {State.PLANNED: "default", State.RUNNING: "info", State.STOPPED: "success"}


class ExperimentForm(forms.ModelForm):
    """An experiment and both its arms: what makes their lists, and what is set for them."""

    class Meta:
        model = Experiment
        fields = ["name", "scenario", "share", "share_of_b", "days", "people"]
        labels = {"share": "Share of people", "share_of_b": "Share of arm B", "people": "People expected"}
        widgets = {
            "name": UnfoldAdminTextInputWidget,
            "scenario": UnfoldAdminTextInputWidget,
            "share": UnfoldAdminDecimalFieldWidget,
            "share_of_b": UnfoldAdminDecimalFieldWidget,
            "days": UnfoldAdminIntegerFieldWidget,
            "people": UnfoldAdminIntegerFieldWidget,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = ModelVersion.objects.filter(pruned=None).values_list("pk", "name")
        models = [("live", "the live version, as it changes"), *versions, ("popular", "no model: what is popular")]
        for name, usual in (("a", "live"), ("b", "popular")):
            self.fields[f"{name}_model"] = forms.ChoiceField(
                label=f"Arm {name.upper()}: lists made by",
                choices=models,
                initial=usual,
                widget=UnfoldAdminSelectWidget,
            )
            for setting in ("diversity", "rotation"):
                self.fields[f"{name}_{setting}"] = forms.FloatField(
                    label=f"Arm {name.upper()}: {setting}",
                    min_value=0,
                    max_value=1,
                    required=False,
                    widget=UnfoldAdminDecimalFieldWidget,
                    help_text="0 to 1; empty: as each page asks.",
                )

    def arms(self) -> list[dict[str, Any]]:
        """What `plan_experiment` takes."""
        return [self._arm(name) for name in "ab"]

    def _arm(self, name: str) -> dict[str, Any]:
        chosen = self.cleaned_data[f"{name}_model"]
        version = ModelVersion.objects.get(pk=chosen) if chosen not in ("live", "popular") else None
        made_by = {"model": Arm.Model.VERSION if version else chosen, "version": version}
        return made_by | {setting: self.cleaned_data[f"{name}_{setting}"] for setting in ("diversity", "rotation")}

    def fields_of_experiment(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.Meta.fields}


@dataclass(frozen=True)
class MeasureLines:
    """One thing compared, ready to print."""

    label: str
    a: str
    b: str
    beside: str
    interval: str
    verdict: str
    chart: BandChart | None


@admin.register(Experiment)
class ExperimentAdmin(ReadOnlyAdmin):
    list_display = ["name", "shown_state", "where", "arm_a", "arm_b", "started", "stopped", "started_by"]
    list_filter = ["state"]
    list_select_related = ["started_by"]
    search_fields = ["name", "scenario"]
    change_form_template = "admin/recommender/experiment_page.html"
    actions_list = ["plan"]

    def get_queryset(self, request: HttpRequest) -> Any:
        both = super().get_queryset(request).select_related("started_by", "stopped_by")
        return both.prefetch_related("arms__version")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_view_permission(request, obj) or request.user.has_perm(MAY_EXPERIMENT)

    def has_run_experiment_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_EXPERIMENT)

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def shown_state(self, experiment: Experiment) -> str:
        return experiment.state

    @display(description="Scenario", ordering="scenario")
    def where(self, experiment: Experiment) -> str:
        return experiment.scenario or "all"

    @display(description="Arm A")
    def arm_a(self, experiment: Experiment) -> str:
        return str(experiment.arms.all()[0])

    @display(description="Arm B")
    def arm_b(self, experiment: Experiment) -> str:
        return str(experiment.arms.all()[1])

    def get_urls(self) -> list[URLPattern]:
        name, wrap = "recommender_experiment", self.admin_site.admin_view
        return [
            path("<int:pk>/start/", wrap(self.start_view), name=f"{name}_start"),
            path("<int:pk>/stop/", wrap(self.stop_view), name=f"{name}_stop"),
            path("<int:pk>/remove/", wrap(self.remove_view), name=f"{name}_remove"),
            path("<int:pk>/promote/<str:arm>/", wrap(self.promote_view), name=f"{name}_promote"),
            *super().get_urls(),
        ]

    def page_of(self, request: HttpRequest, shown: Experiment) -> dict[str, Any]:
        results = experiment_results(shown) if shown.state != State.PLANNED else None
        a, b = shown.arms.all()
        may = request.user.has_perm(MAY_EXPERIMENT)
        runs = shown.state == State.RUNNING
        return {
            "experiment": shown,
            "colour": STATE_COLOURS[State(shown.state)],
            "arms": [(a, f"{shown.share * (1 - shown.share_of_b):.0%}"), (b, f"{shown.share * shown.share_of_b:.0%}")],
            "results": results,
            "measures": [lines_of(one) for one in results.measures] if results else [],
            "needed": interval_conditions(),
            "may_start": may and shown.state == State.PLANNED,
            "may_stop": may and runs,
            "promotable": [
                arm for arm in (a, b) if may and runs and arm.version_id and request.user.has_perm(MAY_PROMOTE)
            ],
            "stop_form": ReasonForm(),
        }

    @action(
        description="New experiment",
        url_path="plan",
        permissions=["run_experiment"],
        icon="science",
        variant=ActionVariant.PRIMARY,
    )
    def plan(self, request: HttpRequest) -> HttpResponse:
        """The page behind the button: what is compared, and for whom."""
        form = ExperimentForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                experiment = experiments.plan_experiment(arms=form.arms(), **form.fields_of_experiment())
            except ValidationError as error:
                form.add_error(None, error.messages if not hasattr(error, "error_dict") else _by_field(error, form))
            else:
                messages.success(request, f"{experiment} is planned. It begins when you start it.")
                return redirect(_address(experiment))
        return self.custom_page(request, "experiment_plan.html", "New experiment", form=form)

    def start_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def start(experiment: Experiment) -> str:
            experiments.start_experiment(experiment=experiment, by=staff(request))
            return f"{experiment} is running. Every process follows within seconds."

        return self._changed(request, pk, start)

    def stop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def stop(experiment: Experiment) -> str:
            reason = request.POST.get("reason", "")[:1_000]
            experiments.stop_experiment(experiment=experiment, by=staff(request), reason=reason)
            return f"{experiment} is stopped. Everybody is served alike again."

        return self._changed(request, pk, stop)

    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def remove(experiment: Experiment) -> str:
            experiments.remove_experiment(experiment=experiment)
            return f"{experiment} is removed."

        return self._changed(request, pk, remove, then=reverse("admin:recommender_experiment_changelist"))

    def promote_view(self, request: HttpRequest, pk: int, arm: str) -> HttpResponse:
        check_may(request, MAY_PROMOTE)

        def promote(experiment: Experiment) -> str:
            better = experiment.arms.filter(name=arm).first()
            if better is None:
                raise Http404(f"There is no arm {arm}.")
            experiments.stop_and_promote(
                arm=better,
                by=staff(request),
                reason=request.POST.get("reason", "")[:500],
                findings=findings_of(experiment_results(experiment)),
            )
            return f"{experiment} is stopped, and version {better.version} is live."

        return self._changed(request, pk, promote)

    def _changed(
        self, request: HttpRequest, pk: int, change: Callable[[Experiment], str], then: str | None = None
    ) -> HttpResponse:
        check_may(request, MAY_EXPERIMENT)
        experiment = self.get_object(request, str(pk))
        if experiment is None:
            raise Http404(f"There is no experiment {pk}.")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            messages.success(request, change(experiment))
        except ExperimentError as error:
            messages.error(request, str(error))
            return redirect(_address(experiment))
        return redirect(then or _address(experiment))


def lines_of(one: MeasureResult) -> MeasureLines:
    written = _written(one.name)
    a, b = one.arms
    growth: list[tuple[date, float, float | None, float | None]] = [
        (day, beside.value, beside.low, beside.high) for day, beside in one.daily
    ]
    return MeasureLines(
        label=measure_label(one.name),
        a=f"{written(a.mean)} ({a.n:,})",
        b=f"{written(b.mean)} ({b.n:,})",
        beside=written(one.difference.value, "+") if a.n and b.n else NO_VALUE,
        interval=_interval(one.difference, written),
        verdict=verdict(one.difference.low, one.difference.high, tie="not clear yet"),
        chart=band_chart(
            growth, lambda value: written(value, "+"), lambda value: written(value, "+").removesuffix(" points")
        ),
    )


def findings_of(results: ExperimentResults) -> str:
    """Revenue a customer +$1.20 (+$0.30 to +$2.10), B beside A."""
    said = [
        f"{measure_label(one.name)} {_written(one.name)(one.difference.value, '+')}"
        f" ({_interval(one.difference, _written(one.name))})"
        for one in results.measures
    ]
    return f"B beside A, {sum(results.settled):,} people: {'; '.join(said)}."


def _written(name: str) -> Callable[..., str]:
    return {
        "revenue": money,
        "orders": lambda value, sign="": f"{value:{sign}.3f}",
        "click_rate": lambda value, sign="": f"{100 * value:{sign}.2f} {'points' if sign else '%'}",
    }[name]


def _interval(beside: Difference, written: Callable[..., str]) -> str:
    if beside.low is None or beside.high is None:
        return "no interval yet"
    return f"{written(beside.low, '+')} to {written(beside.high, '+')}"


def _by_field(error: ValidationError, form: ExperimentForm) -> Mapping[str, Any]:
    """The errors under the form's own fields; those of others, which nobody filled in, above the form."""
    return {name if name in form.fields else NON_FIELD_ERRORS: found for name, found in error.error_dict.items()}


def _address(experiment: Experiment) -> str:
    return reverse("admin:recommender_experiment_change", args=[experiment.pk])
