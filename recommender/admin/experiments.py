"""Experiments in the admin: plan one, start it, watch its intervals, stop it, make the better arm live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from recommender import experiments
from recommender.admin.look import PRIMARY, DecimalInput, IntegerInput, Select, TextInput, action, display
from recommender.admin.pages import (
    MAX_REASON_CHARACTERS,
    ReadOnlyAdmin,
    ReasonForm,
    interval,
    money,
    page_address,
    percent,
    points,
    staff,
)
from recommender.experiments import (
    ExperimentResults,
    MeasureResult,
    experiment_results,
    interval_conditions,
    measure_label,
    measure_words,
)
from recommender.models import MAY_EXPERIMENT, MAY_PROMOTE, Arm, Experiment, ModelVersion
from recommender.reports import NO_VALUE, BandChart, band_chart, verdict
from recommender.words import Words, in_words, joined, written

State = Experiment.State
STATE_COLOURS = {State.PLANNED: "default", State.RUNNING: "info", State.STOPPED: "success"}
MAX_PROMOTION_REASON_CHARACTERS = 500  # the findings stand beside it
SETTING_LABELS = {"diversity": gettext_noop("Arm {arm}: diversity"), "rotation": gettext_noop("Arm {arm}: rotation")}
MEASURE_FORMATS: dict[str, Callable[..., str]] = {  # a value, and the sign of one above zero, as text
    "revenue": money,
    "orders": lambda value, sign="": written(value, f"{sign}.3f"),
    "click_rate": lambda value, sign="": points(value, f"{sign}.2f") if sign else percent(value, ".2f"),
}


class ExperimentForm(forms.ModelForm):
    """An experiment and both its arms: what makes their lists, and what is set for them."""

    class Meta:
        model = Experiment
        fields = ["name", "scenario", "share", "share_of_b", "days", "people"]
        labels = {"share": _("Share of people"), "share_of_b": _("Share of arm B"), "people": _("People expected")}
        widgets = {
            "name": TextInput,
            "scenario": TextInput,
            "share": DecimalInput,
            "share_of_b": DecimalInput,
            "days": IntegerInput,
            "people": IntegerInput,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = ModelVersion.objects.filter(pruned=None).values_list("pk", "name")
        models = [
            ("live", Arm.Model.LIVE.label),
            *versions,
            ("popular", Arm.Model.POPULAR.label),
        ]
        for name, default in (("a", "live"), ("b", "popular")):
            self.fields[f"{name}_model"] = forms.ChoiceField(
                label=gettext("Arm {arm}: lists made by").format(arm=name.upper()),
                choices=models,
                initial=default,
                widget=Select,
            )
            for setting in ("diversity", "rotation"):
                self.fields[f"{name}_{setting}"] = forms.FloatField(
                    label=gettext(SETTING_LABELS[setting]).format(arm=name.upper()),
                    min_value=0,
                    max_value=1,
                    required=False,
                    widget=DecimalInput,
                    help_text=_("0 to 1; empty: as each page asks."),
                )

    def arms(self) -> list[dict[str, Any]]:
        """What `plan_experiment` takes."""
        return [self._arm(name) for name in "ab"]

    def _arm(self, name: str) -> dict[str, Any]:
        model = self.cleaned_data[f"{name}_model"]
        version = ModelVersion.objects.get(pk=model) if model not in ("live", "popular") else None
        arm = {"model": Arm.Model.VERSION if version else model, "version": version}
        return arm | {setting: self.cleaned_data[f"{name}_{setting}"] for setting in ("diversity", "rotation")}

    def fields_of_experiment(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.Meta.fields}


@dataclass(frozen=True)
class MeasureLines:
    """One measure of both arms, ready to print. beside : arm B less arm A."""

    label: str
    a: str
    b: str
    beside: str
    interval: str
    verdict: str
    chart: BandChart | None


@admin.register(Experiment)
class ExperimentAdmin(ReadOnlyAdmin):
    list_display = ["name", "shown_state", "shown_scenario", "arm_a", "arm_b", "started", "stopped", "started_by"]
    list_filter = ["state"]
    list_select_related = ["started_by"]
    search_fields = ["name", "scenario"]
    change_form_template = "admin/recommender/experiment_page.html"
    actions_list = ["plan"]

    def get_queryset(self, request: HttpRequest) -> Any:
        experiments = super().get_queryset(request).select_related("started_by", "stopped_by")
        return experiments.prefetch_related("arms__version")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_view_permission(request, obj) or request.user.has_perm(MAY_EXPERIMENT)

    def has_run_experiment_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_EXPERIMENT)

    @display(description=_("State"), ordering="state", label=STATE_COLOURS)
    def shown_state(self, experiment: Experiment) -> tuple[str, str]:
        return experiment.state, in_words(experiment.state_words)

    @display(description=_("Scenario"), ordering="scenario")
    def shown_scenario(self, experiment: Experiment) -> str:
        return experiment.scenario or gettext("all")

    @display(description=_("Arm A"))
    def arm_a(self, experiment: Experiment) -> str:
        return str(experiment.arms.all()[0])

    @display(description=_("Arm B"))
    def arm_b(self, experiment: Experiment) -> str:
        return str(experiment.arms.all()[1])

    def row_views(self) -> dict[str, Callable[..., HttpResponse]]:
        return {
            "start/": self.start_view,
            "stop/": self.stop_view,
            "remove/": self.remove_view,
            "promote/<str:arm>/": self.promote_view,
        }

    def row_context(self, request: HttpRequest, row: Experiment) -> dict[str, Any]:
        results = experiment_results(row) if row.state != State.PLANNED else None
        a, b = row.arms.all()
        may_experiment, is_running = request.user.has_perm(MAY_EXPERIMENT), row.state == State.RUNNING
        may_promote = may_experiment and is_running and request.user.has_perm(MAY_PROMOTE)
        return {
            "experiment": row,
            "state": in_words(row.state_words),
            "colour": STATE_COLOURS[State(row.state)],
            "arms": [
                (a, written(row.share * (1 - row.share_of_b), "percent")),
                (b, written(row.share * row.share_of_b, "percent")),
            ],
            "results": results,
            "measures": [measure_lines(measured) for measured in results.measures] if results else [],
            "needed": interval_conditions(),
            "may_start": may_experiment and row.state == State.PLANNED,
            "may_stop": may_experiment and is_running,
            "promotable": [arm for arm in (a, b) if may_promote and arm.version_id],
            "stop_form": ReasonForm(),
        }

    @action(
        description=_("New experiment"),
        url_path="plan",
        permissions=["run_experiment"],
        icon="science",
        variant=PRIMARY,
    )
    def plan(self, request: HttpRequest) -> HttpResponse:
        """The page of the button: what is compared, and for whom."""
        form = ExperimentForm(request.POST or None)

        def plan() -> tuple[str, str]:
            experiment = experiments.plan_experiment(arms=form.arms(), **form.fields_of_experiment())
            message = gettext("{experiment} is planned. It begins when you start it.")
            return message.format(experiment=experiment), page_address(experiment)

        return self.form_page(request, form, plan, "experiment_plan.html", gettext("New experiment"))

    def start_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def start(experiment: Experiment) -> tuple[str, str]:
            experiments.start_experiment(experiment=experiment, by=staff(request))
            message = gettext("{experiment} is running. Every process follows within seconds.")
            return message.format(experiment=experiment), page_address(experiment)

        return self.button_answer(request, pk, start, MAY_EXPERIMENT)

    def stop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def stop(experiment: Experiment) -> tuple[str, str]:
            reason = request.POST.get("reason", "")[:MAX_REASON_CHARACTERS]
            experiments.stop_experiment(experiment=experiment, by=staff(request), reason=reason)
            message = gettext("{experiment} is stopped. Everybody is served alike again.")
            return message.format(experiment=experiment), page_address(experiment)

        return self.button_answer(request, pk, stop, MAY_EXPERIMENT)

    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def remove(experiment: Experiment) -> tuple[str, str]:
            experiments.remove_experiment(experiment=experiment)
            message = gettext("{experiment} is removed.").format(experiment=experiment)
            return message, reverse("admin:recommender_experiment_changelist")

        return self.button_answer(request, pk, remove, MAY_EXPERIMENT)

    def promote_view(self, request: HttpRequest, pk: int, arm: str) -> HttpResponse:
        def promote(experiment: Experiment) -> tuple[str, str]:
            chosen = experiment.arms.filter(name=arm).first()
            if chosen is None:
                raise Http404(gettext("There is no arm {arm}.").format(arm=arm))
            reason = request.POST.get("reason", "")[:MAX_PROMOTION_REASON_CHARACTERS]
            findings = findings_sentence(experiment_results(experiment))
            experiments.stop_and_promote(arm=chosen, by=staff(request), reason=reason, findings=findings)
            message = gettext("{experiment} is stopped, and version {version} is live.")
            return message.format(experiment=experiment, version=chosen.version), page_address(experiment)

        return self.button_answer(request, pk, promote, MAY_PROMOTE, MAY_EXPERIMENT)


def measure_lines(measured: MeasureResult) -> MeasureLines:
    format_value = MEASURE_FORMATS[measured.name]
    a, b = measured.arms
    return MeasureLines(
        label=measure_label(measured.name),
        a=f"{format_value(a.mean)} ({written(a.n, 'n')})",
        b=f"{format_value(b.mean)} ({written(b.n, 'n')})",
        beside=format_value(measured.difference.value, "+") if a.n and b.n else NO_VALUE,
        interval=_interval(measured),
        verdict=verdict(measured.difference.low, measured.difference.high, tie=Words("not clear yet")),
        chart=band_chart(
            [(day, difference.value, difference.low, difference.high) for day, difference in measured.daily],
            lambda value: format_value(value, "+"),
            lambda value: written(100 * value, "+.2f") if measured.name == "click_rate" else format_value(value, "+"),
        ),
    )


def findings_sentence(results: ExperimentResults) -> Words:
    """B beside A, 940 people: Revenue a customer +$1.20 (+$0.30 to +$2.10); ...

    Kept with the promotion, so the amounts are written as in English.
    """
    with translation.override("en"):
        findings = [
            Words(
                "{measure} {difference} ({interval})",
                measure=measure_words(measured.name),
                difference=MEASURE_FORMATS[measured.name](measured.difference.value, "+"),
                interval=_interval(measured),
            )
            for measured in results.measures
        ]
    people = sum(results.settled)
    return Words("B beside A, {people:n} people: {findings}.", people=people, findings=joined(findings, "; "))


def _interval(measured: MeasureResult) -> str:
    difference, format_value = measured.difference, MEASURE_FORMATS[measured.name]
    if difference.low is None or difference.high is None:
        return gettext("no interval yet")
    return interval(format_value(difference.low, "+"), format_value(difference.high, "+"))
