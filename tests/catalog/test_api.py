"""The catalog's endpoints, as another program calls them."""

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from catalog.models import Product
from customers.models import Customer, Purchase
from tests.problems import fields, problem
from tests.shop import caller

pytestmark = pytest.mark.django_db
PRODUCTS = "/api/v1/products/"


def test_anyone_reads_what_is_for_sale():
    Product.objects.create(key="P1", name="Lamp", category="Home", price=5)
    Product.objects.create(key="P2", name="Gone", active=False)
    body = APIClient().get(PRODUCTS).json()
    assert [row["key"] for row in body["results"]] == ["P1"]
    assert body["results"][0]["price"] == "5.00"
    assert APIClient().get(f"{PRODUCTS}P2/").status_code == 404


def test_those_who_may_view_products_see_withdrawn_ones_too():
    Product.objects.create(key="P2", name="Gone", active=False)
    assert caller("view_product").get(f"{PRODUCTS}P2/").json()["active"] is False


@pytest.mark.parametrize("key", ["a/b", "two words", "50%", "ключ"])
def test_a_key_may_hold_any_characters(key):
    Product.objects.create(key=key, name="Lamp")
    address = reverse("api-product-detail", args=[key])
    assert APIClient().get(address).json()["key"] == key


@pytest.mark.parametrize(
    ("sent", "key"),
    [(12345, "12345"), (12345.0, "12345"), (1e22, "1" + 22 * "0"), (0.5, "0.5"), ("12345.0", "12345.0")],
)
def test_a_key_that_is_sent_as_a_number_has_one_text(sent, key):
    client = caller("add_product")
    assert client.post(PRODUCTS, {"key": sent, "name": sent, "category": sent}, format="json").status_code == 201
    product = Product.objects.get()
    assert (product.key, product.name, product.category) == (key, key, key)


def test_filters_words_and_order():
    Product.objects.create(key="1", name="Lamp", category="Home", price=9)
    Product.objects.create(key="2", name="Shoe", category="Running", price=50)
    Product.objects.create(key="3", name="Sock", category="Running", price=5)

    def keys(**query):
        return [row["key"] for row in APIClient().get(PRODUCTS, query).json()["results"]]

    assert keys(category="Running", ordering="price") == ["3", "2"]
    assert keys(q="lamp") == ["1"]
    assert keys(min_price=6, max_price=10) == ["1"]
    assert len(keys(limit=2)) == 2


def test_a_wrong_filter_is_named():
    response = APIClient().get(PRODUCTS, {"min_price": "cheap"})
    assert fields(response) == ["min_price"]


def test_a_page_has_a_ceiling():
    Product.objects.bulk_create(Product(key=str(n), name="x") for n in range(510))
    assert len(APIClient().get(PRODUCTS, {"limit": 500}).json()["results"]) == 500
    assert fields(APIClient().get(PRODUCTS, {"limit": 10**30})) == ["limit"]


def test_writing_takes_permission():
    row = {"key": "P1", "name": "Lamp"}
    assert APIClient().post(PRODUCTS, row).status_code == 401
    assert caller().post(PRODUCTS, row).status_code == 403
    assert caller("add_product").post(PRODUCTS, row).status_code == 201
    assert caller("add_product").delete(f"{PRODUCTS}P1/").status_code == 403
    assert Product.objects.get().name == "Lamp"


def test_every_mistake_is_named_by_its_field():
    response = caller("add_product").post(PRODUCTS, {"key": "", "price": -1, "active": "perhaps", "colour": "red"})
    assert fields(response) == ["colour"]
    response = caller("add_product").post(PRODUCTS, {"key": "", "price": -1, "active": "perhaps"})
    assert set(fields(response)) == {"key", "name", "price", "active"}


@pytest.mark.parametrize("body", ["text", 7, None, True])
def test_a_body_that_is_no_object_is_refused(body):
    assert caller("add_product").post(PRODUCTS, body, format="json").status_code == 400


def test_a_key_is_taken_once_and_never_changes():
    Product.objects.create(key="P1", name="Lamp")
    client = caller("add_product", "change_product")
    assert fields(client.post(PRODUCTS, {"key": "P1", "name": "Other"})) == ["key"]
    assert fields(client.patch(f"{PRODUCTS}P1/", {"key": "P9"})) == ["key"]
    assert client.patch(f"{PRODUCTS}P1/", {"price": "7.50"}).json()["price"] == "7.50"
    assert client.put(f"{PRODUCTS}P1/", {"key": "P1", "name": "New lamp"}).json()["name"] == "New lamp"


def test_a_list_is_answered_row_by_row_and_keeps_the_good_rows():
    Product.objects.create(key="P0", name="Was here")
    rows = [
        {"key": "P1", "name": "Lamp"},
        {"key": "P2"},
        "not a row",
        {"key": "P0", "name": "x"},
        {"key": "P3", "name": "Pan"},
    ]
    response = caller("add_product").post(PRODUCTS, rows)
    assert response.status_code == 200
    body = response.json()
    assert (body["created"], body["repeated"], body["refused"]) == (2, 0, 3)
    assert [row["status"] for row in body["results"]] == ["created", "refused", "refused", "refused", "created"]
    assert body["results"][0]["id"] == "P1"
    assert [error["field"] for error in body["results"][1]["errors"]] == ["name"]
    assert [error["field"] for error in body["results"][3]["errors"]] == ["key"]
    assert set(Product.objects.values_list("key", flat=True)) == {"P0", "P1", "P3"}


def test_a_key_twice_in_one_list_is_refused_the_second_time():
    body = caller("add_product").post(PRODUCTS, [{"key": "P", "name": "One"}, {"key": "P", "name": "Two"}]).json()
    assert [row["status"] for row in body["results"]] == ["created", "refused"]
    assert Product.objects.get().name == "One"


def test_a_list_too_long_is_refused_whole():
    response = caller("add_product").post(PRODUCTS, [{"key": str(n), "name": "x"} for n in range(1001)])
    assert fields(response) == [None]
    assert "1001 rows" in response.json()["detail"]
    assert not Product.objects.exists()


def test_a_product_that_was_bought_is_not_deleted():
    product = Product.objects.create(key="P", name="Lamp")
    client = caller("delete_product")
    Purchase.objects.create(customer=Customer.objects.create(key="C"), product=product)
    response = client.delete(f"{PRODUCTS}P/")
    assert "active" in problem(response, 409)["detail"]
    Purchase.objects.all().delete()
    assert client.delete(f"{PRODUCTS}P/").status_code == 204
