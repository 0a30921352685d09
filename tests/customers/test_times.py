"""A purchase happened between 1970 and tomorrow. Every door says so, and names field and row."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from tablib import Dataset

from catalog.models import Product
from customers import times
from customers.models import Customer, Purchase
from customers.resources import PurchaseResource
from customers.services import rate_purchase
from recommender.source import times as recommender_times
from tests.customers.test_api import PURCHASES
from tests.shop import caller

pytestmark = pytest.mark.django_db
WRONG = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2206-03-01T00:00:00Z", "9999-12-31T23:59:59Z"]
ENDS = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]  # UTC has no such year


@pytest.fixture(autouse=True)
def shop():
    Customer.objects.create(key="ada")
    Product.objects.create(key="lamp", name="Lamp")


def in_hours(hours: float) -> str:
    return (timezone.now() + timedelta(hours=hours)).isoformat()


@pytest.mark.parametrize("moment", [*WRONG, *ENDS])
def test_the_api_refuses_a_time_that_cannot_be_true_and_names_the_field(moment):
    client = caller("add_purchase", "change_purchase")
    told = {"customer": "ada", "product": "lamp", "time": moment}
    refused = client.post(PURCHASES, told, format="json")
    assert refused.status_code == 400
    assert [error["field"] for error in refused.json()["errors"]] == ["time"]
    many = client.post(PURCHASES, [{**told, "time": in_hours(-1)}, told], format="json").json()["results"]
    assert [bool(row["errors"]) for row in many] == [False, True]
    assert many[1]["errors"][0]["field"] == "time"
    stored = Purchase.objects.get()
    assert client.patch(f"{PURCHASES}{stored.pk}/", {"time": moment}, format="json").status_code == 400


def test_the_api_takes_a_time_up_to_a_day_ahead():
    client = caller("add_purchase")
    for hours, status in ((23.9, 201), (24.1, 400)):
        told = {"customer": "ada", "product": "lamp", "time": in_hours(hours)}
        assert client.post(PURCHASES, told, format="json").status_code == status
    told = {"customer": "ada", "product": "lamp", "time": "1970-01-01T00:00:00Z"}
    assert client.post(PURCHASES, told, format="json").status_code == 201


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_a_purchase_of_year_one_that_was_taken_once_can_be_shown_and_exported_wherever_the_shop_is(
    settings, admin_client, zone
):
    ada, lamp = Customer.objects.get(), Product.objects.get()
    for moment in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)):
        Purchase.objects.create(customer=ada, product=lamp, time=moment)
    migration = import_module("customers.migrations.0005_moments_that_can_be_shown")
    migration.move_within_every_calendar(apps, SimpleNamespace(connection=connection))
    settings.TIME_ZONE = zone
    client = caller("view_purchase")
    assert [row["time"][:4] for row in client.get(PURCHASES).json()["results"]] == ["9999", "0001"]
    for purchase in Purchase.objects.all():
        assert admin_client.get(f"/admin/customers/purchase/{purchase.pk}/change/").status_code == 200
    assert admin_client.get("/admin/customers/purchase/").status_code == 200
    assert len(PurchaseResource().export()) == 2


@pytest.mark.parametrize(("day", "refused"), [("0001-01-01", True), ("9999-12-31", True), ("2024-05-01", False)])
def test_the_form_of_the_admin_refuses_it(admin_client, day, refused):
    ada, lamp = Customer.objects.get(), Product.objects.get()
    told = {"customer": ada.pk, "product": lamp.pk, "time_0": day, "time_1": "00:00:00", "quantity": 1}
    response = admin_client.post("/admin/customers/purchase/add/", told)
    assert Purchase.objects.exists() is not refused
    if refused:
        assert "time" in response.context["adminform"].form.errors


@pytest.mark.parametrize("moment", [*WRONG, *ENDS])
def test_an_import_in_the_admin_names_the_row(moment):
    lines = f"external_id,customer,product,time,quantity\nA1,ada,lamp,2024-01-05 10:00:00,1\nA2,ada,lamp,{moment},1\n"
    result = PurchaseResource().import_data(Dataset().load(lines, format="csv"))
    wrong = [row.number for row in result.invalid_rows] + [row.number for row in result.error_rows]
    assert wrong == [2]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("0001-01-01", "before 1970"),
        ("1969-12-31T23:59:59Z", "before 1970"),
        ("2099-01-01", "more than a day ahead of now"),
        ("9999-12-31", "more than a day ahead of now"),
        ("0001-01-01T00:00:00+14:00", "before 1970"),
        ("7452777600", "more than a day ahead of now"),
    ],
)
def test_an_import_of_a_file_names_the_line(tmp_path, capsys, cell, reason):
    file = tmp_path / "sales.csv"
    file.write_text(f"who,what,when\nada,lamp,2024-01-05\nada,lamp,{cell}\n")
    meaning = [f"--map={pair}" for pair in ("who=customer", "what=product", "when=time")]
    call_command("import_purchases", str(file), *meaning)
    assert f"sales.csv line 3: when is {cell!r}, {reason}" in capsys.readouterr().err
    assert Purchase.objects.count() == 1


def test_a_purchase_of_before_can_still_be_rated():
    ada = Customer.objects.get()
    wrong = datetime(1, 1, 1, tzinfo=UTC)
    purchase = Purchase.objects.create(customer=ada, product=Product.objects.get(), time=wrong)
    assert rate_purchase(purchase=purchase, by=ada, rating="4").rating == 4


def test_the_shop_and_the_recommender_mean_the_same():
    assert (times.EARLIEST, times.AHEAD) == (recommender_times.EARLIEST, recommender_times.MAX_CLOCK_AHEAD)
