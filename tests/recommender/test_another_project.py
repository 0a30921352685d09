"""The recommender's own pages in a project that brings no template for them, as docs/plugging_in.md promises."""

import copy

import pytest
from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    path("products/<key>/", lambda request, key: HttpResponse(key), name="product"),
    path("", include("recommender.urls")),
]


@pytest.fixture
def elsewhere(settings, trained):
    """A project with the recommender's addresses, and with neither the templates nor the context of this site."""
    templates = copy.deepcopy(settings.TEMPLATES)
    templates[0] |= {"DIRS": [settings.BASE_DIR / "recommender" / "templates"], "APP_DIRS": False}
    processors = templates[0]["OPTIONS"]["context_processors"]
    templates[0]["OPTIONS"]["context_processors"] = [name for name in processors if name.startswith("django.")]
    settings.TEMPLATES = templates
    settings.ROOT_URLCONF = __name__


def test_why_this_opens_in_another_project_too(client, elsewhere):
    shown = client.get("/recommendations/P1/why/?source=popular")
    assert shown.status_code == 200
    assert "<title>Why Kitchen thing 1?</title>" in shown.content.decode()


def test_what_somebody_turned_down_is_listed_page_by_page_in_another_project_too(client, elsewhere, monkeypatch):
    monkeypatch.setattr("recommender.views.DISMISSED_PER_PAGE", 2)
    for number in range(3):
        client.post(f"/recommendations/P{number}/not-interested/", {"next": "/"})
    shown = client.get("/recommendations/not-interested/").content.decode()
    assert "<title>Not interested</title>" in shown
    assert 'href="?page=2"' in shown
    assert client.get("/recommendations/not-interested/?page=2").status_code == 200
