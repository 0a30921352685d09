"""Findings of the daily check for drift in the admin, the newest first, coloured by level."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from recommender.admin.look import display
from recommender.admin.pages import ReadOnlyAdmin
from recommender.models import DriftFinding
from recommender.reports import NO_VALUE
from recommender.words import written

SHARES = (DriftFinding.Measure.UNKNOWN, DriftFinding.Measure.FALLBACK, DriftFinding.Measure.CLICKS)


@admin.register(DriftFinding)
class DriftFindingAdmin(ReadOnlyAdmin):
    list_display = ["time", "shown_level", "subject", "sentence", "measure", "now", "then", "counted", "version"]
    fields = ["time", "level", "subject", "field", "sentence", "measure", "now", "then", "counted", "version"]
    readonly_fields = ["sentence", "now", "then"]
    list_filter = ["level", "subject", "measure", "version"]
    list_select_related = ["version"]
    date_hierarchy = "time"

    @display(description=_("Level"), ordering="level", label={"fine": "success", "watch": "warning", "high": "danger"})
    def shown_level(self, finding: DriftFinding) -> tuple[str, str]:
        return finding.level, gettext(finding.level)

    @display(description=_("Words"))
    def sentence(self, finding: DriftFinding) -> str:
        return finding.shown_words

    @display(description=_("Now"), ordering="value")
    def now(self, finding: DriftFinding) -> str:
        return _shown(finding.measure, finding.value)

    @display(description=_("Before"))
    def then(self, finding: DriftFinding) -> str:
        return NO_VALUE if finding.before is None else _shown(finding.measure, finding.before)


def _shown(measure: str, value: float) -> str:
    return written(value, "percent1" if measure in SHARES else ".3f")
