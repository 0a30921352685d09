from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SiteConfig(AppConfig):
    name = "recsite"
    label = "recsite"
    verbose_name = _("Site")

    def ready(self) -> None:
        # drf-spectacular finds the classes of the one once they are loaded; the others connect receivers and checks.
        from recsite import database, logs, receivers, startup  # noqa: F401
        from recsite.api import openapi  # noqa: F401

        if logs.LOG_JSON:
            logs.log_uncaught_errors()
