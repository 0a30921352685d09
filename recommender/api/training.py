"""Training over the API: runs and versions, for staff. Every change goes through runs.py and versions.py."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, ModelSerializer

from recommender import registry, training
from recommender.api import serializers as forms
from recommender.api.access import StaffMay, staff
from recommender.api.views import MALFORMED
from recommender.errors import TrainingError
from recommender.models import MAY_PROMOTE, MAY_SEE_RUNS, MAY_SEE_VERSIONS, MAY_TRAIN, ModelVersion, TrainingRun
from recommender.training import queue_run

NOT_NOW = OpenApiResponse(description="Not now: what `detail` says stands in the way.")


class StateConflict(APIException):
    """The request makes sense, but not in the state things are in."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class TrainingView(viewsets.ReadOnlyModelViewSet):
    permission_classes = [StaffMay]

    def handle_exception(self, error: Exception) -> Response:
        return super().handle_exception(StateConflict(str(error)) if isinstance(error, TrainingError) else error)


@extend_schema_view(
    list=extend_schema(summary="Training runs, the newest first", tags=["training"]),
    retrieve=extend_schema(summary="One run, with its curve and the end of its log", tags=["training"]),
)
class RunViewSet(TrainingView):
    needs = {"list": MAY_SEE_RUNS, "retrieve": MAY_SEE_RUNS, "create": MAY_TRAIN, "cancel": MAY_TRAIN}
    queryset = TrainingRun.objects.select_related("version", "started_by", "cancelled_by")
    filterset_fields = ["state"]
    lookup_value_regex = r"[0-9]{1,18}"

    def get_serializer_class(self) -> type[BaseSerializer]:
        return forms.RunSerializer if self.action == "list" else forms.RunDetailSerializer

    @extend_schema(
        summary="Start a run",
        description="It waits for the training worker; ask for it again to see how far it is.",
        tags=["training"],
        request=forms.StartRunSerializer,
        responses={201: forms.RunDetailSerializer, 400: MALFORMED, 409: NOT_NOW},
    )
    def create(self, request: Request) -> Response:
        asked = forms.StartRunSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        run = queue_run(parameters=asked.validated_data["parameters"], started_by=staff(request))
        run.refresh_from_db()  # without a broker it has failed by now
        return Response(self.get_serializer(run).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Cancel a run",
        description="A waiting run stops at once, one that is being executed within seconds.",
        tags=["training"],
        request=None,
        responses={200: forms.RunDetailSerializer, 409: NOT_NOW},
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        run = training.cancel_run(run=self.get_object(), by=staff(request))
        return Response(self.get_serializer(run).data)


@extend_schema_view(
    list=extend_schema(summary="Model versions, the newest first", tags=["training"]),
    retrieve=extend_schema(summary="One version, with its report", tags=["training"]),
)
class VersionViewSet(TrainingView):
    needs = {
        "list": MAY_SEE_VERSIONS,
        "retrieve": MAY_SEE_VERSIONS,
        "report": MAY_SEE_VERSIONS,
        "promote": MAY_PROMOTE,
        "roll_back": MAY_PROMOTE,
    }
    queryset = ModelVersion.objects.all()
    filterset_fields = ["passed_gate"]
    lookup_field = "name"
    lookup_value_regex = r"[^/\x00]+"

    def get_serializer_class(self) -> type[ModelSerializer]:
        return forms.VersionSerializer if self.action == "list" else forms.VersionDetailSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        live = registry.live_version()
        return {**super().get_serializer_context(), "live": live.pk if live else None}

    @extend_schema(
        summary="Everything that was measured of a version, as a file",
        tags=["training"],
        responses={
            200: OpenApiResponse(
                OpenApiTypes.OBJECT,
                description="The report, as `python -m recommender.engine` writes it.",
                examples=[OpenApiExample("report", value={"users": 943})],
            )
        },
    )
    @action(detail=True, methods=["get"])
    def report(self, request: Request, name: str) -> Response:
        version = self.get_object()
        report = registry.report_for(request.user, version)
        return Response(report, headers={"Content-Disposition": f'attachment; filename="{version.name}.json"'})

    @extend_schema(
        summary="Make a version live",
        description="Every process serves it within seconds. What the gate refused takes `override` and a `reason`.",
        tags=["training"],
        request=forms.PromoteSerializer,
        responses={200: forms.VersionDetailSerializer, 400: MALFORMED, 409: NOT_NOW},
    )
    @action(detail=True, methods=["post"])
    def promote(self, request: Request, name: str) -> Response:
        asked = forms.PromoteSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        promotion = registry.promote(version=self.get_object(), by=staff(request), **asked.validated_data)
        return Response(self.get_serializer(promotion.version).data)

    @extend_schema(
        summary="Go back to the version that served before",
        tags=["training"],
        request=forms.RollBackSerializer,
        responses={200: forms.VersionDetailSerializer, 400: MALFORMED, 409: NOT_NOW},
    )
    @action(detail=False, methods=["post"], url_path="roll-back")
    def roll_back(self, request: Request) -> Response:
        asked = forms.RollBackSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        promotion = registry.roll_back(by=staff(request), **asked.validated_data)
        return Response(self.get_serializer(promotion.version).data)
