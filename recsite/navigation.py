"""The admin's sidebar: what one works with every day, and only what this member of staff may see."""

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

# group: (model, icon from Material Symbols)
GROUPS = {
    "Shop": [
        ("catalog.Product", "inventory_2"),
        ("customers.Customer", "group"),
        ("customers.Purchase", "shopping_bag"),
    ],
    "Recommender": [
        ("recommender.TrainingRun", "model_training"),
        ("recommender.ModelVersion", "deployed_code"),
        ("recommender.Promotion", "history"),
        ("recommender.ServedList", "list_alt"),
        ("recommender.Event", "touch_app"),
    ],
    "Site": [
        ("auth.User", "person"),
        ("auth.Group", "badge"),
        ("django_celery_beat.PeriodicTask", "schedule"),
    ],
}


def sidebar(request: HttpRequest) -> list[dict[str, object]]:
    groups = []
    for title, models in GROUPS.items():
        items = [entry for label, icon in models for entry in link_to(request, label, icon)]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def link_to(request: HttpRequest, label: str, icon: str) -> list[dict[str, object]]:
    """The entry for one model, or none: this site gives it no admin page, or this person may not read it."""
    model = apps.get_model(label)
    if not admin.site.is_registered(model) or not admin.site.get_model_admin(model).has_view_permission(request):
        return []
    name = model._meta.verbose_name_plural
    link = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return [{"title": name[:1].upper() + name[1:], "icon": icon, "link": link}]
