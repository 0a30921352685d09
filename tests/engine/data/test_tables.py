import json

import numpy as np
import pandas as pd
import pytest

from recommender.engine.data.tables import from_frame, read_snapshot
from recommender.engine.errors import SnapshotError
from tests import planted


def test_purchases_are_sorted_by_user_and_time_and_keep_their_order_within_a_moment(tmp_path):
    planted.write_snapshot(
        tmp_path,
        {"user": ["a", "b"]},
        {"item": ["x", "y", "z"]},
        {"user": ["b", "a", "a", "a"], "item": ["x", "z", "y", "x"], "time": [5.0, 9.0, 9.0, 1.0]},
    )
    tables = read_snapshot(tmp_path)
    assert tables.user_keys[tables.user].tolist() == ["a", "a", "a", "b"]
    assert tables.item_keys[tables.item].tolist() == ["x", "z", "y", "x"]


def test_keys_are_compared_as_text_whatever_the_file_made_of_them(tmp_path):
    planted.write_snapshot(
        tmp_path, {"user": [1.0, 2.0]}, {"item": ["7"]}, {"user": ["1", "2"], "item": [7, 7], "time": [1, 2]}
    )
    tables = read_snapshot(tmp_path)
    assert tables.user_keys.tolist() == ["1", "2"]
    assert tables.item_keys.tolist() == ["7"]


def test_csv_keys_keep_their_leading_zeros(tmp_path):
    (tmp_path / "users.csv").write_text("user\n007\n")
    (tmp_path / "items.csv").write_text("item\n01\n")
    (tmp_path / "interactions.csv").write_text("user,item,time\n007,01,2024-01-02T03:04:05\n")
    (tmp_path / "schema.json").write_text("{}")
    tables = read_snapshot(tmp_path)
    assert tables.user_keys.tolist() == ["007"]
    assert tables.time.tolist() == [pd.Timestamp("2024-01-02T03:04:05", tz="UTC").timestamp()]


def test_users_and_items_met_only_in_purchases_have_every_feature_missing(tmp_path):
    planted.write_snapshot(
        tmp_path,
        {"user": ["a"], "age": [30.0]},
        {"item": ["x"], "kind": ["K"]},
        {"user": ["a", "new"], "item": ["x", "other"], "time": [1.0, 2.0]},
        user_numerical=["age"],
        item_categorical=["kind"],
    )
    tables = read_snapshot(tmp_path)
    assert np.isnan(tables.users["age"][1])
    assert tables.items["kind"].tolist() == ["K", ""]


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda f: (f / "schema.json").unlink(), "schema.json is missing"),
        (lambda f: (f / "schema.json").write_text("{"), "is not JSON"),
        (lambda f: (f / "schema.json").write_text(json.dumps({"user_categorical": ["colour"]})), "colour"),
        (lambda f: (f / "items.parquet").unlink(), "neither items.parquet nor items.csv"),
    ],
)
def test_a_wrong_snapshot_is_one_clear_sentence(tmp_path, break_it, sentence):
    planted.tastes(tmp_path, users=8)
    break_it(tmp_path)
    with pytest.raises(SnapshotError, match=sentence):
        read_snapshot(tmp_path)


def test_a_rating_outside_0_to_5_is_left_out_and_names_its_row(tmp_path):
    purchases = {"user": ["a", "a"], "item": ["x", "x"], "time": [1, 2], "rating": [5.0, 7.0]}
    planted.write_snapshot(tmp_path, {"user": ["a"]}, {"item": ["x"]}, purchases)
    tables = read_snapshot(tmp_path)
    np.testing.assert_array_equal(tables.rating, np.array([5, np.nan], np.float32))
    (part,) = tables.left_out
    assert part.sentence() == (
        "interactions: 1 value is left out, its row is kept, because rating is not between 0 and 5 (row 2: '7.0')."
    )


def test_a_flat_frame_of_transactions_is_read_like_a_snapshot():
    frame = pd.DataFrame(
        {
            "Customer_ID": [1.0, 1.0, 2.0],
            "products": ["shoe", "sock", "shoe"],
            "Date": pd.to_datetime(["2024-01-02", "2024-01-01", "2024-01-03"]),
            "Age": [41, 40, 20],
            "Product_Category": ["Sport", "Wear", "Sport"],
        }
    )
    tables = from_frame(
        frame, user="Customer_ID", item="products", time="Date", user_numerical=["Age"],
        item_categorical=["Product_Category"],
    )  # fmt: skip
    assert dict(zip(tables.user_keys, tables.users["Age"], strict=True)) == {"1": 41, "2": 20}  # the latest row wins
    assert tables.item_keys[tables.item].tolist() == ["sock", "shoe", "shoe"]
