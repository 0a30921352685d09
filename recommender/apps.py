from django.apps import AppConfig
from django.core import checks


class RecommenderConfig(AppConfig):
    name = "recommender"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from recommender.checks import check_source
        from recommender.dismissals import carry_over
        from recommender.events import bring_visit

        checks.register(check_source)
        user_logged_in.connect(bring_visit, dispatch_uid="recommender.bring_visit")
        user_logged_in.connect(carry_over, dispatch_uid="recommender.dismissals")
