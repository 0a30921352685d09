"""Customers and purchases in the admin."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from catalog.models import Product
from customers.models import Customer, Purchase

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
