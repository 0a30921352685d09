"""What lists bring, in the admin: a page of numbers by scenario and model version for a period of one's choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.widgets import INPUT_CLASSES

from recommender.admin.pages import ReadOnlyAdmin, money
from recommender.feedback import Estimate, ListResult, attribution_window, last_counted, list_results
from recommender.models import TWO_TOWER, ListCount
from recommender.reports import NO_VALUE, Bar, interval_bar, verdict
from recommender.source import get_source

PERIODS = (7, 28, 90, 365)
DEFAULT_PERIOD = 28


class DayInput(forms.DateInput):
    """The browser's own calendar: the admin's needs scripts that only its pages of models load."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(attrs={"class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%d")


class PeriodForm(forms.Form):
    """From one day to another, both included, in the site's time zone; the last four weeks unless it is said."""

    first = forms.DateField(label="From", widget=DayInput)
    last = forms.DateField(label="To", widget=DayInput)

    @classmethod
    def of(cls, asked: Any) -> PeriodForm:
        today = timezone.localdate(timezone=timezone.get_default_timezone())
        usual = {"first": today - timedelta(days=DEFAULT_PERIOD - 1), "last": today}
        return cls({name: asked.get(name) or value for name, value in usual.items()})

    def clean(self) -> dict[str, Any]:
        days = super().clean() or {}
        if "first" in days and "last" in days and days["first"] > days["last"]:
            raise forms.ValidationError(f"From {days['first']} is after To {days['last']}.")
        return days


@dataclass(frozen=True)
class Shown:
    """A number and its interval, in words."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class ResultLine:
    """One maker's lists in one scenario, ready to print."""

    maker: str
    is_popular: bool
    lists: int
    views: int
    clicks: int
    click_rate: Shown
    bar: Bar | None
    orders: int
    revenue: str
    revenue_per_list: Shown
    beside_popular: Shown
    verdict: str
    revenue_beside_popular: Shown
    revenue_verdict: str


@admin.register(ListCount)
class ListCountAdmin(ReadOnlyAdmin):
    """The one page is the list; single rows, of one bucket of people on one day, are nothing to read."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = PeriodForm.of(request.GET)
        results = list_results(form.cleaned_data["first"], form.cleaned_data["last"]) if form.is_valid() else []
        today = timezone.localdate(timezone=timezone.get_default_timezone())
        source = get_source()
        return self.custom_page(
            request,
            "results.html",
            "Results of lists",
            form=form,
            periods=[(days, _address(today - timedelta(days=days - 1), today)) for days in PERIODS],
            totals=_totals(results),
            scenarios=[(name, lines_of(list(rows))) for name, rows in groupby(results, lambda row: row.scenario)],
            days=attribution_window().days,
            counted=last_counted(),
            knows_revenue=bool(source.interaction_amount),
        )

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.changelist_view(request)


def lines_of(results: Sequence[ListResult]) -> list[ResultLine]:
    """The makers of one scenario's lists; their bars share one scale, which ends where the longest does."""
    most = max((row.click_rate.high or row.click_rate.value or 0.0 for row in results), default=0.0)
    return [
        ResultLine(
            maker=_maker(row),
            is_popular=row.is_popular,
            lists=row.lists,
            views=row.views,
            clicks=row.clicks,
            click_rate=_percent(row.click_rate),
            bar=interval_bar(row.click_rate.low, row.click_rate.value, row.click_rate.high, most),
            orders=row.orders,
            revenue=money(row.revenue),
            revenue_per_list=_money(row.revenue_per_list),
            beside_popular=_points(row.click_rate_beside_popular),
            verdict=_verdict(row.click_rate_beside_popular),
            revenue_beside_popular=_money(row.revenue_beside_popular, "+"),
            revenue_verdict=_verdict(row.revenue_beside_popular),
        )
        for row in results
    ]


def _maker(row: ListResult) -> str:
    if row.source == TWO_TOWER:
        return f"Model {row.version}" if row.version else "A model that is gone"
    return row.source.replace("_", " ").capitalize()


def _totals(results: Sequence[ListResult]) -> dict[str, Any]:
    sums: dict[str, Any] = {
        name: sum(getattr(row, name) for row in results) for name in ("lists", "views", "clicks", "orders")
    }
    return sums | {"revenue": money(sum(row.revenue for row in results))}


def _address(first: date, last: date) -> str:
    return f"?first={first}&last={last}"


def _percent(found: Estimate | None) -> Shown:
    return _shown(found, lambda value: f"{100 * value:.1f} %")


def _points(found: Estimate | None) -> Shown:
    """What is between two shares."""
    return _shown(found, lambda value: f"{100 * value:+.1f} points")


def _money(found: Estimate | None, sign: str = "") -> Shown:
    return _shown(found, lambda value: money(value, sign))


def _shown(found: Estimate | None, written: Callable[[float], str]) -> Shown:
    if found is None or found.value is None:
        return Shown(NO_VALUE)
    if found.low is None or found.high is None:
        return Shown(written(found.value), "too few for an interval")
    return Shown(written(found.value), f"{written(found.low)} to {written(found.high)}")


def _verdict(found: Estimate | None) -> str:
    return "" if found is None else verdict(found.low, found.high)
