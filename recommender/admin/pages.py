"""What pages of the recommender in the admin have in common: rows that no form may touch, words for them, reasons."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from recommender.models import ModelVersion, TrainingRun
from recommender.reports import NO_VALUE, format_interval, format_score

if TYPE_CHECKING:
    from django.contrib.auth.models import User


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


class ReasonForm(forms.Form):
    """Why something is done. Required where somebody decides otherwise than the gate did."""

    reason = forms.CharField(
        max_length=1_000,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Is kept, for whoever asks later.",
    )

    def __init__(self, *args: Any, required: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = required


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


def money(amount: float, sign: str = "") -> str:
    """$1,234.50; with a sign, +$0.12. The currency is the site's setting CURRENCY; without one, none is written."""
    written = f"{getattr(settings, 'CURRENCY', '')}{abs(amount):,.2f}"
    minus = amount < 0 and round(amount, 2) != 0
    return f"{'−' if minus else sign}{written}"


def difference(version: ModelVersion, rival: str) -> str:
    """+.065 (+.051 to +.079)"""
    pair = version.report.get("paired", {}).get(rival, {})
    if pair.get("difference") is None:
        return NO_VALUE
    return f"{format_score(pair['difference'], '+')} ({format_interval(pair['low'], pair['high'], '+')})"


def page_address(row: TrainingRun | ModelVersion) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def link_to(version: ModelVersion) -> str:
    return format_html('<a class="underline" href="{}">{}</a>', page_address(version), version.name)
