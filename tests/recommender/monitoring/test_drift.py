"""The daily look at drift, on the planted shop and a model that learned it: quiet while nothing changes, plain when it
does."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.utils import timezone
from knox.models import AuthToken

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.errors import TrainingError
from recommender.models import DriftFinding, Event, ServedList, TrainingRun
from recommender.monitoring import drift
from tests.shop import START

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=8)
Level = DriftFinding.Level


def look(now=NOW):
    return {(f.subject, f.field, f.measure): f for f in drift.watch_drift(now=now)}


def test_nothing_is_high_while_the_shop_is_what_the_model_learned(trained):
    found = look()
    assert {f.level for f in found.values()} == {Level.FINE}
    assert {field for subject, field, _ in found if subject == "profiles"} >= {"country", "age", "amount", "feedback"}
    assert {field for subject, field, _ in found if subject == "purchases"} == {
        *("name", "category", "brand", "type", "item"),
    }
    assert DriftFinding.objects.count() == len(found)
    assert {f.version for f in DriftFinding.objects.all()} == {trained}


def test_values_that_the_model_does_not_know_are_told_in_plain_words(trained):
    Customer.objects.update(country="Atlantis")
    found = look()
    unknown = found["profiles", "country", "unknown"]
    assert (unknown.value, unknown.before, unknown.level) == (1.0, 0.0, Level.HIGH)
    assert unknown.words == "100.0% of values of country are unknown to the model, 0.0% in training. " + (
        "Train again, and they are known."
    )
    moved = found["profiles", "country", "psi"]
    assert moved.level == Level.HIGH
    assert moved.words.startswith(
        "country is far from what the model learned from: an unknown value was 0% then and is 100%"
    )
    assert found["profiles", "gender", "psi"].level == Level.FINE


def test_purchases_that_move_to_one_category_and_to_new_items_are_seen(trained):
    for day in range(4, 8):  # another product each day: a person counts once for each
        new = Product.objects.create(key=f"NEW{day}", name=f"Garden gnome {day}", category="Garden", price=5)
        Purchase.objects.filter(time__gt=START + timedelta(days=day)).update(product=new)
    found = look()
    assert found["purchases", "category", "psi"].level == Level.HIGH
    assert "'Garden' was 25% then" in found["purchases", "category", "psi"].words
    assert found["purchases", "item", "unknown"].level == Level.HIGH
    assert "of items that came after training" in found["purchases", "item", "unknown"].words


def test_of_too_little_nothing_is_said(trained):
    assert look(NOW + timedelta(days=60)) == {}


@pytest.mark.parametrize(
    ("clicked_before", "clicked_lately", "level"), [(0.3, 0.3, "fine"), (0.3, 0.1, "high"), (0.1, 0.3, "fine")]
)
def test_a_click_rate_is_compared_with_its_past(trained, clicked_before, clicked_lately, level):
    for ago, share in ((20, clicked_before), (2, clicked_lately)):
        for number in range(300):
            shown = ServedList.objects.create(customer="C1", source="two_tower")
            ServedList.objects.filter(pk=shown.pk).update(created=NOW - timedelta(days=ago))
            if number < 300 * share:
                Event.objects.create(kind=Event.Kind.CLICK, item="P1", recommendation=shown, time=NOW)
    found = look()["lists", "", "clicks"]
    assert (found.value, found.before, found.level) == (clicked_lately, clicked_before, level)
    assert look()["lists", "", "fallback"].level == Level.FINE


def test_lists_that_the_model_no_longer_makes_are_seen(trained):
    for ago, source in ((20, "two_tower"), (2, "popular")):
        shown = [ServedList(customer="C1", source=source) for _ in range(100)]
        ServedList.objects.bulk_create(shown)
        ServedList.objects.filter(pk__in=[s.pk for s in shown]).update(created=NOW - timedelta(days=ago))
    found = look()["lists", "", "fallback"]
    assert (found.value, found.before, found.level) == (1.0, 0.0, Level.HIGH)


def test_without_a_model_there_is_nothing_to_compare_with(stocked):
    with pytest.raises(TrainingError, match="No model serves"):
        drift.watch_drift()
    with pytest.raises(CommandError, match="No model serves"):
        call_command("watch_drift")


def test_the_command_tells_every_finding_as_json(trained, capsys):
    Purchase.objects.update(time=timezone.now())
    call_command("watch_drift", "--json")
    told = json.loads(capsys.readouterr().out)
    assert {row["subject"] for row in told} == {"profiles", "purchases"}
    assert all(row["words"] for row in told)


# --- who sees it ------------------------------------------------------------------------------------------------------


@pytest.fixture
def high(trained):
    return DriftFinding.objects.create(
        time=timezone.now(),
        version=trained,
        subject="profiles",
        field="country",
        measure="psi",
        value=0.41,
        counted=300,
        level="high",
        words="country is far from what the model learned from.",
    )


def test_the_admin_shows_it_to_whoever_may_view_it_and_nobody_changes_it(client, high):
    user = User.objects.create_user("grace", is_staff=True)
    client.force_login(user)
    page = "/admin/recommender/driftfinding/"
    assert client.get(page).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_driftfinding"))
    shown = client.get(page).content.decode()
    assert "country is far from what the model learned from." in shown
    assert "0.410" in shown
    assert client.post(f"{page}{high.pk}/change/", {"level": "fine"}).status_code == 403


def test_prometheus_reads_drift_versions_and_runs_with_a_token_of_staff(client, high):
    TrainingRun.objects.create(state=TrainingRun.State.TRAINING, progress=0.5)
    user = User.objects.create_user("prometheus", is_staff=True)
    _, token = AuthToken.objects.create(user)
    accepts = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    answer = client.get("/metrics", headers={"authorization": f"Token {token}", "accept": accepts})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    lines = answer.content.decode().splitlines()
    assert 'recommender_drift{field="country",measure="psi",subject="profiles"} 0.41' in lines
    assert 'recommender_drift_level{field="country",measure="psi",subject="profiles"} 2.0' in lines
    assert 'recommender_training_runs{state="training"} 1.0' in lines
    assert "recommender_progress_ratio 0.5" in lines
    assert any(line.startswith('recommender_live_version_age_seconds{version="v1"} ') for line in lines)


def test_metrics_are_closed_to_customers_and_strangers(client, high):
    assert client.get("/metrics").status_code == 401
    client.force_login(User.objects.create_user("ada"))
    assert client.get("/metrics").status_code == 403
