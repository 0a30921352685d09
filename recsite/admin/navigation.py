"""The admin's sidebar: what one works with every day, and only what this member of staff may see."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_noop

# group: (model, icon from Material Symbols)
GROUPS = {
    gettext_noop("Shop"): [
        ("catalog.Product", "inventory_2"),
        ("customers.Customer", "group"),
        ("customers.Purchase", "shopping_bag"),
    ],
    gettext_noop("Recommender"): [
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
    gettext_noop("Site"): [
        ("recsite.ServiceAccount", "key"),
        ("auth.User", "person"),
        ("auth.Group", "badge"),
        ("django_celery_beat.PeriodicTask", "schedule"),
    ],
}


def sidebar(request: HttpRequest) -> list[dict[str, object]]:
    pages = {
        page["model"]._meta.label: page
        for app in admin.site.get_app_list(request)
        for page in app["models"]
        if page["admin_url"]
    }
    groups = []
    for title, models in GROUPS.items():
        items = [
            {"title": pages[label]["name"], "icon": icon, "link": pages[label]["admin_url"]}
            for label, icon in models
            if label in pages
        ]
        if items:
            groups.append({"title": gettext(title), "separator": True, "items": items})
    return groups
