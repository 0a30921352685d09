from django.apps import AppConfig


class SiteWithoutRecommender(AppConfig):
    """recsite, which ties shop and recommender together, with nothing to tie."""

    name = "recsite"
    label = "recsite"
    verbose_name = "Site"
