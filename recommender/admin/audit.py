"""What happened: which version became live and why, which lists were shown, what people did with them."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from recommender.admin.look import display
from recommender.admin.pages import ReadOnlyAdmin, link_to
from recommender.models import Event, Promotion, ServedList


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    """The audit: which version became live, when, by whom and why."""

    list_display = ["time", "shown_action", "version_link", "by", "why"]
    fields = ["time", "action", "version_link", "by", "why"]
    readonly_fields = ["version_link", "why"]
    list_filter = ["action"]
    list_select_related = ["version", "by"]
    search_fields = ["version__name", "reason"]
    date_hierarchy = "time"

    @display(
        description=_("Action"),
        ordering="action",
        label={"promote": "success", "override": "danger", "roll back": "warning"},
    )
    def shown_action(self, promotion: Promotion) -> tuple[str, str]:
        return promotion.action, gettext(promotion.action)

    @display(description=_("Reason"), ordering="reason")
    def why(self, promotion: Promotion) -> str:
        return promotion.shown_reason

    @display(description=_("Version"), ordering="version__name")
    def version_link(self, promotion: Promotion) -> str:
        return link_to(promotion.version, promotion.version.name)


@admin.register(ServedList)
class ServedListAdmin(ReadOnlyAdmin):
    list_display = ["created", "customer", "scenario", "source", "version", "length"]
    list_filter = ["source", "scenario"]
    list_select_related = ["version"]
    search_fields = ["=customer"]
    search_help_text = _("A customer's key")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["time", "kind", "item", "customer", "value"]
    list_filter = ["kind"]
    search_fields = ["=customer", "=item"]
    search_help_text = _("A customer's or an item's key")
