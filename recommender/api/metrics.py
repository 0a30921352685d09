"""GET /metrics for Prometheus: for members of staff, and for keys with the permission to see runs."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from recommender.api.access import has_permission
from recommender.api.site_classes import SiteView
from recommender.models import MAY_SEE_RUNS


class MaySeeMetrics(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        return bool(user.is_authenticated and (getattr(user, "is_staff", False) or has_permission(user, MAY_SEE_RUNS)))


@extend_schema(exclude=True)
class MetricsView(SiteView):
    own_permissions = (MaySeeMetrics,)
    throttle_classes: list[Any] = []

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)  # Prometheus asks for formats of its own

    def get(self, request: Request) -> HttpResponse:
        # Few workers are ever asked: the others need not carry it.
        from prometheus_client import CONTENT_TYPE_LATEST

        from recommender.monitoring import exposition

        return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
