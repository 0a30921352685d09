"""The site and the standalone recommender are one: the same lists, scores and ratings from the same model and rows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.engine.bundle.standalone import StandaloneRecommender
from recommender.models import ModelVersion, Promotion
from recommender.serving import make_list, predict_rating, recommend
from recommender.source.declaration import get_source
from recommender.training.export import export_snapshot
from tests import shop
from tests.conftest import QUICK

SHORT = 5  # purchases that the model reads: some customers bought more than that
PROFILES = [{}, {"Age": 28, "Gender": "F", "Country": "UK"}, {"age": "61"}, {"gender": "X", "Total_Purchases": 3}]
FEW = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def shop_with_all_kinds_of_people(stocked):
    """The planted shop, and customers with one or two purchases, with gaps in their rows, and with none at all."""
    for n, (key, bought) in enumerate([("once", ["P1"]), ("twice", ["P3", "P7"]), ("again", ["P2", "P2", "P6"])]):
        customer = Customer.objects.create(key=key, gender="FM"[n % 2])
        for day, product in enumerate(bought):
            Purchase.objects.create(
                customer=customer,
                product=Product.objects.get(key=product),
                time=FEW + timedelta(days=day, minutes=n),
                amount=None if day else 12,
                shipping_method="Express" if day else "",
                rating=None if n else 4,
            )
    Customer.objects.create(key="profile only", gender="M", age=44, country="France")
    Customer.objects.create(key="nothing at all")
    Product.objects.filter(key="P4").update(active=False)


@pytest.fixture
def standalone(shop_with_all_kinds_of_people, settings, tmp_path):
    """A model trained on the shop as it was exported, promoted, and opened without the site."""
    from recommender.engine.training.pipeline import build_bundle

    settings.BUNDLE_ROOT = tmp_path / "bundles"
    export_snapshot(source=get_source(), folder=tmp_path / "snapshot")
    build_bundle(tmp_path / "snapshot", settings.BUNDLE_ROOT / "v1", config=replace(QUICK, max_history=SHORT))
    Promotion.objects.create(version=ModelVersion.objects.create(name="v1"))
    return StandaloneRecommender.from_bundle(settings.BUNDLE_ROOT / "v1")


def same_list(site, alone) -> None:
    assert site.source == "two_tower"
    assert [item.item for item in site.items] == [item.item for item in alone]
    assert [item.score for item in site.items] == pytest.approx([item.score for item in alone], abs=1e-5)
    assert [item.rating for item in site.items] == pytest.approx([item.rating for item in alone], abs=1e-5)


def test_list_for_list_and_score_for_score_the_site_and_the_standalone_agree(standalone):
    customers = list(Customer.objects.values_list("key", flat=True))
    assert len(customers) == shop.CUSTOMERS + 5
    in_a_batch = standalone.recommend_for_users(customers, top_k=10)
    for key, listed in zip(customers, in_a_batch, strict=True):
        same_list(recommend(customer=key, count=10), listed)
        same_list(recommend(customer=key, count=10, reasons=False), standalone.recommend_for_user(key, top_k=10))
    everything = recommend(customer="C0", count=48, exclude_purchased=False)
    same_list(everything, standalone.recommend_for_user("C0", top_k=48, exclude_purchased=False))
    assert "P4" not in {item.item for item in everything.items}

    for profile in PROFILES:
        same_list(recommend(profile=profile, count=48), standalone.recommend_for_new_user(profile, top_k=48))

    for item in ("P1", "P4", "P40"):
        for key in customers[::7]:
            site = predict_rating(customer=key, item=item)
            assert site.model_version == "v1"
            assert site.rating == pytest.approx(standalone.predict_rating(key, item), abs=1e-5)
        for profile in PROFILES:
            site = predict_rating(profile=profile, item=item)
            assert site.rating == pytest.approx(standalone.predict_rating(profile, item), abs=1e-5)
    for features in ({}, {"Product_Category": "Books"}, {"name": "Books thing 2", "brand": "unheard of"}):
        site = predict_rating(customer="C0", item_features=features)
        assert site.rating == pytest.approx(standalone.predict_rating("C0", features), abs=1e-5)


def test_the_command_of_the_engine_writes_what_the_site_lists_as_similar(standalone, settings, tmp_path):
    from pyarrow.parquet import read_table

    from recommender.engine.__main__ import main

    out = tmp_path / "pairs.parquet"
    bundle = settings.BUNDLE_ROOT / "v1"
    assert main(["similar", "--bundle", str(bundle), "--items", "all", "--top-k", "7", "--out", str(out)]) == 0
    pairs = read_table(out).to_pylist()

    for item in ("P0", "P1", "P4", "P47"):
        site = make_list("similar", item, 7)
        written = [row for row in pairs if row["item"] == item]
        assert [row["other"] for row in written] == [listed.item for listed in site.items]
        assert [row["score"] for row in written] == pytest.approx([listed.score for listed in site.items], abs=1e-5)
        assert [row["rank"] for row in written] == list(range(1, 8))
