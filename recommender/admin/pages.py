"""What the recommender's pages in the admin have in common: read-only rows, buttons and forms that call services."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.db import connections
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from recommender.admin.look import ModelAdmin, Textarea
from recommender.errors import RecommenderError
from recommender.models import ModelVersion
from recommender.reports import NO_VALUE, format_interval, format_score
from recommender.words import fill, in_words, written

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_REASON_CHARACTERS = 1_000


class ReadOnlyAdmin(ModelAdmin):
    """Shows rows that no form may touch."""

    show_full_result_count = False
    list_per_page = 50

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    has_add_permission = has_delete_permission = has_change_permission

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        connection = connections[changelist.queryset.db]
        same_zone = connection.timezone_name == timezone.get_current_timezone_name()
        if not same_zone and not connection.features.has_zoneinfo_database:
            changelist.date_hierarchy = None  # MariaDB and MySQL would say NULL for each day, and the page break
        return changelist

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the template of one row gets besides the row."""
        return {}

    def row_views(self) -> dict[str, Callable[..., HttpResponse]]:
        """Views of one row by their address below it, such as "cancel/"; each is called with the primary key, `pk`."""
        return {}

    def get_urls(self) -> list[URLPattern]:
        names = {address: re.split(r"\W", address)[0] for address in self.row_views()}
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        urls = [
            path(f"<int:pk>/{address}", self.admin_site.admin_view(view), name=f"{prefix}_{names[address]}")
            for address, view in self.row_views().items()
        ]
        return [*urls, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        shown = row is not None and self.has_view_permission(request, row)
        context = self.row_context(request, row) if shown else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def custom_page(self, request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
        """A page with a template of our own inside the admin's frame."""
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return TemplateResponse(request, f"admin/recommender/{template}", {**frame, **context})

    def permitted_row(self, request: HttpRequest, pk: object, *permissions: str) -> Any:
        """The row of a primary key. PermissionDenied without all the permissions, Http404 without the row."""
        if not request.user.has_perms(permissions):
            raise PermissionDenied
        row = self.get_object(request, str(pk))
        if row is None:
            raise Http404(fill(gettext("There is no {kind} {key}."), kind=str(self.opts.verbose_name), key=str(pk)))
        return row

    def button_answer(
        self, request: HttpRequest, pk: int, change: Callable[[Any], tuple[str, str]], *permissions: str
    ) -> HttpResponse:
        """The answer to a button on the page of one row, which is sent with POST.

        change : changes the row, and returns a message and the address to go to. A RecommenderError becomes a message
        on the page of the row.
        """
        row = self.permitted_row(request, pk, *permissions)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            message, address = change(row)
        except RecommenderError as error:
            messages.error(request, in_words(error))
            return redirect(page_address(row))
        messages.success(request, message)
        return redirect(address)

    def form_page(
        self,
        request: HttpRequest,
        form: forms.BaseForm,
        change: Callable[[], tuple[str, str]],
        template: str,
        title: str,
        **context: Any,
    ) -> HttpResponse:
        """A page with a form, which shows what is wrong with it.

        change : called once the form is valid; returns a message and the address to go to. A RecommenderError or a
        ValidationError is shown in the form.
        """
        if request.method == "POST" and form.is_valid():
            try:
                message, address = change()
            except RecommenderError as error:
                form.add_error(None, in_words(error))
            except ValidationError as error:
                form.add_error(None, _errors_of_form(error, form))
            else:
                messages.success(request, message)
                return redirect(address)
        return self.custom_page(request, template, title, form=form, **context)


class ReasonForm(forms.Form):
    """Why something is done. required : whether a reason must be given, as where the gate decided otherwise."""

    reason = forms.CharField(
        max_length=MAX_REASON_CHARACTERS,
        required=False,
        widget=Textarea(attrs={"rows": 3}),
        label=_("Reason"),
        help_text=_("Is kept, for whoever asks later."),
    )

    def __init__(self, *args: Any, required: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = required


def staff(request: HttpRequest) -> User:
    """The member of staff who sends the request, past the admin's own check."""
    assert request.user.is_authenticated
    return request.user


def duration(time: timedelta) -> str:
    """12 s, 3 min 24 s, 2 h 5 min"""
    minutes, seconds = divmod(round(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return gettext("{hours} h {minutes} min").format(hours=hours, minutes=minutes)
    if minutes:
        return gettext("{minutes} min {seconds} s").format(minutes=minutes, seconds=seconds)
    return gettext("{seconds} s").format(seconds=seconds)


def percent(share: float, spec: str) -> str:
    """12.3 %. spec : of the number, as `written` takes it."""
    return fill(gettext("{number} %"), number=written(100 * share, spec))


def points(share: float, spec: str) -> str:
    """The difference of two shares: +1.2 points."""
    return fill(gettext("{number} points"), number=written(100 * share, spec))


def interval(low: str, high: str) -> str:
    """1.2 % to 1.4 %, of values as they are written."""
    return fill(gettext("{low} to {high}"), low=low, high=high)


def money(amount: float, sign: str = "") -> str:
    """$1,234.50; with a sign, +$0.12. The currency is the site's setting CURRENCY; without one, none is written."""
    # Translators: an amount of money. German and French put the currency behind it, after a space.
    pattern = pgettext("an amount of money", "{currency}{amount}")
    text = pattern.format(currency=getattr(settings, "CURRENCY", ""), amount=written(abs(amount), ",.2f")).strip()
    is_negative = amount < 0 and round(amount, 2) != 0
    return f"{'−' if is_negative else sign}{text}"


def difference(version: ModelVersion, rival: str) -> str:
    """+.065 (+.051 to +.079)"""
    pair = version.report.get("paired", {}).get(rival, {})
    if pair.get("difference") is None:
        return NO_VALUE
    return f"{format_score(pair['difference'], '+')} ({format_interval(pair['low'], pair['high'], '+')})"


def page_address(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def link_to(row: Model, text: str) -> str:
    return format_html('<a class="underline" href="{}">{}</a>', page_address(row), text)


def _errors_of_form(error: ValidationError, form: forms.BaseForm) -> Any:
    """The errors by field of the form; those of fields that it does not have stand above it."""
    if not hasattr(error, "error_dict"):
        return error
    return {name if name in form.fields else NON_FIELD_ERRORS: errors for name, errors in error.error_dict.items()}
