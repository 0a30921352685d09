"""Products in the admin."""

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from catalog.models import Product

pytestmark = pytest.mark.django_db
LIST = "/admin/catalog/product/"


def test_the_list_searches_and_filters(admin_client):
    Product.objects.create(key="P1", name="Lamp", category="Home", price=3)
    Product.objects.create(key="P2", name="Shoe", category="Running", price=80)
    for query in ({"q": "lamp"}, {"category": "Home"}, {"price_from": 1, "price_to": 10}):
        response = admin_client.get(LIST, query)
        assert [row.key for row in response.context["cl"].result_list] == ["P1"], query


def test_the_list_costs_the_same_for_few_rows_and_many(admin_client, django_assert_max_num_queries):
    Product.objects.bulk_create(Product(key=str(n), name=f"Thing {n}", category="Home") for n in range(60))
    with django_assert_max_num_queries(12):
        admin_client.get(LIST)


def test_products_are_taken_off_sale_and_put_back(admin_client):
    product = Product.objects.create(key="P1", name="Lamp")
    for action, active in (("take_off_sale", False), ("put_on_sale", True)):
        admin_client.post(LIST, {"action": action, "_selected_action": [product.pk]})
        product.refresh_from_db()
        assert product.active is active


def test_the_key_is_told_once(admin_client):
    product = Product.objects.create(key="P1", name="Lamp")
    admin_client.post(reverse("admin:catalog_product_change", args=[product.pk]), {"key": "P9", "name": "Lantern"})
    product.refresh_from_db()
    assert (product.key, product.name) == ("P1", "Lantern")


def test_changes_are_in_the_history(admin_client):
    product = Product.objects.create(key="P1", name="Lamp")
    admin_client.post(reverse("admin:catalog_product_change", args=[product.pk]), {"name": "Lantern"})
    history = admin_client.get(reverse("admin:catalog_product_history", args=[product.pk])).content.decode()
    assert "Changed" in history


def import_file(client, text):
    upload = SimpleUploadedFile("products.csv", text.encode(), content_type="text/csv")
    return client.post(f"{LIST}import/", {"import_file": upload, "format": "0", "resource": "0"})


def test_a_file_is_imported_by_key_after_a_look(admin_client):
    Product.objects.create(key="P1", name="Lamp", price=3)
    looked = import_file(admin_client, "key,name,price\nP1,Lantern,4\nP2,Shoe,80\n")
    assert Product.objects.count() == 1, "nothing is stored before it is confirmed"
    admin_client.post(f"{LIST}process_import/", looked.context["confirm_form"].initial)
    assert dict(Product.objects.values_list("key", "name")) == {"P1": "Lantern", "P2": "Shoe"}


def test_a_bad_row_of_a_file_is_shown_by_its_field(admin_client):
    looked = import_file(admin_client, "key,name,price\nP1,Lamp,-4\n")
    assert looked.context["result"].has_validation_errors()
    assert "price" in looked.context["result"].invalid_rows[0].field_specific_errors


def test_an_export_holds_every_product_and_no_formula(admin_client):
    Product.objects.create(key="P1", name='=HYPERLINK("evil")')
    response = admin_client.post(
        f"{LIST}export/", {"format": "0", "resource": "0", "productresource_key": "on", "productresource_name": "on"}
    )
    assert response["Content-Type"].startswith("text/csv")
    assert "P1,HYPERLINK" in response.content.decode().replace('"', "")


def test_importing_takes_the_right_to_change(client):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_product"))
    client.force_login(viewer)
    assert client.get(LIST).status_code == 200
    assert client.get(f"{LIST}import/").status_code == 403


def test_the_sidebar_shows_what_one_may_see(client, admin_client):
    assert "/admin/customers/purchase/" in admin_client.get("/admin/").content.decode()
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_product"))
    client.force_login(viewer)
    page = client.get("/admin/").content.decode()
    assert "/admin/catalog/product/" in page
    assert "/admin/customers/purchase/" not in page
