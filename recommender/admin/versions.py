"""Versions in the admin: compare them, read what was measured, choose which one serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from recommender import registry
from recommender.admin.examples import examples_of
from recommender.admin.look import PRIMARY, action, display
from recommender.admin.pages import ReadOnlyAdmin, ReasonForm, difference, page_address, staff
from recommender.models import MAY_PROMOTE, MAY_SEE_VERSIONS, ModelVersion, Promotion
from recommender.reports import NO_VALUE, format_interval, format_score, model_row, report_lines
from recommender.training import gate_rules


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ["name", "serves", "quality", "beside_live", "beside_popularity", "gate", "run", "created"]
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
        lines = report_lines(live.report) if live else None
        context = {"live": live, "best": registry.anchor_version(), "live_lines": lines, "rule": gate_rules()}
        return super().changelist_view(request, {**(extra_context or {}), **context})

    @display(description=_("Serves"), label={"live": "success"})
    def serves(self, version: Any) -> tuple[str, str] | None:
        return ("live", gettext("live")) if version.is_live else None

    @display(description="NDCG@10")
    def quality(self, version: ModelVersion) -> str:
        row = model_row(version.report, "two_tower")
        interval = row.get("ndcg_10_interval")
        return f"{format_score(row.get('ndcg_10'))} ({format_interval(*interval)})" if interval else NO_VALUE

    @display(description=_("Beside the live one then"))
    def beside_live(self, version: ModelVersion) -> str:
        return difference(version, "live")

    @display(description=_("Beside popularity"))
    def beside_popularity(self, version: ModelVersion) -> str:
        return difference(version, "popularity")

    @display(description=_("Gate"), label={"passed": "success", "refused": "warning"}, ordering="passed_gate")
    def gate(self, version: ModelVersion) -> tuple[str, str]:
        return ("passed", gettext("passed")) if version.passed_gate else ("refused", gettext("refused"))

    def has_promote_version_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(MAY_PROMOTE)

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return {
            "version": row,
            "run": row.run,
            "lines": report_lines(row.report),
            "examples": examples_of(registry.report_for(request.user, row)),
            "promotions": row.promotions.select_related("by"),
            "rule": gate_rules(),
        }

    def row_views(self) -> dict[str, Callable[..., HttpResponse]]:
        return {"report.json": self.report_view}

    def report_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Everything that was measured, as a file to keep or to compare."""
        version = self.permitted_row(request, pk, MAY_SEE_VERSIONS)
        headers = {"Content-Disposition": f'attachment; filename="{version.name}.json"'}
        report = registry.report_for(request.user, version)
        return JsonResponse(report, headers=headers, json_dumps_params={"indent": 2})

    @action(
        description=_("Promote"),
        url_path="promote",
        permissions=["promote_version"],
        icon="publish",
        variant=PRIMARY,
    )
    def promote(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make this version live. Where the gate refused it, a reason is required."""
        version = self.permitted_row(request, object_id)
        form = ReasonForm(request.POST or None, required=not version.passed_gate)

        def promote() -> tuple[str, str]:
            override = not version.passed_gate
            registry.promote(version=version, by=staff(request), reason=form.cleaned_data["reason"], override=override)
            message = gettext("Version {version} is live. Every process serves it within seconds.")
            return message.format(version=version.name), page_address(version)

        context = {"version": version, "live": registry.live_version(), "rule": gate_rules()}
        title = gettext("Promote version {version}").format(version=version.name)
        return self.form_page(request, form, promote, "promote.html", title, **context)

    @action(description=_("Roll back"), url_path="roll-back", permissions=["promote_version"], icon="undo")
    def roll_back(self, request: HttpRequest) -> HttpResponse:
        """Go back to the version that served before."""
        form = ReasonForm(request.POST or None)

        def roll_back() -> tuple[str, str]:
            version = registry.roll_back(by=staff(request), reason=form.cleaned_data["reason"]).version
            message = gettext("Version {version} is live again.").format(version=version.name)
            return message, page_address(version)

        context = {"live": registry.live_version(), "below": registry.rollback_version()}
        return self.form_page(request, form, roll_back, "roll_back.html", gettext("Roll back"), **context)
