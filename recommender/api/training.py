"""Runs and versions over the API, for staff. Every change goes through the training and registry rooms."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from recommender import registry, training
from recommender.api.access import staff
from recommender.api.endpoint import MALFORMED, StaffViewSet
from recommender.api.fields import StrictSerializer
from recommender.api.limits import MAX_REASON_CHARACTERS
from recommender.api.site_classes import SiteRows
from recommender.errors import TrainingError
from recommender.models import MAY_PROMOTE, MAY_SEE_RUNS, MAY_SEE_VERSIONS, MAY_TRAIN, ModelVersion, TrainingRun
from recommender.words import in_words


class StartRunSerializer(StrictSerializer):
    parameters = serializers.DictField(
        child=serializers.JSONField(),
        default=dict,
        help_text='Settings by name, such as {"loss": "softmax", "epochs": 20}; the others take their defaults. '
        '"warm_start": true goes on from the live version, "tune": 20 tries 20 settings first.',
    )

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            training.read_parameters(parameters)
        except TrainingError as error:
            raise serializers.ValidationError(in_words(error)) from None
        return parameters


class RollBackSerializer(StrictSerializer):
    reason = serializers.CharField(
        default="", allow_blank=True, max_length=MAX_REASON_CHARACTERS, help_text="Is kept with the promotion."
    )


class PromoteSerializer(RollBackSerializer):
    override = serializers.BooleanField(default=False, help_text="Promote although the gate refused; needs a reason.")


def name_at(path: str) -> serializers.CharField:
    """A read-only field: the attribute, or the answer of the method, of a row that may be missing."""
    return serializers.CharField(source=path, allow_null=True, default=None, read_only=True)


class RunSerializer(serializers.ModelSerializer):
    phase = serializers.CharField(source="shown_phase", read_only=True, help_text="What is being done, in words.")
    error = serializers.CharField(source="shown_error", read_only=True)
    version = name_at("version.name")
    started_by = name_at("started_by.get_username")
    cancelled_by = name_at("cancelled_by.get_username")

    class Meta:
        model = TrainingRun
        fields = [
            "id",
            "state",
            "phase",
            "progress",
            "version",
            "parameters",
            "metrics",
            "counts",
            "fingerprint",
            "error",
            "started_by",
            "cancelled_by",
            "created",
            "started",
            "finished",
            "heartbeat",
        ]
        read_only_fields = fields


class RunDetailSerializer(RunSerializer):
    """One run, with its curve and the end of its log."""

    class Meta(RunSerializer.Meta):
        fields = [*RunSerializer.Meta.fields, "curve", "log"]
        read_only_fields = fields


class VersionSerializer(serializers.ModelSerializer):
    live = serializers.SerializerMethodField(help_text="Whether this is the version that serves.")
    metrics = serializers.DictField(read_only=True)
    gate_reason = serializers.CharField(source="shown_gate_reason", read_only=True)

    class Meta:
        model = ModelVersion
        fields = ["name", "run", "live", "passed_gate", "gate_reason", "metrics", "fingerprint", "created"]
        read_only_fields = fields

    def get_live(self, version: ModelVersion) -> bool:
        return version == self.context.get("live")


class VersionDetailSerializer(VersionSerializer):
    """One version, with everything that was measured."""

    report = serializers.SerializerMethodField()

    class Meta(VersionSerializer.Meta):
        fields = [*VersionSerializer.Meta.fields, "report"]
        read_only_fields = fields

    def get_report(self, version: ModelVersion) -> dict[str, Any]:
        return registry.report_for(self.context["request"].user, version)


def documented(answer: Any, summary: str, *, status: int = 200, **schema: Any) -> Any:
    """Decorator: describes a change of a run or version."""
    not_now = OpenApiResponse(description="Not now: what `detail` says stands in the way.")
    answers = {status: answer, 409: not_now} | ({400: MALFORMED} if schema["request"] else {})
    return extend_schema(summary=summary, tags=["training"], responses=answers, **schema)


class TrainingViewSet(SiteRows, StaffViewSet, viewsets.ReadOnlyModelViewSet):
    row_serializer: type[serializers.ModelSerializer]  # of the list
    detail_serializer: type[serializers.ModelSerializer]

    def get_serializer_class(self) -> type[serializers.ModelSerializer]:
        return self.row_serializer if self.action == "list" else self.detail_serializer


@extend_schema_view(
    list=extend_schema(summary="Training runs, the newest first", tags=["training"]),
    retrieve=extend_schema(summary="One run, with its curve and the end of its log", tags=["training"]),
)
class RunViewSet(TrainingViewSet):
    needs = {"list": MAY_SEE_RUNS, "retrieve": MAY_SEE_RUNS, "create": MAY_TRAIN, "cancel": MAY_TRAIN}
    queryset = TrainingRun.objects.select_related("version", "started_by", "cancelled_by")
    row_serializer, detail_serializer = RunSerializer, RunDetailSerializer
    filterset_fields = ["state"]
    lookup_value_regex = r"[0-9]{1,18}"

    @documented(
        RunDetailSerializer,
        "Start a run",
        status=201,
        description="It waits for the training worker; ask for it again to see how far it is.",
        request=StartRunSerializer,
    )
    def create(self, request: Request) -> Response:
        fields = StartRunSerializer.read(request.data).validated_data
        run = training.queue_run(**fields, started_by=staff(request))
        run.refresh_from_db()  # without a broker it has failed by now
        return Response(self.get_serializer(run).data, status=status.HTTP_201_CREATED)

    @documented(
        RunDetailSerializer,
        "Cancel a run",
        description="A waiting run stops at once, one that is being executed within seconds.",
        request=None,
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        run = training.cancel_run(run=self.get_object(), by=staff(request))
        return Response(self.get_serializer(run).data)


@extend_schema_view(
    list=extend_schema(summary="Model versions, the newest first", tags=["training"]),
    retrieve=extend_schema(summary="One version, with its report", tags=["training"]),
)
class VersionViewSet(TrainingViewSet):
    needs = {
        **dict.fromkeys(("list", "retrieve", "report"), MAY_SEE_VERSIONS),
        **dict.fromkeys(("promote", "roll_back"), MAY_PROMOTE),
    }
    queryset = ModelVersion.objects.all()
    row_serializer, detail_serializer = VersionSerializer, VersionDetailSerializer
    filterset_fields = ["passed_gate"]
    lookup_field = "name"
    lookup_value_regex = r"[^/\x00]+"

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "live": registry.live_version()}

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

    @documented(
        VersionDetailSerializer,
        "Make a version live",
        description="Every process serves it within seconds. What the gate refused takes `override` and a `reason`.",
        request=PromoteSerializer,
    )
    @action(detail=True, methods=["post"])
    def promote(self, request: Request, name: str) -> Response:
        fields = PromoteSerializer.read(request.data).validated_data
        promotion = registry.promote(version=self.get_object(), by=staff(request), **fields)
        return Response(self.get_serializer(promotion.version).data)

    @documented(VersionDetailSerializer, "Go back to the version that served before", request=RollBackSerializer)
    @action(detail=False, methods=["post"], url_path="roll-back")
    def roll_back(self, request: Request) -> Response:
        fields = RollBackSerializer.read(request.data).validated_data
        promotion = registry.roll_back(by=staff(request), **fields)
        return Response(self.get_serializer(promotion.version).data)
