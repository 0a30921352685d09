"""The endpoints of customers and purchases, as another program calls them."""

import json

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from catalog.models import Product
from customers.models import Customer, Purchase
from tests.problems import fields, problem
from tests.shop import caller

pytestmark = pytest.mark.django_db
CUSTOMERS, PURCHASES = "/api/v1/customers/", "/api/v1/purchases/"


@pytest.fixture
def ada():
    return Customer.objects.create(key="ada", country="UK")


@pytest.fixture
def lamp():
    return Product.objects.create(key="lamp", name="Lamp")


@pytest.mark.parametrize("address", [CUSTOMERS, PURCHASES])
def test_strangers_and_plain_users_read_nothing(address):
    assert APIClient().get(address).status_code == 401
    assert caller().get(address).status_code == 403
    assert caller("view_product").get(address).status_code == 403


def test_a_person_sees_not_even_themselves_without_the_permission(ada):
    ada.user = User.objects.create_user("ada")
    ada.save()
    client = APIClient()
    client.force_authenticate(ada.user)
    assert client.get(f"{CUSTOMERS}ada/").status_code == 403


def test_customers_are_read_filtered_and_paged(ada):
    Customer.objects.create(key="b/ob", country="Norway")
    client = caller("view_customer")
    assert [row["key"] for row in client.get(CUSTOMERS, {"country": "Norway"}).json()["results"]] == ["b/ob"]
    assert client.get(f"{CUSTOMERS}b/ob/").json()["country"] == "Norway"
    assert len(client.get(CUSTOMERS, {"limit": 1}).json()["results"]) == 1
    assert client.get(f"{CUSTOMERS}nobody/").status_code == 404


def test_a_customer_is_made_changed_and_deleted(ada):
    client = caller("add_customer", "change_customer", "delete_customer")
    made = client.post(CUSTOMERS, {"key": "eve", "age": 30, "personalisation": False})
    assert made.status_code == 201
    assert client.patch(f"{CUSTOMERS}eve/", {"age": 31}).json()["age"] == 31
    assert fields(client.patch(f"{CUSTOMERS}eve/", {"key": "adam"})) == ["key"]
    assert client.delete(f"{CUSTOMERS}eve/").status_code == 204
    assert list(Customer.objects.all()) == [ada]


def test_a_customer_without_a_key_is_given_one():
    assert caller("add_customer").post(CUSTOMERS, {"age": 30}).json()["key"].startswith("c-")


def test_mistakes_are_named_by_their_field(ada):
    client = caller("add_customer", "add_purchase")
    assert set(fields(client.post(CUSTOMERS, {"age": 200, "gender": ["x"]}))) == {"age", "gender"}
    assert fields(client.post(CUSTOMERS, {"key": "ada"})) == ["key"]
    assert fields(client.post(CUSTOMERS, {"key": "eve", "user": 1})) == ["user"]
    wrong = {"customer": "nobody", "product": 7, "quantity": 0, "rating": 5.5, "time": "yesterday", "amount": -1}
    assert set(fields(client.post(PURCHASES, wrong))) == set(wrong)
    assert "quantity" in fields(client.post(PURCHASES, {"quantity": 10**30}))


def test_purchases_are_read_and_filtered(ada, lamp):
    Purchase.objects.create(customer=ada, product=lamp, time="2024-01-01T00:00Z", rating=4)
    Purchase.objects.create(customer=ada, product=lamp, time="2025-01-01T00:00Z")
    client = caller("view_purchase")

    def found(**query):
        return len(client.get(PURCHASES, query).json()["results"])

    assert found() == found(customer="ada") == found(product="lamp") == 2
    assert found(customer="bob") == 0
    assert found(after="2024-06-01T00:00Z") == found(before="2024-06-01T00:00Z") == found(rated="true") == 1
    row = client.get(PURCHASES).json()["results"][0]
    assert (row["customer"], row["product"], row["rating"]) == ("ada", "lamp", None)
    assert client.get(PURCHASES, {"after": "yesterday"}).status_code == 400


def test_reading_purchases_costs_the_same_for_few_and_many(ada, lamp, django_assert_max_num_queries):
    Purchase.objects.bulk_create(Purchase(customer=ada, product=lamp) for _ in range(40))
    client = caller("view_purchase")
    with django_assert_max_num_queries(4):
        assert len(client.get(PURCHASES).json()["results"]) == 40


def test_a_purchase_is_recorded_once_for_an_external_id(ada, lamp):
    client = caller("add_purchase")
    row = {"customer": "ada", "product": "lamp", "external_id": "T1", "amount": "9.50"}
    first, again = client.post(PURCHASES, row), client.post(PURCHASES, row)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert Purchase.objects.count() == 1


def test_a_list_of_purchases_sent_twice_is_stored_once_and_answered_row_by_row(ada, lamp):
    rows = [{"customer": "ada", "product": "lamp", "external_id": f"T{n}"} for n in range(3)]
    rows[1]["customer"] = "nobody"
    client = caller("add_purchase")
    first, again = client.post(PURCHASES, rows).json(), client.post(PURCHASES, rows).json()
    assert [row["status"] for row in first["results"]] == ["created", "refused", "created"]
    assert [row["status"] for row in again["results"]] == ["repeated", "refused", "repeated"]
    assert [error["field"] for error in first["results"][1]["errors"]] == ["customer"]
    assert first["results"][0]["id"] == again["results"][0]["id"]
    assert Purchase.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", "12.00"),
        ("amount", None),
        ("order_status", "Returned"),
        ("customer", "bob"),
        ("product", "desk"),
        ("quantity", 3),
        ("rating", "4.0"),
        ("time", "2026-01-02T10:00:00Z"),
        ("personalisation", False),
    ],
)
def test_a_purchase_that_is_sent_again_with_other_content_is_told_so_and_stored_as_it_was(ada, lamp, field, value):
    Customer.objects.create(key="bob")
    Product.objects.create(key="desk", name="Desk")
    row = {"customer": "ada", "product": "lamp", "external_id": "T1", "amount": "9.50", "time": "2026-01-01T10:00:00Z"}
    client = caller("add_purchase")
    assert client.post(PURCHASES, row).status_code == 201
    before = Purchase.objects.values().get()
    body = problem(client.post(PURCHASES, row | {field: value}), 409)
    assert [error["field"] for error in body["errors"]] == [field]
    results = client.post(PURCHASES, [row, row | {field: value}]).json()["results"]
    assert [result["status"] for result in results] == ["repeated", "refused"]
    assert [(error["field"], error["code"]) for error in results[1]["errors"]] == [(field, "conflict")]
    assert Purchase.objects.values().get() == before


def test_what_differs_is_named_with_both_values(ada, lamp):
    client, row = caller("add_purchase"), {"customer": "ada", "product": "lamp", "external_id": "T1", "amount": "9.50"}
    client.post(PURCHASES, row)
    body = problem(client.post(PURCHASES, row | {"amount": "12.00"}), 409)
    assert "stored with 9.50" in body["detail"]
    assert "sent again with 12.00" in body["detail"]


@pytest.mark.parametrize("key", ["a\x00b", "\ud800", ["ada"], {"key": "ada"}, None, 7, ""])
def test_no_key_however_odd_is_a_server_error(ada, lamp, key):
    client = caller("add_purchase")
    row = json.dumps({"customer": key, "product": "lamp"})
    assert fields(client.post(PURCHASES, row, content_type="application/json")) == ["customer"]
    body = client.post(PURCHASES, f"[{row}]", content_type="application/json").json()
    assert [error["field"] for error in body["results"][0]["errors"]] == ["customer"]


def test_an_odd_name_of_an_unknown_field_is_no_server_error():
    response = caller("add_customer").post(CUSTOMERS, '{"\\ud800": 1}', content_type="application/json")
    assert response.status_code == 400
    assert "Unknown field" in response.content.decode()


def test_a_purchase_is_rated_and_deleted_by_those_who_may(ada, lamp):
    purchase = Purchase.objects.create(customer=ada, product=lamp)
    address = f"{PURCHASES}{purchase.pk}/"
    assert caller("view_purchase").patch(address, {"rating": 4}).status_code == 403
    assert caller("change_purchase").patch(address, {"rating": "4.5"}).json()["rating"] == "4.5"
    assert caller("delete_purchase").delete(address).status_code == 204
    assert caller("view_purchase").get(f"{PURCHASES}{10**30}/").status_code == 404
