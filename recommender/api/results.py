"""What lists bring, over the API: for staff who may see it."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api import serializers as forms
from recommender.api.access import StaffMay
from recommender.api.views import MALFORMED, NOT_YOURS, STRANGER
from recommender.feedback import attribution_window, last_counted, list_results, results_to_dicts
from recommender.models import MAY_SEE_RESULTS


class ListResultsViewSet(viewsets.ViewSet):
    permission_classes = [StaffMay]
    needs = {"list": MAY_SEE_RESULTS}

    @extend_schema(
        summary="What lists brought",
        description="Lists, views, clicks, orders and revenue of a period, by scenario and by what made them, with "
        "95 % intervals and the popular lists of the scenario as the yardstick.",
        tags=["results"],
        parameters=[forms.PeriodQuery],
        responses={200: forms.ListResultsAnswer, 400: MALFORMED, 401: STRANGER, 403: NOT_YOURS},
    )
    def list(self, request: Request) -> Response:
        asked = forms.PeriodQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        period = asked.validated_data
        found = {
            **period,
            "attribution_days": attribution_window().days,
            "counted": last_counted(),
            "results": results_to_dicts(list_results(**period)),
        }
        return Response(forms.ListResultsAnswer(found).data)
