from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class RecommenderConfig(AppConfig):
    name = "recommender"
    verbose_name = _("Recommender")

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from recommender.api.checks import check_api
        from recommender.feedback import assign_visit, carry_over_dismissals
        from recommender.source import check_data, check_extras, check_site, check_source
        from recommender.training import check_celery

        checks.register(check_celery)
        checks.register(check_source)
        checks.register(check_site)
        checks.register(check_data, checks.Tags.database)
        checks.register(check_extras)
        checks.register(check_api)
        user_logged_in.connect(assign_visit, dispatch_uid="recommender.assign_visit")
        user_logged_in.connect(carry_over_dismissals, dispatch_uid="recommender.feedback.dismissals")
