"""The admin's sidebar: what one works with every day, and only what this member of staff may see."""

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
        ("recommender.ListCount", "monitoring"),
        ("recommender.Experiment", "science"),
        ("recommender.TrainingSchedule", "event_repeat"),
        ("recommender.DriftFinding", "trending_down"),
        ("recommender.ServedList", "list_alt"),
        ("recommender.Event", "touch_app"),
    ],
    "Site": [
        ("recsite.ServiceAccount", "key"),
        ("auth.User", "person"),
        ("auth.Group", "badge"),
        ("django_celery_beat.PeriodicTask", "schedule"),
    ],
}


def sidebar(request: HttpRequest) -> list[dict[str, object]]:
    pages = {
        model._meta.label: page for model, page in admin.site._registry.items() if page.has_view_permission(request)
    }
    groups = []
    for title, models in GROUPS.items():
        items = [link_to(pages[label], icon) for label, icon in models if label in pages]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def link_to(page: admin.ModelAdmin, icon: str) -> dict[str, object]:
    about = page.model._meta
    name = str(about.verbose_name_plural)
    link = reverse(f"admin:{about.app_label}_{about.model_name}_changelist")
    return {"title": name[:1].upper() + name[1:], "icon": icon, "link": link}
