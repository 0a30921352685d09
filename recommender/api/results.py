"""What lists bring, over the API: for staff who may see it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.endpoint import StaffViewSet, documented
from recommender.api.limits import DEFAULT_PERIOD_DAYS
from recommender.api.requests import ScopedSerializer
from recommender.feedback import attribution_window, last_counted, list_results, results_to_dicts
from recommender.models import MAY_SEE_RESULTS


class PeriodQuery(ScopedSerializer):
    """From one day to another, both included, in the site's time zone; the last four weeks by default."""

    first = serializers.DateField(required=False, help_text="The first day; four weeks before the last, if not given.")
    last = serializers.DateField(required=False, help_text="The last day; today, if not given.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        span = timedelta(days=DEFAULT_PERIOD_DAYS - 1)
        last = attrs.get("last") or timezone.localdate(timezone=timezone.get_default_timezone())
        first = attrs.get("first") or max(last, date.min + span) - span
        if first > last:
            raise serializers.ValidationError(
                {"first": [gettext("first, {first}, is after last, {last}.").format(first=first, last=last)]}
            )
        return {**attrs, "first": first, "last": last}


class EstimateAnswer(serializers.Serializer):
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True, help_text="Of a 95 % interval; null where there are too few clicks.")
    high = serializers.FloatField(allow_null=True)


class ListResultAnswer(serializers.Serializer):
    scenario = serializers.CharField()
    source = serializers.CharField(help_text="What made the lists, as in a list's answer.")  # type: ignore[assignment]
    version = serializers.CharField(help_text="The model version; empty where no model made them.")
    lists = serializers.IntegerField()
    views = serializers.IntegerField(help_text="Items that the lists held.")
    clicks = serializers.IntegerField()
    clicked = serializers.IntegerField(help_text="Lists clicked on at least once.")
    orders = serializers.IntegerField(help_text="Purchases credited to the lists.")
    revenue = serializers.FloatField(help_text="What was paid for these.")
    click_rate = EstimateAnswer(help_text="Share of lists clicked on.")
    revenue_per_list = EstimateAnswer()
    click_rate_beside_popular = EstimateAnswer(
        allow_null=True, help_text="Less that of the scenario's popular lists; null for these themselves."
    )
    revenue_beside_popular = EstimateAnswer(allow_null=True)


@extend_schema_serializer(many=False)
class ListResultsAnswer(serializers.Serializer):
    first = serializers.DateField()
    last = serializers.DateField()
    attribution_days = serializers.IntegerField(
        help_text="A purchase is credited to the last list with a click on the item at most so many days before."
    )
    counted = serializers.DateTimeField(allow_null=True, help_text="When lists were counted last; null: never.")
    results = ListResultAnswer(many=True)


class ListResultsViewSet(StaffViewSet):
    needs = {"list": MAY_SEE_RESULTS}

    @documented(
        {200: ListResultsAnswer},
        tag="results",
        summary="What lists brought",
        description="Lists, views, clicks, orders and revenue of a period, by scenario and by what made them, with "
        "95 % intervals and the popular lists of the scenario as the yardstick.",
        parameters=[PeriodQuery],
    )
    def list(self, request: Request) -> Response:
        period = PeriodQuery.read(request.query_params).validated_data
        answer = {
            **period,
            "attribution_days": attribution_window().days,
            "counted": last_counted(),
            "results": results_to_dicts(list_results(**period)),
        }
        return Response(ListResultsAnswer(answer).data)
