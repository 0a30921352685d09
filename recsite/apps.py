from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "recsite"
    label = "recsite"
    verbose_name = "Site"

    def ready(self) -> None:
        # drf-spectacular finds the classes of the one once they are loaded; the other connects its receivers.
        from recsite import openapi, receivers  # noqa: F401
