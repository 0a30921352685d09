"""Pages by cursor: every row once, in order, whatever is alike, missing or comes meanwhile."""

from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Product
from customers.models import Customer, Purchase
from tests.problems import fields

pytestmark = pytest.mark.django_db
PRODUCTS, PURCHASES = "/api/v1/products/", "/api/v1/purchases/"


@pytest.fixture
def client():
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("root"))
    return client


def pages(client, address: str, **query) -> list[list]:
    found = []
    while address:
        assert len(found) < 100
        body = client.get(address, query).json()
        assert set(body) == {"next", "results"}
        found.append(body["results"])
        split = urlsplit(body["next"] or "")
        address, query = (f"{split.path}?{split.query}", {}) if body["next"] else ("", {})
    return found


@pytest.mark.parametrize("ordering", ["name", "-name", "price", "-price", "created", "-created"])
@pytest.mark.parametrize("limit", [1, 3, 7, 50])
def test_every_row_is_on_one_page_in_order_though_many_are_alike_or_have_no_value(client, ordering, limit):
    for n in range(15):
        Product.objects.create(key=f"P{n:02}", name=f"Lamp {n % 3}", price=[None, 5, 7][n % 3])
    found = [row for page in pages(client, PRODUCTS, ordering=ordering, limit=limit) for row in page]
    assert sorted(row["key"] for row in found) == [f"P{n:02}" for n in range(15)]
    values = [row[ordering.lstrip("-")] for row in found]
    known = [value for value in values if value is not None]
    assert values == sorted(known, reverse=ordering.startswith("-")) + [None] * values.count(None)


@pytest.mark.parametrize("ordering", ["rating", "-rating"])
def test_pages_by_what_is_computed_hold_every_row_once(client, ordering):
    ada = Customer.objects.create(key="ada")
    for n in range(12):
        product = Product.objects.create(key=f"P{n:02}", name="Lamp")
        for rating in range(n % 5):
            Purchase.objects.create(customer=ada, product=product, rating=(rating * 7 + n) % 6)
    whole = [row["key"] for row in client.get(PRODUCTS, {"ordering": ordering}).json()["results"]]
    assert len(set(whole)) == 12
    assert [row["key"] for page in pages(client, PRODUCTS, ordering=ordering, limit=1) for row in page] == whole


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL compiles queries")
def test_the_database_does_not_compile_a_page_by_rating_before_it_reads_it(client):
    products = Product.objects.bulk_create(Product(key=f"P{n:04}", name="Lamp") for n in range(2000))
    ada = Customer.objects.create(key="ada")
    Purchase.objects.bulk_create(Purchase(customer=ada, product=product, rating=4) for product in products)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    first = client.get(PRODUCTS, {"ordering": "rating", "limit": 1}).json()
    with CaptureQueriesContext(connection) as queries:
        client.get(first["next"])
    (by_rating,) = (query["sql"] for query in queries if "catalog_product" in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {by_rating}")
        ((plan,),) = cursor.fetchone()
    assert plan["Plan"]["Total Cost"] > 100_000, "PostgreSQL would compile it"
    assert "JIT" not in plan


def test_purchases_of_one_moment_come_once_each_the_newest_first(client):
    ada, lamp, now = Customer.objects.create(key="ada"), Product.objects.create(key="lamp", name="L"), timezone.now()
    made = [Purchase.objects.create(customer=ada, product=lamp, time=now).pk for _ in range(9)]
    found = [row["id"] for page in pages(client, PURCHASES, limit=4) for row in page]
    assert found == made[::-1]


def test_what_comes_and_goes_meanwhile_moves_no_other_row(client):
    for n in range(6):
        Product.objects.create(key=f"P{n}", name=f"Lamp {n}")
    first = client.get(PRODUCTS, {"limit": 3}).json()
    Product.objects.create(key="P", name="A lamp before all others")
    Product.objects.filter(key="P2").delete()
    second = client.get(first["next"]).json()
    assert [row["key"] for row in second["results"]] == ["P3", "P4", "P5"]
    assert second["next"] is None


def test_the_filters_hold_on_every_page(client):
    for n in range(8):
        Product.objects.create(key=f"P{n}", name=f"Lamp {n}", category=["Home", "Garden"][n % 2])
    found = pages(client, PRODUCTS, limit=3, category="Home")
    assert [[row["key"] for row in page] for page in found] == [["P0", "P2", "P4"], ["P6"]]


@pytest.mark.parametrize("limit", ["0", "-1", "501", "many", "", "1e2", "²", "9" * 40])
def test_a_limit_that_is_none_is_told(client, limit):
    assert fields(client.get(PRODUCTS, {"limit": limit})) == ["limit"]


@pytest.mark.parametrize("cursor", ["", "x", "a:b:c", "\x00"])
def test_a_cursor_that_nobody_gave_is_told(client, cursor):
    assert fields(client.get(PRODUCTS, {"cursor": cursor})) == ["cursor"]


def test_a_cursor_is_of_one_order(client):
    for n in range(3):
        Product.objects.create(key=f"P{n}", name="Lamp")
    following = client.get(PRODUCTS, {"limit": 1}).json()["next"]
    assert "another order" in client.get(f"{following}&ordering=-price").json()["detail"]


def test_the_hundredth_page_costs_as_many_queries_as_the_first(client, django_assert_num_queries):
    Product.objects.bulk_create(Product(key=f"P{n:03}", name="x") for n in range(100))
    with django_assert_num_queries(1):
        following = client.get(PRODUCTS, {"limit": 98}).json()["next"]
    with django_assert_num_queries(1):
        assert len(client.get(following).json()["results"]) == 2
