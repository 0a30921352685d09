"""What lists bring in a period, by scenario and by what made them, on one page of the admin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from recommender.admin.look import day_classes
from recommender.admin.pages import ReadOnlyAdmin, interval, money, percent, points
from recommender.feedback import Estimate, ListResult, attribution_window, last_counted, list_results
from recommender.models import TWO_TOWER, ListCount
from recommender.reports import NO_VALUE, Bar, interval_bar, verdict
from recommender.source import get_source
from recommender.words import fill

PERIODS_DAYS = (7, 28, 90, 365)  # of the links
DEFAULT_PERIOD_DAYS = 28
SOURCES = {  # of lists that no model made
    "popular": gettext_noop("Popular"),
    "trending": gettext_noop("Trending"),
    "recently_viewed": gettext_noop("Recently viewed"),
    "buy_again": gettext_noop("Buy again"),
    "bought_together": gettext_noop("Bought together"),
    "also_viewed": gettext_noop("Also viewed"),
}


class DayInput(forms.DateInput):
    """The browser's own calendar. The admin's needs scripts that only the admin's own forms load."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(attrs={"class": day_classes}, format="%Y-%m-%d")


class PeriodForm(forms.Form):
    """From one day to another, both included, in the site's time zone; the last four weeks by default."""

    first = forms.DateField(label=_("From"), widget=DayInput)
    last = forms.DateField(label=_("To"), widget=DayInput)

    @classmethod
    def from_query(cls, query: Any, today: date) -> PeriodForm:
        default = {"first": today - timedelta(days=DEFAULT_PERIOD_DAYS - 1), "last": today}
        return cls({name: query.get(name) or day for name, day in default.items()})

    def clean(self) -> dict[str, Any]:
        days = super().clean() or {}
        if "first" in days and "last" in days and days["first"] > days["last"]:
            message = gettext("From {first:date} is after To {last:date}.")
            raise forms.ValidationError(fill(message, first=days["first"], last=days["last"]))
        return days


@dataclass(frozen=True)
class EstimateText:
    """An estimate and its interval, ready to print. verdict : "better", "worse", "a tie" or ""."""

    value: str
    interval: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class ResultLine:
    """The lists of one maker in one scenario, ready to print."""

    maker: str
    is_popular: bool
    lists: int
    views: int
    clicks: int
    click_rate: EstimateText
    bar: Bar | None
    orders: int
    revenue: str
    revenue_per_list: EstimateText
    beside_popular: EstimateText
    revenue_beside_popular: EstimateText


@admin.register(ListCount)
class ListCountAdmin(ReadOnlyAdmin):
    """One page in the place of the list of rows, each of which counts one bucket of people on one day."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        today = timezone.localdate(timezone=timezone.get_default_timezone())
        form = PeriodForm.from_query(request.GET, today)
        results = list_results(form.cleaned_data["first"], form.cleaned_data["last"]) if form.is_valid() else []
        return self.custom_page(
            request,
            "results.html",
            gettext("Results of lists"),
            form=form,
            periods=[(days, f"?first={today - timedelta(days=days - 1)}&last={today}") for days in PERIODS_DAYS],
            totals=_totals(results),
            scenarios=[(name, result_lines(list(rows))) for name, rows in groupby(results, lambda row: row.scenario)],
            days=attribution_window().days,
            counted=last_counted(),
            knows_revenue=bool(get_source().interaction_amount),
        )

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.changelist_view(request)


def result_lines(results: Sequence[ListResult]) -> list[ResultLine]:
    """The makers of one scenario's lists. Their bars share one scale, which ends where the longest bar does."""
    longest = max((row.click_rate.high or row.click_rate.value or 0.0 for row in results), default=0.0)
    return [
        ResultLine(
            maker=_maker(row),
            is_popular=row.is_popular,
            lists=row.lists,
            views=row.views,
            clicks=row.clicks,
            click_rate=_text(row.click_rate, lambda value: percent(value, ".1f")),
            bar=interval_bar(row.click_rate.low, row.click_rate.value, row.click_rate.high, longest),
            orders=row.orders,
            revenue=money(row.revenue),
            revenue_per_list=_text(row.revenue_per_list, money),
            beside_popular=_difference(row.click_rate_beside_popular, lambda value: points(value, "+.1f")),
            revenue_beside_popular=_difference(row.revenue_beside_popular, lambda value: money(value, "+")),
        )
        for row in results
    ]


def _maker(row: ListResult) -> str:
    if row.source == TWO_TOWER:
        if not row.version:
            return gettext("A model that is gone")
        return gettext("Model {version}").format(version=row.version)
    return gettext(SOURCES[row.source]) if row.source in SOURCES else row.source.replace("_", " ").capitalize()


def _totals(results: Sequence[ListResult]) -> dict[str, Any]:
    sums: dict[str, Any] = {
        name: sum(getattr(row, name) for row in results) for name in ("lists", "views", "clicks", "orders")
    }
    return sums | {"revenue": money(sum(row.revenue for row in results))}


def _text(estimate: Estimate | None, format_value: Callable[[float], str]) -> EstimateText:
    if estimate is None or estimate.value is None:
        return EstimateText(NO_VALUE)
    if estimate.low is None or estimate.high is None:
        return EstimateText(format_value(estimate.value), gettext("too few for an interval"))
    bounds = interval(format_value(estimate.low), format_value(estimate.high))
    return EstimateText(format_value(estimate.value), bounds)


def _difference(estimate: Estimate | None, format_value: Callable[[float], str]) -> EstimateText:
    text = _text(estimate, format_value)
    return text if estimate is None else replace(text, verdict=verdict(estimate.low, estimate.high))
