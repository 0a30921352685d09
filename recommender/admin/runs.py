"""Runs in the admin: start one, watch it, cancel it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from recommender import training
from recommender.admin.look import PRIMARY, DecimalInput, IntegerInput, Select, Switch, action, display
from recommender.admin.pages import ReadOnlyAdmin, duration, link_to, page_address, staff
from recommender.engine.config import LOSSES, TrainConfig
from recommender.models import MAY_SEE_RUNS, MAY_TRAIN, TrainingRun
from recommender.reports import NO_VALUE, epoch_charts, format_score, report_lines
from recommender.training import MAX_TRIALS, gate_rules, queue_again, queue_run
from recommender.words import counted, in_words, ngettext_noop, written

STATE_COLOURS = {
    TrainingRun.State.PROMOTED: "success",
    TrainingRun.State.REFUSED: "warning",
    TrainingRun.State.FAILED: "danger",
    TrainingRun.State.CANCELLED: "default",
    **dict.fromkeys(TrainingRun.ACTIVE, "info"),
}
# The engine's names of what it counted, in the order of the page (PostgreSQL keeps none), with the app's words.
COUNTED = {
    "users": ngettext_noop("{count:n} customer", "{count:n} customers"),
    "items": ngettext_noop("{count:n} item", "{count:n} items"),
    "interactions": ngettext_noop("{count:n} interaction", "{count:n} interactions"),
}
ENDED_WITHOUT_VERSION = (TrainingRun.State.FAILED, TrainingRun.State.CANCELLED)


class RetrainForm(forms.Form):
    """The settings one may choose; all others have defaults that suit every shop."""

    loss = forms.ChoiceField(
        label=_("Loss"),
        choices=[(name, name) for name in LOSSES],
        initial=TrainConfig().loss,
        widget=Select,
        help_text=_("How lists are learned. softmax is best on everything measured so far."),
    )
    epochs = forms.IntegerField(
        label=_("Epochs"),
        min_value=1,
        max_value=1_000,
        initial=TrainConfig().epochs,
        widget=IntegerInput,
        help_text=_("At most so many passes over the purchases; training stops by itself when it no longer helps."),
    )
    minutes = forms.FloatField(
        label=_("Minutes"),
        required=False,
        min_value=1,
        widget=DecimalInput,
        help_text=_(
            "Begin no pass that would end after so many minutes; empty: no limit. The report says if it was met."
        ),
    )
    tune = forms.IntegerField(
        label=_("Tune"),
        required=False,
        min_value=0,
        max_value=MAX_TRIALS,
        initial=0,
        widget=IntegerInput,
        help_text=_("Try so many settings first and take the best. Each trial takes up to as long as a training."),
    )
    warm_start = forms.BooleanField(
        label=_("Warm start"),
        required=False,
        widget=Switch,
        help_text=_("Go on from the version that serves, its weights and settings: a fraction of the time."),
    )

    def parameters(self) -> dict[str, Any]:
        """The settings that were chosen, without empty ones."""
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

    @display(description=_("Run"), ordering="pk")
    def number(self, run: TrainingRun) -> str:
        return str(run.pk)  # a name, which no language writes with separators

    @display(description=_("State"), ordering="state", label=STATE_COLOURS)
    def shown_state(self, run: TrainingRun) -> tuple[str, str]:
        return run.state, in_words(run.state_words)

    @display(description=_("What it does or did"))
    def what(self, run: TrainingRun) -> str:
        if run.is_active:
            return f"{written(run.progress, 'percent')} {run.shown_phase}"
        return run.shown_error or run.shown_phase

    @display(description="NDCG@10")
    def quality(self, run: TrainingRun) -> str:
        return format_score(run.metrics.get("two_tower", {}).get("ndcg_10"))

    @display(description=_("Popularity"))
    def popularity(self, run: TrainingRun) -> str:
        return format_score(run.metrics.get("popularity", {}).get("ndcg_10"))

    @display(description=_("Version"))
    def made(self, run: TrainingRun) -> str:
        return link_to(run.version, run.version.name) if hasattr(run, "version") else NO_VALUE

    @display(description=_("Took"))
    def took(self, run: TrainingRun) -> str:
        return _took(run) or NO_VALUE

    def row_views(self) -> dict[str, Callable[..., HttpResponse]]:
        return {"panel/": self.panel_view, "cancel/": self.cancel_view, "again/": self.again_view}

    # Given the name of the permission, unfold would query an empty database in `migrate`.
    def has_start_training_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_TRAIN)

    def row_context(self, request: HttpRequest, row: TrainingRun) -> dict[str, Any]:
        version = getattr(row, "version", None)
        may_train = request.user.has_perm(MAY_TRAIN)
        return {
            "run": row,
            "took": _took(row),
            "version": version,
            "state": in_words(row.state_words),
            "colour": STATE_COLOURS[TrainingRun.State(row.state)],
            "percent": round(100 * row.progress),
            "settings": [f"{name} {value}" for name, value in row.parameters.items()],
            "learned_from": [
                in_words(counted(*forms, row.counts[name])) for name, forms in COUNTED.items() if name in row.counts
            ],
            "lines": report_lines(version.report) if version else None,
            "curves": epoch_charts(row.curve),
            "silent": duration(timezone.now() - row.heartbeat),
            "left": duration(row.time_left) if row.time_left else "",
            "rule": gate_rules(),
            "missing": _missing() if row.state == TrainingRun.State.QUEUED else [],
            "may_cancel": row.is_active and may_train,
            "may_start_again": row.state in ENDED_WITHOUT_VERSION and may_train,
        }

    def panel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part of a run's page that changes while it is executed; the page loads it again every two seconds."""
        run = self.permitted_row(request, pk, MAY_SEE_RUNS)
        return TemplateResponse(request, "admin/recommender/run_panel.html", self.row_context(request, run))

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def cancel(run: TrainingRun) -> tuple[str, str]:
            run = training.cancel_run(run=run, by=staff(request))
            if run.is_active:
                message = gettext("Run {run} is cancelled. It stops within seconds.")
            else:
                message = gettext("Run {run} is cancelled. Nothing was changed.")
            return message.format(run=run.pk), page_address(run)

        return self.button_answer(request, pk, cancel, MAY_SEE_RUNS, MAY_TRAIN)

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Queue a new run with the parameters of one that made no version."""

        def start_again(run: TrainingRun) -> tuple[str, str]:
            new = queue_again(run, started_by=staff(request))
            message = gettext("Run {run} is queued. It does what run {before} was to do.")
            return message.format(run=new.pk, before=run.pk), page_address(new)

        return self.button_answer(request, pk, start_again, MAY_SEE_RUNS, MAY_TRAIN)

    @action(
        description=_("Retrain"),
        url_path="retrain",
        permissions=["start_training"],
        icon="model_training",
        variant=PRIMARY,
    )
    def retrain(self, request: HttpRequest) -> HttpResponse:
        """The page of the button: a form, what is learned from, and how a model is judged."""
        form = RetrainForm(request.POST or None)

        def start() -> tuple[str, str]:
            run = queue_run(parameters=form.parameters(), started_by=staff(request))
            message = gettext("Run {run} is queued.").format(run=run.pk)
            return message, page_address(run)

        active = TrainingRun.objects.active().exclude(training.is_stale()).first()  # a stale run gives way to a new one
        return self.form_page(
            request,
            form,
            start,
            "retrain.html",
            gettext("Retrain"),
            active=active,
            state=in_words(active.state_words) if active else "",
            rule=gate_rules(),
            missing=[] if active else _missing(),
        )


def _missing() -> list[str]:
    """Why nobody would take up a run, in sentences."""
    return [in_words(problem) for problem in training.missing_for_training()]


def _took(run: TrainingRun) -> str:
    return duration(run.finished - run.started) if run.started and run.finished else ""
