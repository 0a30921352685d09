"""The generated shop of the demo, smaller: what is listed as similar is on topic."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from customers.seeding import PRODUCTS_PER_INTEREST, ShopSize, make_customers, make_products, make_purchases
from customers.tastes import INTERESTS
from recommender.engine import StandaloneRecommender, TwoTowerDataset, from_frame, save_model, train_two_tower_model
from tests.engine.conftest import QUICK

SIZE = ShopSize(customers=300, products=200, purchases=6_000, seed=0)


def test_similar_products_are_of_the_same_category(tmp_path):
    rng = np.random.default_rng(SIZE.seed)
    interests = INTERESTS[: SIZE.products // PRODUCTS_PER_INTEREST]
    products, shelf = make_products(SIZE, interests, rng)
    _, people = make_customers(SIZE, interests, rng)
    until = datetime(2026, 11, 1, tzinfo=UTC)
    bought = [
        (one.customer_id, products[one.product_id], one.time.timestamp())
        for one in make_purchases(SIZE, interests, shelf, people, until, rng)
    ]
    rows = [(who, item.key, time, item.category, item.brand, item.type) for who, item, time in bought]
    frame = pd.DataFrame(rows, columns=["user", "item", "time", "category", "brand", "type"])
    tables = from_frame(frame, user="user", item="item", time="time", item_categorical=["category", "brand", "type"])
    data = TwoTowerDataset.build(tables)
    save_model(train_two_tower_model(data, QUICK).model, data, tmp_path / "shop")
    recommender = StandaloneRecommender(
        tmp_path / "shop" / "model", tmp_path / "shop" / "artifacts.json", tmp_path / "shop" / "assets"
    )
    category = {item.key: item.category for item in products}
    lists = {key: [one.item for one in recommender.similar(key, 6)] for key in recommender.inference.item_keys}
    same = np.mean([category[other] == category[key] for key, listed in lists.items() for other in listed])
    assert same >= 0.85  # by chance it would be .12
    shown = pd.Series([other for listed in lists.values() for other in listed]).value_counts()
    assert shown.max() <= 0.15 * len(lists)  # no product stands in most lists
