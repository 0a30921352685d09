"""A call that comes again is answered again and not done again; calls that come at once are stored once."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.models import Event
from recsite.api import idempotency
from recsite.models import StoredAnswer
from tests.problems import fields, problem

PRODUCTS, CUSTOMERS, PURCHASES = "/api/v1/products/", "/api/v1/customers/", "/api/v1/purchases/"
EVENTS = "/api/v1/events/"
ROW = {"customer": "ada", "product": "lamp"}
K1 = {"Idempotency-Key": "k1"}


def caller(name: str = "till") -> APIClient:
    user, _ = User.objects.get_or_create(username=name, is_superuser=True)
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def little_shop(db):
    Customer.objects.create(key="ada")
    Product.objects.create(key="lamp", name="Lamp")


def test_the_same_call_again_is_answered_alike_and_stored_once(little_shop):
    till = caller()
    first, again = (till.post(PURCHASES, ROW, headers=K1) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again["Content-Type"] == first["Content-Type"] == "application/json"
    assert (first.get("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (None, "true")
    assert Purchase.objects.count() == 1


def test_without_a_key_or_with_another_one_it_is_another_call(little_shop):
    till = caller()
    for headers in ({}, {}, K1, {"Idempotency-Key": "k2"}):
        assert till.post(PURCHASES, ROW, headers=headers).status_code == 201
    assert Purchase.objects.count() == 4


def test_a_key_belongs_to_its_account(little_shop):
    for name in ("till", "crm"):
        assert "Idempotent-Replayed" not in caller(name).post(PURCHASES, ROW, headers=K1)
    assert Purchase.objects.count() == 2


def test_a_key_is_of_one_call_only(little_shop):
    till = caller()
    till.post(PURCHASES, ROW, headers=K1)
    other_body = till.post(PURCHASES, {**ROW, "quantity": 2}, headers=K1)
    assert problem(other_body, 422)["type"] == "urn:problem-type:recsite:idempotency-key-reused"
    problem(till.post(PRODUCTS, ROW, headers=K1), 422)
    problem(till.put(PURCHASES, ROW, headers=K1), 422)
    assert Purchase.objects.count() == 1


def test_a_call_that_is_being_answered_is_a_conflict_until_its_process_must_be_dead(little_shop):
    till = caller()
    till.post(PURCHASES, ROW, headers=K1)
    StoredAnswer.objects.update(status=None)
    response = till.post(PURCHASES, ROW, headers=K1)
    assert problem(response, 409)["type"] == "urn:problem-type:recsite:idempotency-key-in-flight"
    assert response["Retry-After"] == "1"
    StoredAnswer.objects.update(started=timezone.now() - idempotency.LEASE - timedelta(seconds=1))
    assert till.post(PURCHASES, ROW, headers=K1).status_code == 201
    assert Purchase.objects.count() == 2


def test_what_was_refused_may_be_sent_again_mended(little_shop):
    till = caller()
    assert fields(till.post(PURCHASES, {**ROW, "quantity": 0}, headers=K1)) == ["quantity"]
    assert till.post(PURCHASES, ROW, headers=K1).status_code == 201


def test_a_call_that_failed_has_done_nothing_and_may_be_sent_again(little_shop, monkeypatch):
    till = caller()
    till.raise_request_exception = False

    def broken(self):
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("customers.api.PurchaseSerializer.data", property(broken))  # after the purchase is stored
        problem(till.post(PURCHASES, ROW, headers=K1), 500)
    assert not Purchase.objects.exists()
    assert till.post(PURCHASES, ROW, headers=K1).status_code == 201


def test_a_key_that_was_taken_over_meanwhile_keeps_nothing_of_the_slow_call(little_shop, monkeypatch):
    till, told = caller(), {}

    def taken_over(claim, response):
        StoredAnswer.objects.filter(pk=claim.pk).update(started=timezone.now() + timedelta(seconds=1))
        told["stored"] = Purchase.objects.count()
        return keep(claim, response)

    keep = idempotency.keep
    monkeypatch.setattr(idempotency, "keep", taken_over)
    problem(till.post(PURCHASES, ROW, headers=K1), 409)
    assert told == {"stored": 1}
    assert not Purchase.objects.exists()


def test_changes_and_deletions_are_calls_too(little_shop):
    till = caller()
    assert [till.patch(f"{PRODUCTS}lamp/", {"price": "5"}, headers=K1).status_code for _ in range(2)] == [200, 200]
    gone = [till.delete(f"{PRODUCTS}lamp/", headers={"Idempotency-Key": "k2"}) for _ in range(2)]
    assert [response.status_code for response in gone] == [204, 204]
    assert not Product.objects.exists()


def test_a_question_needs_no_key_and_is_not_kept(stocked):
    till = caller()
    for _ in range(2):
        assert "Idempotent-Replayed" not in till.post("/api/v1/recommendations/", {}, headers=K1)
        assert "Idempotent-Replayed" not in till.get(PRODUCTS, headers=K1)
    assert not StoredAnswer.objects.exists()


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "a\tb"])
def test_a_key_that_is_none_is_told(little_shop, key):
    response = caller().post(PURCHASES, ROW, headers={"Idempotency-Key": key})
    assert fields(response) == ["Idempotency-Key"]
    assert not Purchase.objects.exists()


def test_strangers_are_turned_away_as_ever(little_shop):
    problem(APIClient().post(PURCHASES, ROW, headers=K1), 401)
    problem(APIClient().post(PURCHASES, ROW, headers={**K1, "Authorization": "Token nothing"}), 401)
    assert not StoredAnswer.objects.exists()


def test_answers_are_forgotten_after_a_day(little_shop, settings):
    till = caller()
    till.post(PURCHASES, ROW, headers=K1)
    old = timezone.now() - settings.IDEMPOTENCY_KEPT - timedelta(minutes=1)
    StoredAnswer.objects.update(started=old)
    assert "Idempotent-Replayed" not in till.post(PURCHASES, ROW, headers=K1)
    assert Purchase.objects.count() == 2
    StoredAnswer.objects.update(started=old)
    assert idempotency.forget_answers() == 1
    assert not StoredAnswer.objects.exists()


# --- at once, from connections of their own ---------------------------------------------------------------------------

at_once = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="needs parallel connections to PostgreSQL")


def three_times(*calls) -> list:
    """The answers to calls that start together, each from a thread with a connection of its own."""
    gate, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def ask(number: int, call) -> None:
        try:
            client = caller()
            gate.wait(10)
            answers[number] = call(client)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert None not in answers
    return answers


@pytest.fixture
def open_shop(django_db_setup, django_db_blocker):
    """A shop that other connections see, too: committed, and removed row by row, which is quicker than a flush."""
    with django_db_blocker.unblock():
        caller()
        Customer.objects.create(key="ada")
        Product.objects.create(key="lamp", name="Lamp")
        yield
        for model in (Event, Purchase, Customer, Product, Session, User):
            model.objects.all().delete()


@at_once
def test_an_event_told_three_times_at_once_is_stored_once(open_shop):
    for number in range(5):
        told = {"kind": "click", "item": "lamp", "customer": "ada", "event_id": f"e{number}"}
        answers = three_times(*[lambda client, told=told: client.post(EVENTS, told)] * 3)
        assert sorted(answer.status_code for answer in answers) == [200, 200, 201]
    assert Event.objects.count() == 5


@at_once
def test_a_purchase_sent_three_times_at_once_is_stored_once(open_shop):
    for number in range(5):
        row = {**ROW, "external_id": f"T{number}"}
        answers = three_times(*[lambda client, row=row: client.post(PURCHASES, row)] * 3)
        assert sorted(answer.status_code for answer in answers) == [200, 200, 201]
    assert Purchase.objects.count() == 5


@at_once
def test_lists_with_the_same_rows_in_any_order_sent_at_once_store_each_row_once(open_shop):
    for letter in "abc":
        rows = [{**ROW, "external_id": f"{letter}{n}"} for n in range(30)]
        orders = [rows, rows[::-1], rows[15:] + rows[:15]]
        answers = three_times(*[lambda client, order=order: client.post(PURCHASES, order) for order in orders])
        assert [answer.status_code for answer in answers] == [200] * 3
        bodies = [answer.json() for answer in answers]
        assert sum(body["created"] for body in bodies) == 30
        assert sum(body["repeated"] for body in bodies) == 60
        for order, body in zip(orders, bodies, strict=True):
            stored = Purchase.objects.in_bulk([int(result["id"]) for result in body["results"]])
            told = [stored[int(result["id"])].external_id for result in body["results"]]
            assert told == [row["external_id"] for row in order]
    assert Purchase.objects.count() == 90


@at_once
@pytest.mark.parametrize("address", [PRODUCTS, CUSTOMERS])
def test_a_product_or_customer_sent_three_times_at_once_is_made_once_and_the_others_are_told_why_not(
    open_shop, address
):
    row = {"key": "new", "name": "New"}
    answers = three_times(*[lambda client: client.post(address, row)] * 3)
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400]
    assert all(fields(answer) == ["key"] for answer in answers if answer.status_code == 400)
    listed = three_times(*[lambda client: client.post(address, [{**row, "key": "newer"}])] * 3)
    assert sorted(answer.json()["created"] for answer in listed) == [0, 0, 1]


@at_once
def test_rows_without_an_id_of_their_own_are_stored_once_under_an_idempotency_key(open_shop):
    rows = [ROW, {**ROW, "customer": "nobody"}]
    for number in range(3):
        key = {"Idempotency-Key": f"k{number}"}
        answers = three_times(*[lambda client, key=key: client.post(PURCHASES, rows, headers=key)] * 3)
        statuses = [answer.status_code for answer in answers]
        assert 200 in statuses
        assert set(statuses) <= {200, 409}
        again = caller().post(PURCHASES, rows, headers=key)
        assert again["Idempotent-Replayed"] == "true"
        assert again.json()["created"] == 1
    assert Purchase.objects.count() == 3
