from django.apps import AppConfig
from django.core import checks


class RecommenderConfig(AppConfig):
    name = "recommender"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from recommender.dismissals import carry_over
        from recommender.events import bring_visit
        from recommender.source.checks import check_source

        checks.register(check_source)
        user_logged_in.connect(bring_visit, dispatch_uid="recommender.bring_visit")
        user_logged_in.connect(carry_over, dispatch_uid="recommender.dismissals")
