from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "recsite"
    label = "recsite"

    def ready(self) -> None:
        from recsite import openapi  # noqa: F401  (drf-spectacular finds its classes once they are loaded)
