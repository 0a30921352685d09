"""Which language a page speaks, and how a reader changes it."""

import pytest
from django.urls import reverse

pytestmark = pytest.mark.django_db


def test_a_page_speaks_the_language_of_the_browser(client, stocked):
    page = client.get("/", headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"})
    assert '<html lang="de">' in page.content.decode()
    assert page["Content-Language"] == "de"
    assert "Accept-Language" in page["Vary"]


def test_who_speaks_none_of_the_languages_reads_english(client, stocked):
    page = client.get("/", headers={"Accept-Language": "nl"})
    assert '<html lang="en">' in page.content.decode()


def test_a_reader_changes_the_language_in_the_footer_without_javascript(client, stocked):
    home = client.get("/products/?q=a").content.decode()
    assert f'action="{reverse("set_language")}"' in home
    assert '<button class="link" type="submit" name="language" value="fr" lang="fr">Français</button>' in home
    answer = client.post(reverse("set_language"), {"language": "fr", "next": "/products/?q=a"})
    assert answer.status_code == 302
    assert answer["Location"] == "/products/?q=a"
    assert '<html lang="fr">' in client.get("/products/?q=a", headers={"Accept-Language": "de"}).content.decode()


def test_a_change_of_language_leads_to_no_other_site(client):
    answer = client.post(reverse("set_language"), {"language": "de", "next": "https://elsewhere.example/"})
    assert answer["Location"] == "/"


def test_a_refusal_before_any_view_speaks_the_language_too(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    page = client.post("/language/", {"language": "de" * 40}, headers={"Accept-Language": "de"})
    assert page.status_code == 413
    assert page["Content-Language"] == "de"
    assert '<html lang="de">' in page.content.decode()
