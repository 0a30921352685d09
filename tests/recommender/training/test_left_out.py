"""What a training could not use is counted and named: in the run's log, on its page, and by `train --json`."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import CharField, FloatField, Value
from django.urls import reverse

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.engine.data.encoders import as_text
from recommender.engine.data.left_out import read_left_out
from recommender.engine.data.tables import read_snapshot
from recommender.engine.errors import SnapshotError
from recommender.models import TrainingRun
from recommender.serving import customers as people
from recommender.serving.reading import read_catalog
from recommender.serving.tally import Tally
from recommender.source.declaration import Latest, RecommenderSource
from recommender.source.values import plain_value
from recommender.training.export import export_snapshot
from recsite.source import ShopSource
from tests import shop

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sentences(tables) -> list[str]:
    return [part.sentence() for part in tables.left_out]


def exported(folder, source=None):
    export_snapshot(source=source or ShopSource(), folder=folder)
    return read_snapshot(folder)


@pytest.mark.django_db(transaction=True)
def test_bad_rows_stop_no_training_and_are_told_wherever_the_run_is_shown(settings, tmp_path, capsys, admin_client):
    settings.BUNDLE_ROOT = tmp_path / "bundles"
    shop.stock_the_shop()
    ada, lamp = Customer.objects.get(key="C0"), Product.objects.get(key="P1")
    nobodys = Purchase.objects.create(product=lamp, time=NOON)
    zero = Purchase.objects.create(customer=ada, product=lamp, time=datetime(1, 1, 1, tzinfo=UTC))
    twice = Purchase.objects.filter(customer=ada).earliest("pk")
    Purchase.objects.create(customer=ada, product=twice.product, time=twice.time)
    call_command("train", "--json", "--epochs", "1", "--seed", "1")
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    run = TrainingRun.objects.get()
    expected = {
        ("interactions", "user", "nobody's", 1, f"id {nobodys.pk}"),
        ("interactions", "time", "row left out", 1, f"id {zero.pk}: '0001-01-01 00:00:00+00:00'"),
        ("interactions", "user, item and time", "counted once", 1, f"id {twice.pk}"),
    }
    found = {(r["table"], r["column"], r["effect"], r["count"], r["examples"][0]) for r in answer["left_out"]}
    assert found == expected
    page = admin_client.get(reverse("admin:recommender_trainingrun_change", args=[run.pk])).content.decode()
    for _, _, _, _, example in expected:
        assert example in run.log
        assert example.replace("'", "&#x27;") in page
    assert "C0" not in run.log


@pytest.mark.django_db
def test_a_shop_that_sold_to_guests_alone_is_told_so(tmp_path):
    lamp = Product.objects.create(key="lamp", name="Lamp")
    guests = [Purchase.objects.create(product=lamp, time=NOON + timedelta(days=n)) for n in range(2)]
    with pytest.raises(SnapshotError) as error:
        exported(tmp_path / "s")
    assert str(error.value) == (
        "There are no interactions: a model needs purchases to learn from. interactions: 2 rows are nobody's and left "
        f"out, because user is missing (id {guests[0].pk}, id {guests[1].pk})."
    )


class TheOtherWayRound(RecommenderSource):
    """A shop whose line items may lose their product: here the two sides of a purchase change places."""

    customers, customer_key = Product.objects.all(), "key"
    items, item_key = Customer.objects.all(), "key"
    interactions, interaction_customer, interaction_item = Purchase.objects.all(), "product", "customer"
    interaction_amount = "amount"


@pytest.mark.django_db
def test_a_line_item_whose_product_is_gone_is_left_out_and_named(tmp_path):
    ada, lamp = Customer.objects.create(key="ada"), Product.objects.create(key="lamp", name="Lamp")
    kept = [Purchase.objects.create(customer=ada, product=lamp, time=NOON + timedelta(days=n)) for n in range(3)]
    gone = Purchase.objects.create(product=lamp, time=NOON)
    tables = exported(tmp_path / "s", TheOtherWayRound())
    assert len(tables) == len(kept)
    assert sentences(tables) == [
        f"interactions: 1 row is left out, because item is missing (id {gone.pk}).",
    ]


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor == "mysql", reason="MariaDB holds no such number")
def test_a_stored_number_that_is_none_is_missing_for_training_and_serving_alike(tmp_path):
    class Weighed(ShopSource):
        customers = Customer.objects.annotate(weight=Value(float("inf"), FloatField()), word=Value("much", CharField()))
        customer_numerical = ("weight", "word")
        customer_categorical = ()
        customer_aliases: ClassVar = {}
        customer_from_interactions: ClassVar = {}

    ada, lamp = Customer.objects.create(key="ada"), Product.objects.create(key="lamp", name="Lamp")
    Customer.objects.create(key="bob")
    Purchase.objects.create(customer=ada, product=lamp, time=NOON)
    export_snapshot(source=Weighed(), folder=tmp_path / "s")
    with pytest.raises(SnapshotError, match=r"Of 2 values of word in users, 2 cannot be used") as error:
        read_snapshot(tmp_path / "s")
    assert "weight is not a number between -1e+30 and 1e+30" in str(error.value)
    told = [part.sentence() for part in read_left_out(tmp_path / "s")]
    assert len(told) == 1
    assert "because word cannot be read" in told[0]
    assert [plain_value(value) for value in (float("inf"), float("nan"), Decimal("-Infinity"))] == [None] * 3


class Priced(ShopSource):
    """A category of each side that is stored as an exact number."""

    item_categorical = item_filters = ("price",)
    item_numerical = ()
    item_aliases: ClassVar = {}
    customer_categorical = ("paid",)
    customer_numerical = ()
    customer_aliases: ClassVar = {}
    customer_from_interactions: ClassVar = {"paid": Latest("amount")}


@pytest.mark.django_db
def test_an_exact_number_as_a_category_is_the_same_text_in_training_and_serving(tmp_path, monkeypatch):
    monkeypatch.setattr(people, "get_source", Priced)
    ada = Customer.objects.create(key="ada")
    lamp = Product.objects.create(key="lamp", name="Lamp", price=Decimal("1234567.00"))
    Purchase.objects.create(customer=ada, product=lamp, time=NOON, amount=Decimal("7654321.50"))
    tables = exported(tmp_path / "s", Priced())
    assert tables.items["price"].tolist() == ["1234567"]
    assert tables.values["amount"].tolist() == ["7654321.5"]
    catalog = read_catalog(Priced(), None, Tally())
    assert "1234567" in catalog.values["price"].code_of
    (live,) = people.find_customers(["ada"]).values()
    assert as_text("paid", live.person.history[-1].values["amount"]) == "7654321.5"
    for told in (1234567, 1234567.0, "1234567"):
        assert people.check_profile({"paid": told}) == {"paid": "1234567"}
    assert people.check_item({"price": 1234567.0}) == {"price": "1234567"}
