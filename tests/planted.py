"""Data whose right answer is known, because it was planted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq

from recommender.engine.bundle.manifest import WEIGHTS, read_manifest, write_manifest

KINDS = "ABCD"


def write_snapshot(folder: Path, users: dict, items: dict, interactions: dict, **schema: object) -> Path:
    """A snapshot folder from columns; the first column of users and of items is the key."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, columns in (("users", users), ("items", items), ("interactions", interactions)):
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    described = {"user_categorical": [], "user_numerical": [], "item_categorical": [], **schema}
    (folder / "schema.json").write_text(json.dumps(described))
    return folder


def write_shop(
    folder: Path, rows: list[tuple], *, users: dict | None = None, items: dict | None = None, **schema: object
) -> Path:
    """A snapshot of purchases: rows of (user, item, time) or (user, item, time, rating).

    users, items : columns, the keys first; the keys that the rows name where not given.
    """
    user, item, time, *rating = (list(column) for column in zip(*rows, strict=True))
    purchases = {"user": user, "item": item, "time": time}
    if rating:
        purchases["rating"] = pa.array(rating[0], pa.float64())
    users, items = users or {"user": sorted(set(user))}, items or {"item": sorted(set(item))}
    return write_snapshot(folder, users, items, purchases, **schema)


def staples(folder: Path, *, users: int = 120, orders: int = 8, every: float = 14.0) -> Path:
    """Everybody buys two of twenty staples in every order, one of the three hits in half of them, and one thing that
    they never bought and never buy again. An order comes every so many days.
    """
    rows: list[tuple] = []
    for u in range(users):
        rng = np.random.default_rng(u)
        own, once = rng.choice(20, 2, replace=False), rng.permutation(40)
        for n in range(orders):
            bought = [*(f"s{i}" for i in own), f"o{once[n]}", *([f"h{rng.integers(3)}"] if rng.random() < 0.5 else [])]
            rows += [(f"u{u}", item, 1.7e9 + 86_400 * (every * n + u / users)) for item in bought]
    return write_shop(folder, rows)


def even_and_odd(users: int, items: int, each: int) -> list[tuple]:
    """Rows: even people rate even items 5 and odd items 1, odd people the other way round."""
    rng = np.random.default_rng(0)
    return [
        (f"u{u}", f"i{i}", float(n), 5.0 if (u + i) % 2 == 0 else 1.0)
        for u in range(users)
        for n, i in enumerate(rng.permutation(items)[:each])
    ]


def tastes(folder: Path, *, users: int = 120, items: int = 60, each: int = 10, seed: int = 0) -> Path:
    """Everybody buys items of one kind of four only. Gender F leans to kinds A and B, M to C and D; age says nothing.
    A purchase of the own kind's first item is rated 5, any other 3, half of them not at all.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, float, float | None]] = []
    genders, ages = [], []
    for u in range(users):
        gender = "FM"[u % 2]
        kind = int(rng.integers(0, 2)) + (0 if gender == "F" else 2)
        genders.append(gender if u % 10 else None)
        ages.append(float(rng.integers(18, 80)))
        mine = [i for i in range(items) if i % 4 == kind]
        for n, i in enumerate(rng.permutation(mine)[:each]):
            rated = rng.random() < 0.5
            rows.append((f"u{u}", f"i{i}", 1.7e9 + 86_400.0 * n + u, (5.0 if i < 4 else 3.0) if rated else None))
    return write_shop(
        folder,
        rows,
        users={"user": [f"u{u}" for u in range(users)], "gender": genders, "age": ages},
        items={"item": [f"i{i}" for i in range(items)], "kind": [KINDS[i % 4] for i in range(items)]},
        user_categorical=["gender"],
        user_numerical=["age"],
        item_categorical=["kind"],
    )


def leaking_label(folder: Path, *, users: int = 300, items: int = 40, seed: int = 0) -> Path:
    """Purchases are random, but each carries a `code` that names its item. A model that could read the code of the
    purchase it predicts would be perfect; one that reads only what came before can be no better than popularity.
    """
    rng = np.random.default_rng(seed)
    user, item, time = [], [], []
    for u in range(users):
        for n, i in enumerate(rng.permutation(items)[:8]):
            user.append(f"u{u}")
            item.append(f"i{i}")
            time.append(1.7e9 + 3600.0 * n)
    return write_snapshot(
        folder,
        {"user": [f"u{u}" for u in range(users)]},
        {"item": [f"i{i}" for i in range(items)]},
        {"user": user, "item": item, "time": time, "code": [f"code-{i}" for i in item]},
        user_categorical=["code"],
        derived={"code": {"take": "latest", "column": "code"}},
    )


def break_tower(bundle: Path, weights: str = "served", tower: str = "history", table: str = "users.gap.weight") -> None:
    """Make a tower of a bundle open and fail at work: a table of its has one row left, the first.

    Without the other gaps, the user tower answers nobody with two purchases at different times. The manifest is sealed
    anew: this is not damage but a model that was born like this.
    """
    facts = {name: value for name, value in read_manifest(bundle).items() if name not in ("format", "files")}
    path = bundle / WEIGHTS[weights] / f"{tower}.onnx"
    model = onnx.load(path)
    (found,) = (values for values in model.graph.initializer if values.name == table)
    found.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(found)[:1], table))
    onnx.save(model, path)
    write_manifest(bundle, **facts)


WORDS = {"A": "walnut dining table", "B": "linen summer dress", "C": "cordless power drill", "D": "wooden toy train"}


def described(folder: Path, *, sold: int = 60, new: int = 12, **size: int) -> Path:
    """The same tastes, but of items that tell their kind by name, price, tags and a vector alone, one in ten of which
    is missing; and `new` items that nobody bought."""
    tastes(folder, items=sold, **size)
    rng = np.random.default_rng(7)
    keys = [f"i{i}" for i in range(sold + new)]
    kinds = [i % 4 for i in range(sold + new)]

    def gaps(column: list) -> list:
        return [None if sold > row and rng.random() < 0.1 else value for row, value in enumerate(column)]

    colours = rng.choice(["red", "green", "blue", "white"], sold + new)
    items = {
        "item": keys,
        "name": gaps([f"{colour} {WORDS[KINDS[kind]]}" for colour, kind in zip(colours, kinds, strict=True)]),
        "price": gaps([10.0 * 3**kind + rng.random() for kind in kinds]),
        "tags": gaps([[KINDS[kind], "sale"] if rng.random() < 0.5 else [KINDS[kind]] for kind in kinds]),
        "picture": gaps([(np.eye(4)[kind] + 0.1 * rng.normal(size=4)).tolist() for kind in kinds]),
    }
    pq.write_table(pa.table(items), folder / "items.parquet")
    schema = json.loads((folder / "schema.json").read_text()) | {"item_categorical": []}
    (folder / "schema.json").write_text(json.dumps(schema | CONTENT))
    return folder


CONTENT = {"item_numerical": ["price"], "item_text": ["name"], "item_multi": ["tags"], "item_vector": "picture"}
