"""Whatever moment an address or a file names, the answer is rows or what is wrong with it, on every database."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import DateField, Model
from django.test import Client
from django.urls import reverse
from tablib import Dataset

from catalog.models import Product
from customers.models import Customer, Purchase
from customers.resources import PurchaseResource
from recommender.models import DriftFinding, Event, ListCount
from tests.customers.test_api import CUSTOMERS, PURCHASES
from tests.shop import caller

pytestmark = pytest.mark.django_db

FAR_FROM_UTC = ["2023-01-01T00:00:00-22:32", "0253-04-04T18:13:36.943653-22:32", "20230101T000000+1600"]
IN_UTC = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(hours=22, minutes=32)  # the first of these
NOT_IN_UTC = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
USABLE = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2023-01-01T00:00:00-15:59", "2023-01-01 00:00", "soon", ""]
FILTERS = [
    (CUSTOMERS, "created_after"),
    (CUSTOMERS, "updated_after"),
    (PURCHASES, "after"),
    (PURCHASES, "before"),
]


@pytest.mark.parametrize(("address", "name"), FILTERS)
def test_a_filter_of_the_api_names_a_moment_that_no_database_knows(address, name):
    client = caller("view_customer", "view_purchase")
    for moment in [*FAR_FROM_UTC, *NOT_IN_UTC]:
        refused = client.get(address, {name: moment})
        assert refused.status_code == 400
        assert [error["field"] for error in refused.json()["errors"]] == [name]
        assert moment in refused.json()["detail"]
    for moment in USABLE:
        assert client.get(address, {name: moment}).status_code == (400 if moment == "soon" else 200)


def lists_with_moments() -> list[tuple[str, str]]:
    """Every list of the admin with one of its columns of days or moments."""
    columns = {
        model: field.name
        for model in admin.site._registry
        for field in model._meta.get_fields()
        if isinstance(field, DateField)
    }
    return [(changelist(model), name) for model, name in columns.items()]


def changelist(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def failing(client: Client, address: str, asked: list[dict[str, str]]) -> list[str]:
    """The questions that the server fails at."""
    client.raise_request_exception = False
    failed = []
    for question in asked:
        with transaction.atomic():
            if client.get(address, question).status_code >= 500:
                failed.append(f"{address} {question}")
            transaction.set_rollback(True)
    return failed


def test_no_list_of_the_admin_fails_at_a_moment_that_no_database_knows(admin_client):
    lists = lists_with_moments()
    assert changelist(Purchase) in dict(lists)
    assert changelist(User) in dict(lists)
    for address, field in lists:
        asked = [{f"{field}__gte": moment} for moment in [*FAR_FROM_UTC, *NOT_IN_UTC]]
        asked += [{f"{field}__year": "9" * digits} for digits in (4, 20)]
        assert not failing(admin_client, address, asked)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_the_ends_of_the_calendar_fail_no_list_in_any_time_zone(admin_client, settings, zone):
    settings.TIME_ZONE = zone
    moments = [*NOT_IN_UTC, "0001-01-01", "9999-12-31", "9999-12-31 23:59:59", "0001-1-1"]
    asked = [{f"time{how}": moment} for moment in moments for how in ("", "__date")]
    asked += [{f"time__{how}": f"2023-01-01,{moment}"} for moment in moments for how in ("in", "range")]
    days = [("0001-01-01", "00:00:00"), ("12/31/9999", "23:59:59"), (NOT_IN_UTC[1], "x"), ("2023-01-01", "")]
    asked += [{f"time_{end}_0": day, f"time_{end}_1": time} for end in ("from", "to") for day, time in days]
    assert not failing(admin_client, changelist(Purchase), asked)
    years = [{f"time__{what}": year} for what in ("year", "iso_year") for year in ("0", "1", "9998", "x")]
    days = [{"time__year": y, "time__month": m, "time__day": d} for y, m, d in (["1", "1", "1"], ["9998", "12", "31"])]
    assert not failing(admin_client, changelist(DriftFinding), [*years, *days])


def test_an_import_in_the_admin_takes_any_offset_and_refuses_what_utc_does_not_know():
    Customer.objects.create(key="ada")
    Product.objects.create(key="lamp", name="Lamp")
    lines = "external_id,customer,product,time,quantity\n"
    lines += "".join(f"A{n},ada,lamp,{moment},1\n" for n, moment in enumerate([FAR_FROM_UTC[0], *NOT_IN_UTC]))
    result = PurchaseResource().import_data(Dataset().load(lines, format="csv"))
    assert [row.number for row in [*result.invalid_rows, *result.error_rows]] == [2, 3]
    assert Purchase.objects.get().time == IN_UTC


def test_an_import_of_a_file_takes_any_offset(tmp_path):
    file = tmp_path / "sales.csv"
    file.write_text(f"who,what,when\nada,lamp,{FAR_FROM_UTC[0]}\n")
    meaning = [f"--map={pair}" for pair in ("who=customer", "what=product", "when=time")]
    call_command("import_purchases", str(file), *meaning)
    assert Purchase.objects.get().time == IN_UTC


def test_a_sent_moment_of_any_offset_is_stored_in_utc():
    client = caller("add_purchase", "recommend_for_anyone")
    Customer.objects.create(key="ada")
    Product.objects.create(key="lamp", name="Lamp")
    sent = {"customer": "ada", "product": "lamp", "time": FAR_FROM_UTC[0]}
    assert client.post(PURCHASES, sent, format="json").status_code == 201
    assert Purchase.objects.get().time == IN_UTC
    event = {"kind": "view", "item": "lamp", "customer": "ada", "time": FAR_FROM_UTC[0]}
    assert client.post("/api/v1/events/", event, format="json").status_code == 201
    assert Event.objects.get().time == IN_UTC


@pytest.mark.parametrize("day", ["0001-01-01", "1970-06-01", "9999-12-31"])
def test_a_shop_is_seeded_in_no_other_age(day):
    with pytest.raises(CommandError, match=f"--until is {day}"):
        call_command("seed_shop", "--customers=5", "--products=5", "--purchases=5", f"--until={day}")
    assert not Purchase.objects.exists()


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_results_up_to_the_ends_of_the_calendar_are_answered(admin_client, day):
    answer = admin_client.get("/api/v1/list-results/", {"last": day})
    assert answer.status_code == 200, answer.content
    assert admin_client.get(changelist(ListCount), {"last": day, "first": day}).status_code == 200
