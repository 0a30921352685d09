from django.apps import AppConfig
from django.core import checks


class RecommenderConfig(AppConfig):
    name = "recommender"

    def ready(self) -> None:
        from recommender.checks import check_source

        checks.register(check_source)
