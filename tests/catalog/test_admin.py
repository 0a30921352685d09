"""Products in the admin."""

import csv
import io
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from tablib import Dataset

from catalog.models import Product
from catalog.spreadsheets import SpreadsheetCSV

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
    content = text if isinstance(text, bytes) else text.encode()
    upload = SimpleUploadedFile("products.csv", content, content_type="text/csv")
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


def stored_by(client, text):
    """What a file says is stored, after a look; nothing where the look shows errors."""
    looked = import_file(client, text)
    if "confirm_form" in looked.context:
        client.post(f"{LIST}process_import/", looked.context["confirm_form"].initial)
    return looked.context["result"]


@pytest.mark.parametrize(
    ("word", "active"),
    [
        ("yes", True),
        ("Y", True),
        ("TRUE", True),
        (" 1 ", True),
        ("no", False),
        ("False", False),
        ("0", False),
        ("", True),
    ],
)
def test_a_product_is_for_sale_as_the_file_says(admin_client, word, active):
    stored_by(admin_client, f"key,name,active\nP1,Lamp,{word}\n")
    assert Product.objects.get().active is active


@pytest.mark.parametrize("word", ["maybe", "2", "WAHR", "-1"])
def test_a_word_that_is_neither_yes_nor_no_takes_no_product_off_sale(admin_client, word):
    Product.objects.create(key="P1", name="Lamp")
    result = stored_by(admin_client, f"key,name,active\nP1,Lamp,{word}\n")
    assert Product.objects.get().active
    assert result.invalid_rows[0].field_specific_errors["active"] == [f"{word!r} is neither yes nor no: write 1 or 0."]


@pytest.mark.parametrize("key", ["", "  ", "\t"])
def test_a_product_has_a_key_that_is_more_than_spaces(admin_client, key):
    assert "key" in stored_by(admin_client, f"key,name\n{key},Lamp\n").invalid_rows[0].field_specific_errors
    assert not Product.objects.exists()


@pytest.mark.parametrize("price", ["12,5", "$5", "x"])
def test_a_price_that_is_no_number_is_told_by_its_field(admin_client, price):
    result = stored_by(admin_client, f'key,name,price\nP1,Lamp,"{price}"\n')
    assert result.invalid_rows[0].field_specific_errors["price"] == [f"{price!r} is not a number."]


FIELDS = ["key", "name", "category", "brand", "type", "price", "description", "active"]


def exported(client, kind="0"):
    """The file of every product, as CSV ("0") or JSON ("1")."""
    chosen = {f"productresource_{field}": "on" for field in FIELDS}
    response = client.post(f"{LIST}export/", {"format": kind, "resource": "0", **chosen})
    assert response.status_code == 200
    return response


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'=", "''+", "-1+"])
def test_no_cell_of_an_export_is_a_formula_and_all_come_back_as_they_were(admin_client, start):
    told = {"name": f"{start}SUM(1;2)", "category": f"{start}2", "description": f'{start}"a",\r\nb\n=c'}
    Product.objects.create(key=f"{start}k", price="5.00", **told)
    response = exported(admin_client)
    assert response["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(response.content.decode(), newline="")))
    assert not [cell for cell in rows[0].values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert rows[0]["price"] == "5.00"
    before = Product.objects.values().get()
    looked = import_file(admin_client, response.content)
    assert looked.context["result"].totals["skip"] == 1, "an export changes nothing"
    Product.objects.all().delete()
    looked = import_file(admin_client, response.content)
    admin_client.post(f"{LIST}process_import/", looked.context["confirm_form"].initial)
    own = {"id", "created", "updated"}
    after = Product.objects.values().get()
    assert {k: v for k, v in after.items() if k not in own} == {k: v for k, v in before.items() if k not in own}


def test_numbers_stay_numbers():
    sheet = SpreadsheetCSV().export_data(Dataset([Decimal("-5.00"), -5, "-5", None], headers=["a", "b", "c", "d"]))
    assert sheet == "a,b,c,d\r\n-5.00,-5,'-5,\r\n"


def test_json_is_exported_as_it_is(admin_client):
    Product.objects.create(key="P1", name="=SUM(1)")
    assert exported(admin_client, "1").json()[0]["name"] == "=SUM(1)"


@pytest.mark.parametrize(
    ("may", "added", "changed"),
    [("add", True, False), ("change", False, True), ("view", False, False)],
)
def test_importing_takes_the_right_to_add_for_new_rows_and_to_change_for_others(client, may, added, changed):
    Product.objects.create(key="P1", name="Lamp")
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["view_product", f"{may}_product"]))
    client.force_login(staff)
    assert client.get(LIST).status_code == 200
    if may == "view":
        assert client.get(f"{LIST}import/").status_code == 403
        return
    for row, allowed in [("P2,Shoe", added), ("P1,Lantern", changed)]:
        looked = import_file(client, f"key,name\n{row}\n")
        result = looked.context["result"]
        assert result.has_validation_errors() is not allowed
        if allowed:
            client.post(f"{LIST}process_import/", looked.context["confirm_form"].initial)
        else:
            assert "takes the permission catalog." in looked.content.decode()
    assert Product.objects.filter(key="P2").exists() is added
    assert Product.objects.get(key="P1").name == ("Lantern" if changed else "Lamp")


def test_rows_that_need_a_right_taken_away_meanwhile_are_not_stored(client):
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["change_product", "add_product"]))
    client.force_login(staff)
    looked = import_file(client, "key,name\nP2,Shoe\n")
    staff.user_permissions.set(Permission.objects.filter(codename="change_product"))
    client.post(f"{LIST}process_import/", looked.context["confirm_form"].initial)
    assert not Product.objects.exists()


def test_the_sidebar_shows_what_one_may_see(client, admin_client):
    assert "/admin/customers/purchase/" in admin_client.get("/admin/").content.decode()
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_product"))
    client.force_login(viewer)
    page = client.get("/admin/").content.decode()
    assert "/admin/catalog/product/" in page
    assert "/admin/customers/purchase/" not in page
