"""Which language a page speaks, and how a reader changes it."""

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.urls import reverse
from django.utils.translation import override
from rest_framework.test import APIClient

from recommender.errors import TrainingError
from recommender.models import TrainingRun
from recommender.registry import promote
from recommender.training import runs
from recommender.words import Words
from tests.recommender import planted_runs

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


GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de"}


def test_the_api_says_what_is_wrong_in_the_language_of_the_caller_and_its_codes_stay():
    body = {"customer": "nobody", "profile": {"Age": 28}}
    english, german = (APIClient().post("/api/v1/recommendations/", body, format="json", **how) for how in ({}, GERMAN))
    assert english.json()["errors"][0]["detail"] == "Give either a customer or a profile, not both."
    assert german.json()["errors"][0]["detail"] == "Nennen Sie entweder einen Kunden oder ein Profil, nicht beides."
    assert german.json()["errors"][0]["code"] == english.json()["errors"][0]["code"]
    assert german["Content-Language"] == "de"
    assert "Accept-Language" in german["Vary"]


def test_a_field_that_the_engine_refuses_is_said_in_the_language_of_the_caller():
    answer = APIClient().post("/api/v1/recommendations/", {"profile": {"Age": "old"}}, format="json", **GERMAN)
    assert answer.json()["errors"][0]["detail"] == "Age: 'old' ist keine Zahl."


def test_what_one_person_s_run_said_is_read_by_another_in_their_own_language(client):
    """Started by somebody who reads French, and looked at in German and English."""
    User.objects.create_superuser("root", password="root")
    client.login(username="root", password="root")
    with override("fr"):
        run = runs.start_run(parameters={})
        runs.fail_run(run=run, error=Words("Training broke on {problem}. The log says where.", problem="KeyError"))
    assert TrainingRun.objects.get().error == "Training broke on KeyError. The log says where."
    address = reverse("admin:recommender_trainingrun_change", args=[run.pk])
    assert "Das Training brach ab: KeyError." in client.get(address, **GERMAN).content.decode()
    assert "Training broke on KeyError." in client.get(address, HTTP_ACCEPT_LANGUAGE="en").content.decode()
    detail = client.get(f"/api/v1/runs/{run.pk}/", **GERMAN).json()
    assert detail["error"].startswith("Das Training brach ab")
    assert detail["phase"] == "Fehlgeschlagen"
    assert detail["state"] == "failed"


def test_the_gate_s_reason_has_german_words_and_german_numbers(client):
    User.objects.create_superuser("root", password="root")
    client.login(username="root", password="root")
    version = planted_runs.version("v1")
    assert version.gate_reason.startswith("Passed: NDCG@10 .108 beside .043 for popularity: +.065")
    reason = client.get(f"/api/v1/versions/{version.name}/", **GERMAN).json()["gate_reason"]
    assert reason.startswith(
        "Bestanden: NDCG@10 0,108 neben 0,043 (Vergleich: Beliebtheit): +0,065 (+0,051 bis +0,079), besser"
    )


def test_a_reason_that_a_person_wrote_stays_as_written(client):
    version = planted_runs.version("v1")
    version.passed_gate = True
    with pytest.raises(TrainingError, match="cannot serve"):  # it has no bundle; the error is English in the log
        promote(version=version, reason="Weil es besser ist")
    from recommender.models import Promotion

    promotion = Promotion.objects.create(version=version, reason="Weil es besser ist")
    with override("fr"):
        assert promotion.shown_reason == "Weil es besser ist"


def test_commands_speak_english_whatever_the_site_speaks(settings, capsys):
    settings.LANGUAGE_CODE = "de"
    planted_runs.version("v1")
    with override("de"):
        call_command("versions")
        call_command("runs")
    shown = capsys.readouterr().out
    assert ".108" in shown
    assert "Passed" in shown or "passed" in shown


def test_emails_to_staff_are_in_the_language_of_the_site(settings, django_capture_on_commit_callbacks):
    settings.LANGUAGE_CODE, settings.RECOMMENDER_NOTIFY = "de", ["root@example.com"]
    with override("fr"), django_capture_on_commit_callbacks(execute=True):
        run = runs.start_run(parameters={})
        runs.fail_run(run=run, error=Words("The run was cancelled."))
    assert f"Trainingslauf {run.pk} ist fehlgeschlagen" in mail.outbox[0].subject
    assert "Der Lauf wurde abgebrochen." in mail.outbox[0].body


def test_a_cached_fragment_of_lists_differs_by_language(rf, trained):
    from django.template import Context, Template

    template = Template("{% load recommendations %}{% list_for as whose %}{{ whose }}")
    request = rf.get("/")
    from django.contrib.sessions.backends.db import SessionStore

    request.session, request.user = SessionStore(), User()
    keys = set()
    for language in ("en", "de", "fr"):
        with override(language):
            keys.add(template.render(Context({"request": request})))
    assert len(keys) == 3
