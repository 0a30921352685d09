"""Whoever is signed in is the customer at every door, whatever keys the users have, however customers hang on them."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.utils import timezone
from django.utils.html import escape
from rest_framework.test import APIClient

from recommender import feedback
from recommender.experiments.exposures import settle_exposures
from recommender.models import Arm, Dismissal, Event, Experiment, Exposure, ServedList
from recommender.source import customer_key_of
from recommender.source.checks import check_source
from tests.foreign import sources, world
from tests.foreign.models import Article, Card, Reader

SHAPES = [
    sources.UsersAsCustomers,
    sources.UsersUnnamed,
    sources.UsersByName,
    sources.OneToOne,
    sources.OneKey,
    sources.Proxies,
    sources.ForeignKey,
]


@pytest.fixture(params=SHAPES, ids=lambda shape: shape.__name__)
def shape(request, source, stocked):
    return source(request.param)


@pytest.fixture
def user(shape):
    return get_user_model().objects.get(username="p3")


@pytest.fixture
def key(shape, user) -> str:
    """The key that the customer behind the user has, said without the code under test."""
    return {
        "UsersAsCustomers": str(user.pk),
        "UsersUnnamed": str(user.pk),
        "UsersByName": "p3",
        "OneToOne": "R/3",
        "OneKey": str(user.pk),
        "Proxies": str(user.pk),
        "ForeignKey": str(Card.objects.get(user=user).pk),
    }[type(shape).__name__]


@pytest.fixture
def api(user) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def bought_by(user) -> set[str]:
    return {str(pk) for pk in Article.objects.filter(line__order__user=user).values_list("pk", flat=True)}


def article() -> str:
    return str(Article.objects.order_by("pk").first().pk)


def test_check_finds_nothing_wrong(shape):
    expected = {
        "OneToOne": {"recommender.W016"},  # a number may be long
        "ForeignKey": {"recommender.W017"},  # a user may have several
    }
    assert {message.id for message in check_source(None)} == expected.get(type(shape).__name__, set())


def test_the_user_is_the_customer(user, key):
    assert customer_key_of(user) == key


def test_a_page_with_every_tag_shows_lists_of_the_signed_in_persons_own(client, user, key):
    client.force_login(user)
    page = client.get(f"/articles/{article()}/")
    assert page.status_code == 200
    assert escape(json.dumps(["customer", key])[:-1]) in page.content.decode()
    assert ServedList.objects.filter(customer=key).count() >= 2
    assert set(ServedList.objects.filter(scenario="home").get().items).isdisjoint(bought_by(user))


def test_the_api_knows_who_is_signed_in(api, user, key):
    answer = api.post("/api/v1/recommendations/", {"count": 10}, format="json")
    assert answer.status_code == 200
    assert answer.json()["fallback_reason"] == "no_model"  # not anonymous, not unknown
    assert {item["item"] for item in answer.json()["items"]}.isdisjoint(bought_by(user))
    assert api.post("/api/v1/recommendations/", {"customer": key}, format="json").status_code == 200
    assert api.post("/api/v1/recommendations/", {"customer": f"{key}x"}, format="json").status_code == 403


@pytest.mark.parametrize("kind", ["buy-again", "because-you-bought", "recently-viewed"])
def test_every_kind_of_personal_list_answers(api, kind):
    assert api.get(f"/api/v1/recommendations/{kind}/").status_code == 200


def test_an_event_is_the_customers_own_and_counts_for_the_next_list(api, key):
    seen = article()
    sent = {"kind": "view", "item": seen, "event_id": "e1"}
    assert api.post("/api/v1/events/", sent, format="json").status_code == 201
    assert api.post("/api/v1/events/", sent, format="json").status_code == 200
    assert Event.objects.get().customer == key
    listed = api.get("/api/v1/recommendations/recently-viewed/").json()["items"]
    assert [item["item"] for item in listed] == [seen] or seen in bought_by(get_user_model().objects.get(username="p3"))


def test_a_dismissal_over_api_and_page_is_the_customers(api, client, user, key):
    first, second = (str(pk) for pk in Article.objects.order_by("-pk").values_list("pk", flat=True)[:2])
    assert api.post("/api/v1/dismissals/", {"item": first}, format="json").status_code == 201
    client.force_login(user)
    assert client.post(f"/recommendations/{second}/not-interested/", {"next": "/"}).status_code == 302
    assert set(Dismissal.objects.filter(customer=key).values_list("item", flat=True)) == {first, second}
    assert client.get("/recommendations/not-interested/").status_code == 200
    assert client.get(f"/recommendations/{first}/why/?source=popular").status_code == 200
    listed = api.post("/api/v1/recommendations/", {"count": 50}, format="json").json()["items"]
    assert {first, second}.isdisjoint(item["item"] for item in listed)
    assert api.delete(f"/api/v1/dismissals/{first}/").status_code == 204


def test_what_a_visitor_did_becomes_theirs_at_login(client, user, key):
    seen, unwanted = (str(pk) for pk in Article.objects.order_by("-pk").values_list("pk", flat=True)[:2])
    client.get(f"/articles/{seen}/")
    client.post(f"/recommendations/{unwanted}/not-interested/", {"next": "/"})
    assert Event.objects.get().customer == ""
    user.set_password("secret")
    user.save()
    assert client.login(username="p3", password="secret")
    assert Event.objects.get().customer == key
    assert Dismissal.objects.get().customer == key


def test_who_opted_out_gets_what_is_popular_and_leaves_no_trace(shape, api, user, key):
    if type(shape).__name__ not in ("OneToOne", "ForeignKey"):
        pytest.skip("these projects have no consent")
    Reader.objects.filter(user=user).update(agrees=False)
    Card.objects.filter(user=user).update(agrees=False)
    answer = api.post("/api/v1/recommendations/", {}, format="json").json()
    assert answer["fallback_reason"] == "opted_out"
    assert api.post("/api/v1/events/", {"kind": "view", "item": article()}, format="json").json()["recorded"] is False
    assert not ServedList.objects.exists()
    assert not Event.objects.exists()


def test_all_that_is_known_of_somebody_is_handed_out_and_erased(api, key):
    api.post("/api/v1/recommendations/", {}, format="json")
    api.post("/api/v1/events/", {"kind": "view", "item": article()}, format="json")
    api.post("/api/v1/dismissals/", {"item": article()}, format="json")
    held = {name: rows.count() for name, rows in feedback.personal_data_of(key).items()}
    assert held == {"events": 1, "lists": 1, "not_interested": 1, "experiments": 0}
    feedback.erase_personal_data(key)
    assert not any(rows.exists() for rows in feedback.personal_data_of(key).values())


def test_a_purchase_after_a_click_is_credited_to_the_list(api, user, key):
    answer = api.post("/api/v1/recommendations/", {}, format="json").json()
    bought = answer["items"][0]["item"]
    sent = {"kind": "click", "item": bought, "recommendation_id": answer["recommendation_id"]}
    assert api.post("/api/v1/events/", sent, format="json").status_code == 201
    world.buy(Article.objects.get(pk=bought), user=user, card=Card.objects.get(user=user))
    feedback.count_recent_lists()
    (result,) = feedback.list_results(ServedList.objects.get().created.date(), ServedList.objects.get().created.date())
    assert (result.clicked, result.orders) == (1, 1)


def test_what_somebody_in_an_experiment_bought_is_counted(user, key):
    now = timezone.now()
    started = now - timedelta(days=3)
    experiment = Experiment.objects.create(name="e", state=Experiment.State.RUNNING, days=1, started=started)
    arm = Arm.objects.create(experiment=experiment, name="A")
    Exposure.objects.create(arm=arm, customer=key, first=now - timedelta(days=2))
    placed = now - timedelta(days=2) + timedelta(hours=1)
    world.buy(Article.objects.first(), user=user, card=Card.objects.get(user=user), placed=placed)
    assert settle_exposures(experiment) == 1
    assert Exposure.objects.get().orders == 1


def test_a_program_may_ask_for_a_customer_by_key(shape, key):
    till = get_user_model().objects.create_user("till")
    till.user_permissions.add(Permission.objects.get(codename="recommend_for_anyone"))
    client = APIClient()
    client.force_login(till)
    answer = client.post("/api/v1/recommendations/", {"customer": key}, format="json").json()
    assert answer["fallback_reason"] == "no_model"
    unknown = client.post("/api/v1/recommendations/", {"customer": "nobody"}, format="json").json()
    assert unknown["fallback_reason"] == "unknown_customer"


def test_a_model_learns_and_each_person_gets_a_list_of_their_own(shape, api, client, user, key, train, capsys):
    train()
    answer = api.post("/api/v1/recommendations/", {"count": 5}, format="json").json()
    assert (answer["source"], answer["fallback_reason"]) == ("two_tower", None)
    assert len(answer["items"]) == 5
    assert {item["item"] for item in answer["items"]}.isdisjoint(bought_by(user))
    assert api.post("/api/v1/ratings/", {"item": article()}, format="json").status_code == 200
    client.force_login(user)
    assert client.get(f"/articles/{article()}/").status_code == 200
    assert client.get(f"/recommendations/{answer['items'][0]['item']}/why/").status_code == 200
    till = get_user_model().objects.create_user("till")
    till.user_permissions.add(Permission.objects.get(codename="recommend_for_anyone"))
    client.force_login(till)
    wanted = client.get(f"/api/v1/products/{article()}/customers/").json()["items"]
    assert 0 < len(wanted) < world.PEOPLE
    capsys.readouterr()
    call_command("recommend", customer=key, count=3, json=True)
    assert json.loads(capsys.readouterr().out)["source"] == "two_tower"
