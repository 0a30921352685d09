"""When trainings start by themselves, in the admin: made and changed by whoever may start a run."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from recommender.admin.pages import page_address
from recommender.models import MAY_TRAIN, TrainingSchedule
from recommender.reports import NO_VALUE


@admin.register(TrainingSchedule)
class TrainingScheduleAdmin(ModelAdmin):
    list_display = ["when", "active", "last_run", "came_of_it", "note"]
    list_display_links = ["when"]
    list_select_related = ["run"]
    fields = ["active", "hour", "weekday", "purchases", "warm_start", "last_run", "came_of_it", "note"]
    readonly_fields = ["last_run", "came_of_it", "note"]

    @display(description="Starts")
    def when(self, schedule: TrainingSchedule) -> str:
        return str(schedule)

    @display(description="Last run")
    def last_run(self, schedule: TrainingSchedule) -> str:
        if schedule.run is None:
            return NO_VALUE
        return format_html('<a class="underline" href="{}">Run {}</a>', page_address(schedule.run), schedule.run.pk)

    @display(description="What came of it")
    def came_of_it(self, schedule: TrainingSchedule) -> str:
        run = schedule.run
        return NO_VALUE if run is None else f"{run.get_state_display()}. {run.error or run.phase}"

    def save_model(self, request: HttpRequest, obj: TrainingSchedule, form: forms.ModelForm, change: bool) -> None:
        if "purchases" in form.changed_data:
            obj.counted = None  # counting begins with the next look
        super().save_model(request, obj, form, change)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_view_permission(request, obj) or request.user.has_perm(MAY_TRAIN)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return request.user.has_perm(MAY_TRAIN)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(MAY_TRAIN)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(MAY_TRAIN)
