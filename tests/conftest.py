import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _a_process_that_just_started(monkeypatch):
    """Nothing that one test made this process remember is there in the next; the database is looked at each time."""
    from recommender import serving

    monkeypatch.setattr(serving, "CHECK_EVERY", 0.0)
    serving.forget()
    cache.clear()
    yield
    serving.forget()
