"""Customers and purchases in the admin."""

from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from catalog.models import Product
from customers.models import Customer, Purchase
from customers.resources import CustomerResource, PurchaseResource

pytestmark = pytest.mark.django_db
CUSTOMERS, PURCHASES = "/admin/customers/customer/", "/admin/customers/purchase/"


@pytest.fixture
def shop():
    lamp = Product.objects.create(key="lamp", name="Lamp", category="Home")
    for n in range(60):
        customer = Customer.objects.create(key=f"c{n}", name=f"Person {n:02}", country="UK" if n % 2 else "Norway")
        Purchase.objects.create(customer=customer, product=lamp, external_id=f"T{n}", rating=n % 6)


def rows(response):
    return list(response.context["cl"].result_list)


@pytest.mark.parametrize("address", [CUSTOMERS, PURCHASES])
def test_a_list_asks_a_fixed_number_of_queries_and_never_counts_the_table(
    admin_client, shop, address, django_assert_max_num_queries
):
    with django_assert_max_num_queries(8) as queries:
        assert len(rows(admin_client.get(address))) == 50
    assert not [query for query in queries.captured_queries if "COUNT(" in query["sql"]]


def test_customers_are_searched_and_filtered(admin_client, shop):
    assert [customer.key for customer in rows(admin_client.get(CUSTOMERS, {"q": "Person 07"}))] == ["c7"]
    assert len(rows(admin_client.get(CUSTOMERS, {"country__icontains": "norway"}))) == 30


def test_purchases_are_searched_and_filtered(admin_client, shop):
    assert [purchase.external_id for purchase in rows(admin_client.get(PURCHASES, {"q": "T7"}))] == ["T7"]
    assert len(rows(admin_client.get(PURCHASES, {"rating_from": "5", "rating_to": "5"}))) == 10
    assert len(rows(admin_client.get(PURCHASES, {"product__category__icontains": "home"}))) == 50


def test_a_customers_page_leads_to_their_purchases(admin_client, shop):
    customer = Customer.objects.get(key="c7")
    page = admin_client.get(reverse("admin:customers_customer_change", args=[customer.pk])).content.decode()
    address = f"{PURCHASES}?customer__id__exact={customer.pk}"
    assert address in page
    assert [purchase.external_id for purchase in rows(admin_client.get(address))] == ["T7"]


def test_a_purchase_names_its_customer_by_search_not_by_a_list_of_everyone(admin_client, shop):
    page = admin_client.get(f"{PURCHASES}add/").content.decode()
    assert "Person 07" not in page
    query = {"term": "Person 07", "app_label": "customers", "model_name": "purchase", "field_name": "customer"}
    found = admin_client.get("/admin/autocomplete/", query).json()["results"]
    assert [row["text"] for row in found] == ["Person 07"]


def test_a_wrong_rating_is_refused_in_the_form(admin_client, shop):
    purchase = Purchase.objects.get(external_id="T1")
    address = reverse("admin:customers_purchase_change", args=[purchase.pk])
    response = admin_client.post(address, {"rating": "7"})
    assert "rating" in response.context["adminform"].form.errors


def test_purchases_are_imported_by_key_and_a_second_time_changes_nothing(admin_client, shop):
    text = "external_id,customer,product,time,quantity,rating\nN1,c1,lamp,2024-05-01 10:00:00,2,4.5\n"

    def send():
        upload = SimpleUploadedFile("purchases.csv", text.encode(), content_type="text/csv")
        looked = admin_client.post(f"{PURCHASES}import/", {"import_file": upload, "format": "0", "resource": "0"})
        admin_client.post(f"{PURCHASES}process_import/", looked.context["confirm_form"].initial)

    send()
    send()
    purchase = Purchase.objects.get(external_id="N1")
    assert (purchase.customer.key, purchase.quantity, float(purchase.rating)) == ("c1", 2, 4.5)


def looked_at(client, content, kind="0"):
    name = "purchases.csv" if kind == "0" else "purchases.json"
    upload = SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)
    return client.post(f"{PURCHASES}import/", {"import_file": upload, "format": kind, "resource": "0"})


def imported(client, content):
    looked = looked_at(client, content)
    assert looked.context["confirm_form"], looked.content.decode()
    client.post(f"{PURCHASES}process_import/", looked.context["confirm_form"].initial)
    return looked.context["result"].totals


@pytest.fixture
def without_ids():
    """Two customers who bought the same lamp, one of them twice at once; somebody who left; all without an id."""
    lamp, _ = Product.objects.get_or_create(key="lamp", defaults={"name": "Lamp"})
    ada, bob = Customer.objects.create(key="ada"), Customer.objects.create(key="bob")
    moment = datetime(2026, 5, 1, 10, 0, 0, 123456, tzinfo=UTC)
    rows = [(ada, "9.50"), (bob, "9.50"), (bob, "9.50"), (None, None)]
    for customer, amount in rows:
        Purchase.objects.create(customer=customer, product=lamp, time=moment, amount=amount, feedback="=Good")


@pytest.mark.parametrize("head", ["external_id,customer,product,time,amount", "customer,product,time,amount"])
def test_purchases_without_an_id_are_new_and_overwrite_nobodys(admin_client, without_ids, head):
    before = list(Purchase.objects.order_by("pk").values())
    comma = "," if head.startswith("external_id") else ""
    text = f"{head}\n{comma}ada,lamp,2026-06-01 10:00,1.00\n{comma}bob,lamp,2026-06-01 10:00,2.00\n"
    assert imported(admin_client, text)["new"] == 2
    assert list(Purchase.objects.order_by("pk").values())[:4] == before
    assert Purchase.objects.count() == 6
    assert imported(admin_client, text)["skip"] == 2, "the same file again changes nothing"
    assert Purchase.objects.count() == 6


@pytest.mark.parametrize("kind", ["0", "1"])
@pytest.mark.parametrize("left_out", [set(), {"external_id"}])
def test_an_export_of_purchases_that_is_imported_again_changes_nothing(admin_client, shop, without_ids, kind, left_out):
    fields = set(PurchaseResource.Meta.fields) - left_out
    chosen = {f"purchaseresource_{field}": "on" for field in fields}
    file = admin_client.post(f"{PURCHASES}export/", {"format": kind, "resource": "0", **chosen}).content
    before = list(Purchase.objects.order_by("pk").values())
    looked = looked_at(admin_client, file, kind)
    assert looked.context["result"].totals["skip"] == len(before)
    admin_client.post(f"{PURCHASES}process_import/", looked.context["confirm_form"].initial)
    assert list(Purchase.objects.order_by("pk").values()) == before


def test_one_more_purchase_of_the_same_is_one_more(admin_client, without_ids):
    row = "bob,lamp,2026-05-01T10:00:00.123456Z,9.50\n"
    assert imported(admin_client, "customer,product,time,amount\n" + 3 * row) == {
        **dict.fromkeys(["delete", "error", "invalid", "update"], 0),
        "new": 1,
        "skip": 2,
    }
    assert Purchase.objects.filter(customer__key="bob").count() == 3


def test_new_rows_of_one_file_that_are_alike_are_all_stored(admin_client, without_ids):
    row = "ada,lamp,2026-07-01 10:00\n"
    assert imported(admin_client, "customer,product,time\n" + 2 * row)["new"] == 2


def test_a_bad_value_in_a_row_without_an_id_is_shown(admin_client, without_ids):
    looked = looked_at(admin_client, "customer,product,time,quantity\nada,lamp,2026-99-01 10:00,1\nada,lamp,,x\n")
    assert "confirm_form" not in looked.context
    assert Purchase.objects.count() == 4


@pytest.mark.parametrize(
    ("field", "cell", "words"),
    [
        ("quantity", "1.5", "'1.5' is not a whole number."),
        ("quantity", "x", "'x' is not a number."),
        ("quantity", "inf", "'inf' is not a number."),
        ("amount", "12;5", "'12;5' is not a number."),
        ("customer", "eve", "There is no customer 'eve'."),
        ("product", "LAMP", "There is no product 'LAMP'."),
        ("personalisation", "vielleicht", "'vielleicht' is neither yes nor no: write 1 or 0."),
    ],
)
def test_a_cell_that_cannot_be_read_is_told_by_its_field_and_nothing_is_guessed(
    admin_client, without_ids, field, cell, words
):
    row = {"customer": "ada", "product": "lamp", "time": "2026-06-01 10:00", field: cell}
    looked = looked_at(admin_client, f"{','.join(row)}\n{','.join(row.values())}\n")
    assert looked.context["result"].invalid_rows[0].field_specific_errors[field] == [words]
    assert Purchase.objects.count() == 4


def test_an_id_with_outer_spaces_comes_back_to_its_purchase(admin_client, without_ids):
    Purchase.objects.filter(pk=Purchase.objects.earliest("pk").pk).update(external_id="\tA 1 ")
    chosen = {f"purchaseresource_{field}": "on" for field in PurchaseResource.Meta.fields}
    file = admin_client.post(f"{PURCHASES}export/", {"format": "0", "resource": "0", **chosen}).content
    assert imported(admin_client, file)["skip"] == 4
    assert imported(admin_client, "external_id,customer,product\n B7 ,ada,lamp\n")["new"] == 1
    assert Purchase.objects.latest("pk").external_id == "B7"


def test_an_export_of_customers_that_is_imported_again_changes_nothing(admin_client, shop):
    chosen = {f"customerresource_{field}": "on" for field in CustomerResource.Meta.fields}
    Customer.objects.create(key="-x", name="@SUM", age=30, segment="+1")
    file = admin_client.post(f"{CUSTOMERS}export/", {"format": "0", "resource": "0", **chosen}).content
    upload = SimpleUploadedFile("customers.csv", file)
    looked = admin_client.post(f"{CUSTOMERS}import/", {"import_file": upload, "format": "0", "resource": "0"})
    assert looked.context["result"].totals["skip"] == 61


@pytest.mark.parametrize("address", [CUSTOMERS, "/admin/catalog/product/"])
def test_a_row_without_a_key_is_nobodys(admin_client, shop, address):
    upload = SimpleUploadedFile("rows.csv", b"key,name\n,Mine\n")
    looked = admin_client.post(f"{address}import/", {"import_file": upload, "format": "0", "resource": "0"})
    assert [list(row.field_specific_errors) for row in looked.context["result"].invalid_rows] == [["key"]]


def test_a_purchase_of_an_unknown_product_is_shown_as_a_bad_row(admin_client, shop):
    upload = SimpleUploadedFile("p.csv", b"external_id,customer,product\nN1,c1,no-such\n", content_type="text/csv")
    looked = admin_client.post(f"{PURCHASES}import/", {"import_file": upload, "format": "0", "resource": "0"})
    result = looked.context["result"]
    assert result.has_errors() or result.has_validation_errors()
    assert not Purchase.objects.filter(external_id="N1").exists()


def test_an_export_of_purchases_asks_no_query_for_each_row(admin_client, shop, django_assert_max_num_queries):
    fields = ["external_id", "customer", "product"]
    chosen = {f"purchaseresource_{field}": "on" for field in fields}
    with django_assert_max_num_queries(12):
        response = admin_client.post(f"{PURCHASES}export/", {"format": "0", "resource": "0", **chosen})
    assert "T7,c7,lamp" in response.content.decode()
