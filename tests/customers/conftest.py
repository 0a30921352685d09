import pytest
from django.core.cache import cache


@pytest.fixture
def django_cache():
    """An empty cache: suggestions are kept in it."""
    cache.clear()
    yield cache
    cache.clear()
