"""The recommender's own pages in a project that brings no template for them, as docs/plugging_in.md promises."""

import copy
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpResponse
from django.template import RequestContext, Template
from django.urls import include, path, reverse

import recommender

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


def test_a_site_with_an_api_and_metrics_of_its_own_puts_ours_elsewhere(client, elsewhere, settings):
    settings.ROOT_URLCONF = "tests.recommender.own_addresses"
    assert client.get("/api/v1/events/").content == b"the host's"
    assert client.get("/metrics").content == b"the host's"
    assert reverse("recommender:why", args=["P1"]) == "/shop/recommendations/P1/why/"
    assert reverse("recommender_api:recommendations") == "/inner/reco/recommendations/"
    assert reverse("recommender_metrics:metrics") == "/inner/metrics"
    shown = client.get("/shop/recommendations/P1/why/?source=popular")
    assert 'action="/shop/recommendations/P1/not-interested/"' in shown.content.decode()


def test_lists_are_shown_without_why_this_where_the_site_leaves_our_pages_out(rf, trained, settings, elsewhere):
    settings.ROOT_URLCONF = "tests.recommender.no_addresses"
    request = rf.get("/")
    request.user, request.session = AnonymousUser(), SessionStore()
    page = Template("{% load recommendations %}{% popular_items count=2 %}").render(RequestContext(request))
    assert page.count("<article>") == 2
    assert "Why this?" not in page


def test_a_page_works_without_the_messages_app(client, elsewhere, settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "messages" not in name]
    processors = settings.TEMPLATES[0]["OPTIONS"]["context_processors"]
    processors.remove("django.contrib.messages.context_processors.messages")
    assert client.post("/recommendations/P1/not-interested/", {"next": "/products/P1/"}).status_code == 302
    assert "Kitchen thing 1" in client.get("/recommendations/not-interested/").content.decode()
    assert client.post("/recommendations/P1/take-back/").url == "/recommendations/not-interested/"


def test_our_pages_name_no_class_that_is_not_ours_and_no_tag_library_of_the_site(elsewhere):
    for template in (Path(recommender.__file__).parent / "templates" / "recommender").glob("*.html"):
        text = template.read_text(encoding="utf-8")
        classes = {name for names in re.findall(r'class="([^"{]*)"', text) for name in names.split()}
        assert {name for name in classes if not name.startswith("rec-")} == set(), template
        loaded = {name for names in re.findall(r"{% load ([^%]*) %}", text) for name in names.split()}
        assert loaded <= {"i18n", "l10n"}, template


def test_the_app_names_the_demo_site_nowhere():
    folder = Path(recommender.__file__).parent
    files = [path for kind in ("py", "html", "js") for path in folder.rglob(f"*.{kind}")]
    assert len(files) > 200
    assert [path.name for path in files if "recsite" in path.read_text(encoding="utf-8")] == []
