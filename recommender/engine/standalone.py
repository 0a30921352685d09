"""A recommender in files: no Django, no database, no torch. onnxruntime, numpy and pyarrow are all it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from recommender.engine.bundle import read_manifest
from recommender.engine.errors import BundleError, EngineError
from recommender.engine.inference import Inference, Person
from recommender.engine.inputs import UserInputs, Vectors
from recommender.engine.retrieval import Index

Profile = Mapping[str, object]


@dataclass(frozen=True)
class Recommendation:
    """One item of a list. score : higher is better, comparable within one list. rating : predicted, 0 to 5."""

    item: str
    score: float
    rating: float


class StandaloneRecommender:
    """Lists and ratings from one saved model.

    >>> r = StandaloneRecommender.from_bundle("bundles/v7")
    >>> r.recommend_for_user("10001", top_k=5)
    >>> r.recommend_for_new_user({"age": 28, "country": "UK"}, top_k=5)
    >>> r.predict_rating("10001", "B7")

    model_path : the bundle's folder `model`. artifacts_path : its `artifacts.json`. assets_path : its folder `assets`.
    user_cat_cols, user_num_cols, item_cat_cols : the columns you expect; a mismatch with the artifacts is an error.
    device : "cpu", or "cuda" where onnxruntime has it.
    """

    def __init__(
        self,
        model_path: str | Path,
        artifacts_path: str | Path,
        assets_path: str | Path,
        user_cat_cols: Sequence[str] | None = None,
        user_num_cols: Sequence[str] | None = None,
        item_cat_cols: Sequence[str] | None = None,
        device: str = "cpu",
    ):
        assets = Path(assets_path)
        model = Path(model_path)
        self.inference = Inference(
            model=model if model.is_dir() else model.parent,
            artifacts=Path(artifacts_path),
            items=assets / "items.parquet",
            device=device,
        )
        schema = self.inference.schema
        expected = (
            ("user_cat_cols", user_cat_cols, schema.user_categorical),
            ("user_num_cols", user_num_cols, schema.user_numerical),
            ("item_cat_cols", item_cat_cols, schema.item_categorical),
        )
        for name, given, own in expected:
            if given is not None and set(given) != set(own):
                raise BundleError(f"{name} is {list(given)}, but the model was trained with {list(own)}.")
        try:
            users = pq.read_table(assets / "users.parquet")
            self._first_row = np.load(assets / "history_first_row.npy")
            self._item = np.load(assets / "history_item.npy", mmap_mode="r")
            self._time = np.load(assets / "history_time.npy", mmap_mode="r")
            self._rating = np.load(assets / "history_rating.npy", mmap_mode="r")
            items = pq.read_table(assets / "items.parquet", columns=["available"])
        except Exception as error:
            raise BundleError(f"The assets at {assets} cannot be opened: {error}") from error
        self.user_keys: list[str] = users["user"].to_pylist()
        self._row_of_user = {key: row for row, key in enumerate(self.user_keys)}
        columns = {f: users[f].to_numpy(zero_copy_only=False) for f in schema.user_fields}
        self._ids, self._numbers = self.inference.encoders.encode_users(columns, len(self.user_keys))
        self._available = items["available"].to_numpy(zero_copy_only=False).astype(bool)
        self._index = Index(self.inference.items.rank)

    @classmethod
    def from_bundle(cls, path: str | Path, **options: Any) -> StandaloneRecommender:
        """The same, found inside one bundle, whose manifest is checked first."""
        bundle = Path(path)
        read_manifest(bundle)
        return cls(
            model_path=bundle / "model",
            artifacts_path=bundle / "artifacts.json",
            assets_path=bundle / "assets",
            **options,
        )

    # --- lists ---

    def recommend_for_user(
        self, customer_id: str | int, top_k: int = 5, exclude_purchased: bool = True
    ) -> list[Recommendation]:
        """The list of a customer known at training; a key never seen gets the list of an empty profile."""
        return self.recommend_for_users([customer_id], top_k, exclude_purchased)[0]

    def recommend_for_new_user(self, profile: Profile, top_k: int = 5) -> list[Recommendation]:
        """A list from a bare profile. Any field may be missing or hold a value never seen; a wrong type is an error."""
        users = self.inference.encode_users([Person(self.inference.check_profile(profile))])
        return self._lists(users, top_k, [np.zeros(0, np.int64)])[0]

    def recommend_for_users(
        self, ids: Sequence[str | int], top_k: int = 5, exclude_purchased: bool = True
    ) -> list[list[Recommendation]]:
        """The lists of many customers, in the order of `ids`."""
        found: list[list[Recommendation]] = []
        for part in _parts(list(ids), 1024):
            rows = np.array([self._row_of_user.get(str(i), -1) for i in part], dtype=np.int64)
            bought = [self._bought(r) if exclude_purchased else np.zeros(0, np.int64) for r in rows]
            found += self._lists(self._stored(rows), top_k, bought)
        return found

    def stream(self, ids: Sequence[str], top_k: int, exclude_purchased: bool = True) -> Iterator[dict[str, list[Any]]]:
        """Lists of any number of customers as columns user, item, rank, score, rating, a part at a time."""
        for part in _parts(list(ids), 1024):
            columns: dict[str, list[Any]] = {n: [] for n in ("user", "item", "rank", "score", "rating")}
            for user, listed in zip(part, self.recommend_for_users(part, top_k, exclude_purchased), strict=True):
                for rank, r in enumerate(listed, 1):
                    for name, value in zip(columns, (user, r.item, rank, r.score, r.rating), strict=True):
                        columns[name].append(value)
            yield columns

    # --- ratings ---

    def predict_rating(self, user: str | int | Profile, item: str | int | Profile) -> float:
        """The rating, 0 to 5, that a customer (key or profile) would give an item (key or features)."""
        if isinstance(user, Mapping):
            users = self.inference.encode_users([Person(self.inference.check_profile(user))])
        else:
            users = self._stored(np.array([self._row_of_user.get(str(user), -1)]))
        if isinstance(item, Mapping):
            items = self.inference.encode_items([self.inference.check_item(item)])
        elif str(item) in self.inference.row_of:
            items = self.inference.items[np.array([self.inference.row_of[str(item)]])]
        else:
            raise EngineError(f"The model knows no item {item!r}; describe it by its features to place it.")
        return float(self.inference.ratings(users, items)[0, 0])

    # --- within ---

    def _bought(self, row: int) -> np.ndarray:
        if row < 0:
            return np.zeros(0, np.int64)
        return np.asarray(self._item[self._first_row[row] : self._first_row[row + 1]])

    def _stored(self, rows: np.ndarray) -> Vectors:
        """Vectors of customers by row; -1 is somebody of whom nothing is known."""
        histories = []
        for row in rows:
            a, b = (self._first_row[row], self._first_row[row + 1]) if row >= 0 else (0, 0)
            a = max(a, b - self.inference.max_history - 1)
            histories.append((np.asarray(self._item[a:b], np.int64), self._time[a:b], self._rating[a:b]))
        known = np.array([len(self._bought(r)) for r in rows], dtype=np.float32)
        nobody = Person({})
        ids, numbers = self._ids[rows], self._numbers[rows]
        if (rows < 0).any():
            columns = self.inference.encoders.profile_columns([self.inference.with_derived(nobody)])
            own_ids, own_numbers = self.inference.encoders.encode_users(columns, 1)
            ids, numbers = np.where(rows[:, None] < 0, own_ids, ids), np.where(rows[:, None] < 0, own_numbers, numbers)
        inputs = UserInputs.of(histories, known, ids, numbers.astype(np.float32), self.inference.max_history)
        return self.inference.run_users(inputs)

    def _lists(self, users: Vectors, top_k: int, bought: list[np.ndarray]) -> list[list[Recommendation]]:
        if top_k < 1:
            raise EngineError(f"top_k is {top_k}; it must be 1 or more.")
        rows, scores = self._index.top_k(users.rank, top_k, mask=self._available, exclude=bought)
        keys, lists = self.inference.item_keys, []
        for u in range(len(users)):
            listed = rows[u][rows[u] >= 0]
            ratings = self.inference.ratings(users[u : u + 1], self.inference.items[listed])[0]
            lists.append(
                [
                    Recommendation(keys[i], float(s), float(r))
                    for i, s, r in zip(listed, scores[u], ratings, strict=False)
                ]
            )
        return lists


def _parts(ids: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
