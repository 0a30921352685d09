"""Schedules of trainings in the admin, for staff who may start a run."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from recommender.admin.look import ModelAdmin, display
from recommender.admin.pages import link_to
from recommender.models import MAY_TRAIN, TrainingSchedule
from recommender.reports import NO_VALUE


@admin.register(TrainingSchedule)
class TrainingScheduleAdmin(ModelAdmin):
    list_display = ["starts", "active", "last_run", "outcome", "shown"]
    list_display_links = ["starts"]
    list_select_related = ["run"]
    fields = ["active", "hour", "weekday", "purchases", "warm_start", "last_run", "outcome", "shown"]
    readonly_fields = ["last_run", "outcome", "shown"]

    @display(description=_("Starts"))
    def starts(self, schedule: TrainingSchedule) -> str:
        return str(schedule)

    @display(description=_("Last run"))
    def last_run(self, schedule: TrainingSchedule) -> str:
        return NO_VALUE if schedule.run is None else link_to(schedule.run, str(schedule.run))

    @display(description=_("What came of it"))
    def outcome(self, schedule: TrainingSchedule) -> str:
        run = schedule.run
        return NO_VALUE if run is None else f"{run.get_state_display()}. {run.shown_error or run.shown_phase}"

    @display(description=_("Note"))
    def shown(self, schedule: TrainingSchedule) -> str:
        return schedule.shown_note

    def save_model(self, request: HttpRequest, obj: TrainingSchedule, form: forms.ModelForm, change: bool) -> None:
        if "purchases" in form.changed_data:
            obj.counted = None  # the next check of the schedules begins to count
        super().save_model(request, obj, form, change)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_view_permission(request, obj) or request.user.has_perm(MAY_TRAIN)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(MAY_TRAIN)

    has_add_permission = has_delete_permission = has_change_permission
