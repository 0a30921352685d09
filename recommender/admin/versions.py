"""Versions in the admin: compare them, read what was measured, choose which one serves."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from recommender import registry
from recommender.admin.examples import examples_of
from recommender.admin.pages import ReadOnlyAdmin, ReasonForm, check_may, difference, page_address, staff
from recommender.errors import TrainingError
from recommender.models import MAY_PROMOTE, MAY_SEE_VERSIONS, ModelVersion, Promotion
from recommender.reports import NO_VALUE, format_interval, format_score, model_row, report_lines
from recommender.training import gate_rules


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = [
        "name",
        "serves",
        "quality",
        "beside_live",
        "beside_popularity",
        "gate",
        "run",
        "created",
    ]
    list_filter = ["passed_gate"]
    list_select_related = ["run"]
    search_fields = ["name"]
    change_form_template = "admin/recommender/version_page.html"
    list_before_template = "admin/recommender/versions_before.html"
    actions_list = ["roll_back"]
    actions_detail = ["promote"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        newest = Promotion.objects.order_by("-pk").values("version_id")[:1]
        is_live = ExpressionWrapper(Q(pk=Subquery(newest)), BooleanField())
        return super().get_queryset(request).annotate(is_live=is_live)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        live = registry.live_version()
        more = {"live": live, "live_lines": report_lines(live.report) if live else None, "rule": gate_rules()}
        return super().changelist_view(request, {**(extra_context or {}), **more})

    @display(description="Serves", label={"live": "success"})
    def serves(self, version: Any) -> str | None:
        return "live" if version.is_live else None

    @display(description="NDCG@10")
    def quality(self, version: ModelVersion) -> str:
        row = model_row(version.report, "two_tower")
        between = row.get("ndcg_10_interval")
        return f"{format_score(row.get('ndcg_10'))} ({format_interval(*between)})" if between else NO_VALUE

    @display(description="Beside the live one then")
    def beside_live(self, version: ModelVersion) -> str:
        return difference(version, "live")

    @display(description="Beside popularity")
    def beside_popularity(self, version: ModelVersion) -> str:
        return difference(version, "popularity")

    @display(description="Gate", label={"passed": "success", "refused": "warning"}, ordering="passed_gate")
    def gate(self, version: ModelVersion) -> str:
        return "passed" if version.passed_gate else "refused"

    def has_promote_version_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(MAY_PROMOTE)

    def page_of(self, request: HttpRequest, shown: Any) -> dict[str, Any]:
        return {
            "version": shown,
            "run": shown.run,
            "lines": report_lines(shown.report),
            "examples": examples_of(registry.report_for(request.user, shown)),
            "promotions": shown.promotions.select_related("by"),
            "rule": gate_rules(),
        }

    def get_urls(self) -> list[URLPattern]:
        address = path(
            "<int:pk>/report.json",
            self.admin_site.admin_view(self.report_view),
            name="recommender_modelversion_report",
        )
        return [address, *super().get_urls()]

    def report_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Everything that was measured, as a file to keep or to compare."""
        check_may(request, MAY_SEE_VERSIONS)
        version = self.get_object(request, str(pk))
        if version is None:
            raise Http404(f"There is no version {pk}.")
        headers = {"Content-Disposition": f'attachment; filename="{version.name}.json"'}
        report = registry.report_for(request.user, version)
        return JsonResponse(report, headers=headers, json_dumps_params={"indent": 2})

    @action(
        description="Promote",
        url_path="promote",
        permissions=["promote_version"],
        icon="publish",
        variant=ActionVariant.PRIMARY,
    )
    def promote(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make this version live; where the gate refused it, somebody must say why."""
        version = self.get_object(request, object_id)
        if version is None:
            raise Http404(f"There is no version {object_id}.")
        form = ReasonForm(request.POST or None, required=not version.passed_gate)
        if request.method == "POST" and form.is_valid():
            given = {"reason": form.cleaned_data["reason"], "override": not version.passed_gate}
            try:
                registry.promote(version=version, by=staff(request), **given)
            except TrainingError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"Version {version.name} is live. Every process serves it within seconds.")
                return redirect(page_address(version))
        live = registry.live_version()
        title = f"Promote version {version.name}"
        context = {"form": form, "version": version, "live": live, "rule": gate_rules()}
        return self.custom_page(request, "promote.html", title, **context)

    @action(description="Roll back", url_path="roll-back", permissions=["promote_version"], icon="undo")
    def roll_back(self, request: HttpRequest) -> HttpResponse:
        """Go back to what served before."""
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                promotion = registry.roll_back(by=staff(request), reason=form.cleaned_data["reason"])
            except TrainingError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"Version {promotion.version.name} is live again.")
                return redirect(page_address(promotion.version))
        live, below = registry.live_version(), registry.rollback_version()
        return self.custom_page(request, "roll_back.html", "Roll back", form=form, live=live, below=below)
