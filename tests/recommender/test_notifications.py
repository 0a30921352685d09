"""Who is told of failures, refusals and promotions: after the commit, and never at the cost of what happened."""

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import transaction
from django.utils.translation import trans_real

from recommender import notifications
from recommender.models import Promotion, TrainingRun
from recommender.registry import promotion as versions
from recommender.training import runs
from tests.recommender import planted_runs

State = TrainingRun.State


@pytest.fixture
def heard():
    """What the receivers of the three signals are told."""
    told = []
    signals = {
        "failed": notifications.run_failed,
        "refused": notifications.version_refused,
        "promoted": notifications.version_promoted,
    }
    receivers = {
        name: lambda sender, signal, contract, name=name, **what: told.append((name, *what.values()))
        for name in signals
    }
    for name, signal in signals.items():
        signal.connect(receivers[name])
    yield told
    for name, signal in signals.items():
        signal.disconnect(receivers[name])


@pytest.fixture
def bundled(settings, tmp_path, bundle):
    settings.BUNDLE_ROOT = tmp_path

    def make(name, **quality):
        (tmp_path / name).symlink_to(bundle)
        return planted_runs.version(name, **quality)

    return make


def failing() -> TrainingRun:
    run = runs.start_run(parameters={})
    runs.fail_run(run=run, error="The disk is full.")
    return run


@pytest.mark.django_db(transaction=True)
def test_nobody_is_written_to_by_default(heard):
    run = failing()
    assert heard == [("failed", run)]
    assert mail.outbox == []


@pytest.mark.django_db(transaction=True)
def test_a_failure_is_told_once_with_its_reason(settings, heard):
    settings.RECOMMENDER_NOTIFY = ["ops@shop.example", "grace@shop.example"]
    run = failing()
    runs.fail_run(run=run, error="Again.")
    [sent] = mail.outbox
    assert sent.to == ["ops@shop.example", "grace@shop.example"]
    assert sent.subject == f"[Two Towers] Training run {run.pk} failed"
    assert sent.body.startswith("The disk is full.")


@pytest.mark.django_db(transaction=True)
def test_promotions_and_roll_backs_are_told_with_who_and_why(settings, heard, bundled):
    settings.RECOMMENDER_NOTIFY = ["ops@shop.example"]
    one, two = bundled("one"), bundled("two")
    versions.promote(version=one)
    versions.promote(version=two, by=User.objects.create_user("eve"), reason="Fresh data")
    versions.roll_back()
    assert [name for name, _ in heard] == ["promoted"] * 3
    assert [sent.subject for sent in mail.outbox] == [
        f"[Two Towers] Version {name} is live" for name in ("one", "two", "one")
    ]
    assert "by eve" in mail.outbox[1].body
    assert "Fresh data" in mail.outbox[1].body


@pytest.mark.django_db(transaction=True)
def test_only_the_occasions_chosen_are_written_of(settings, bundled):
    settings.RECOMMENDER_NOTIFY = ["ops@shop.example"]
    settings.RECOMMENDER_NOTIFY_OF = ["failure"]
    versions.promote(version=bundled("one"))
    assert mail.outbox == []
    failing()
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_told_to_nobody(settings, heard):
    settings.RECOMMENDER_NOTIFY = ["ops@shop.example"]
    with transaction.atomic():
        failing()
        transaction.set_rollback(True)
    assert (heard, mail.outbox) == ([], [])


@pytest.mark.django_db(transaction=True)
def test_a_mail_server_or_a_receiver_that_fails_changes_nothing(settings, heard, bundled):
    settings.RECOMMENDER_NOTIFY = ["ops@shop.example"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    def broken(**what):
        raise RuntimeError("no")

    notifications.version_promoted.connect(broken)
    try:
        version = bundled("one")
        versions.promote(version=version)
    finally:
        notifications.version_promoted.disconnect(broken)
    assert versions.live_version() == version
    assert len(heard) == 1


@pytest.mark.django_db
def test_a_refusal_is_told(settings, heard, django_capture_on_commit_callbacks):
    settings.RECOMMENDER_NOTIFY = ["ops@shop.example"]
    version = planted_runs.version("bad", ours=0.01, margin=0.001)
    with django_capture_on_commit_callbacks(execute=True):
        notifications.notify_refusal(version)
    assert heard == [("refused", version)]
    assert mail.outbox[0].body.startswith("Refused: it is worse than popularity")


@pytest.mark.django_db(transaction=True)
def test_a_hosts_translation_with_wrong_places_lets_a_run_fail_and_is_written_in_english(settings, monkeypatch):
    settings.LANGUAGE_CODE, settings.RECOMMENDER_NOTIFY = "de", ["ops@shop.example"]
    german = trans_real.translation("de")._catalog
    monkeypatch.setitem(german, "Training run {run} failed", "Lauf {lauf} ist gescheitert")
    run = failing()
    run.refresh_from_db()
    assert run.state == State.FAILED
    assert [sent.subject for sent in mail.outbox] == [f"[Two Towers] Training run {run.pk} failed"]


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_cannot_be_written_lets_a_version_be_promoted(settings, monkeypatch, heard, bundled):
    settings.RECOMMENDER_NOTIFY = ["ops@shop.example"]

    def broken(promotion):
        raise RuntimeError("no")

    monkeypatch.setattr(Promotion, "shown_reason", property(broken))
    version = bundled("one")
    versions.promote(version=version)
    assert versions.live_version() == version
    assert [name for name, _ in heard] == ["promoted"]
