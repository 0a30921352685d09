"""Sees a saved bundle as a model that evaluation can measure on any snapshot: today's purchases, yesterday's model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from recommender.engine.bundle.inference import Inference
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.inputs import UserInputs, Vectors
from recommender.engine.data.schema import Schema
from recommender.engine.data.splits import TEST, VALID
from recommender.engine.data.tables import Tables


class BundleScorer:
    """A bundle's towers over the items of a snapshot; items the bundle never saw are placed by their features.

    repeats : what people come back to, with the items in the order of the snapshot.
    """

    def __init__(self, inference: Inference, data: TwoTowerDataset):
        self.inference, self.max_history = inference, inference.max_history
        rows = np.array([inference.row_of.get(k, -1) for k in data.tables.item_keys], dtype=np.int64)
        self.repeats = inference.repeats and inference.repeats.of_items(rows)
        read = map(_parts, (rows, data.item_features, data.item_content))
        self.items = Vectors.concat([inference.run_items(*part) for part in zip(*read, strict=True)])

    def users(self, inputs: UserInputs) -> Vectors:
        return self.inference.run_users(inputs, self.items)


def open_for_comparison(
    bundle: Path, tables: Tables, role: np.ndarray, weights: str = "judged"
) -> tuple[BundleScorer, TwoTowerDataset]:
    """A bundle and the snapshot as it reads it.

    weights : "judged", which have not seen what its own split held out, to measure; "served", to show what it lists.
    """
    inference = Inference.open(bundle, weights)
    data = TwoTowerDataset.build(_under(inference.schema, tables), role, inference.encoders)
    return BundleScorer(inference, data), data


def learned_by(bundle: Path, tables: Tables, weights: str = "judged") -> np.ndarray:
    """bool [n]: which purchases of a snapshot the bundle's judged or served weights have learned from."""
    assets = Path(bundle) / "assets"
    first_row, item, time, role = (np.load(assets / f"history_{n}.npy") for n in ("first_row", "item", "time", "role"))
    user = np.repeat(np.arange(len(first_row) - 1), np.diff(first_row))
    rows_now = [
        _rows(pq.read_table(assets / f"{name}s.parquet", columns=[name])[name].to_pylist(), keys)
        for name, keys in (("user", tables.user_keys), ("item", tables.item_keys))
    ]
    there = _purchases(rows_now[0][user], rows_now[1][item], time, len(tables.item_keys))
    here = _purchases(tables.user, tables.item, tables.time, len(tables.item_keys))
    return np.isin(here, there if weights == "served" else there[(role != VALID) & (role != TEST)])


def _rows(keys: list[str], of: np.ndarray) -> np.ndarray:
    """int64: the row that each key has among other keys, -1 where it has none."""
    row_of = {key: row for row, key in enumerate(of.tolist())}
    return np.array([row_of.get(key, -1) for key in keys], dtype=np.int64)


def _purchases(user: np.ndarray, item: np.ndarray, time: np.ndarray, n_items: int) -> np.ndarray:
    """One value a purchase, by which to find it again. Complex numbers hold two: who bought what, and when."""
    pair = np.where((user < 0) | (item < 0), -1, user.astype(np.int64) * n_items + item)
    return pair + 1j * time


def _under(schema: Schema, tables: Tables) -> Tables:
    """The same purchases with the features that another schema asks for; those no longer there are missing."""
    users, items, values = dict(tables.users), dict(tables.items), dict(tables.values)
    for name in schema.user_fields:
        if name not in schema.derived and name not in users:
            users[name] = _missing(len(tables.user_keys), name in schema.user_numerical)
    for name in schema.item_fields:
        missing = _missing(len(tables.item_keys), name in (*schema.item_numerical, schema.item_vector))
        items.setdefault(name, missing[:, None] if name == schema.item_vector else missing)
    numeric = schema.numeric_interaction_columns()
    for name in schema.interaction_columns:
        values.setdefault(name, _missing(len(tables), name in numeric))
    return replace(tables, schema=schema, users=users, items=items, values=values)


def _missing(n: int, numerical: bool) -> np.ndarray:
    return np.full(n, np.nan) if numerical else np.full(n, "", dtype=object)


def _parts(array: np.ndarray) -> list[np.ndarray]:
    return np.array_split(array, len(array) // 65536 + 1)
