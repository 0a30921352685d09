"""A recommender in files: no Django, no database, no torch. onnxruntime, numpy and pyarrow are all it needs."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq

from recommender.engine.bundle.inference import Inference, Person
from recommender.engine.bundle.manifest import read_manifest
from recommender.engine.bundle.neighbours import Neighbours, feature_codes
from recommender.engine.bundle.retrieval import Index
from recommender.engine.data.encoders import as_text
from recommender.engine.data.inputs import UserInputs, Vectors, mapped
from recommender.engine.errors import BundleError, EngineError

Profile = Mapping[str, object]
Purchased = Literal["excluded", "included", "only"]

USERS_AT_ONCE = 4096  # in one part of a stream, and rows of their table read at a time
TOWER_USERS = 64  # in one pass of the user tower
AHEAD = 4  # parts of a stream that are under way, so that memory stays what it is however many follow


@dataclass(frozen=True)
class Recommendation:
    """One item of a list. score : higher is better, comparable within one list. rating : predicted, 0 to 5; None where
    the model learned from no rating, and in a list that is nobody's."""

    item: str
    score: float
    rating: float | None


@dataclass(frozen=True)
class InterestedUser:
    """One user who wants an item. score : the logarithm of the share that the item has in all that the user wants,
    comparable over users. rating : as in a list."""

    user: str
    score: float
    rating: float | None


@dataclass(frozen=True)
class Lists:
    """The lists of some customers. users : keys [B].   items : object [B, k], keys, None where nothing is left to list.
    scores, ratings : float32 [B, k]; all ratings are nan where the model learned from none.
    """

    users: Sequence[str]
    items: np.ndarray
    scores: np.ndarray
    ratings: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    def __iter__(self) -> Iterator[list[Recommendation]]:
        for row in zip(self.items.tolist(), self.scores.tolist(), self.ratings.tolist(), strict=True):
            yield [
                Recommendation(item, s, r if r == r else None)  # nan: the model learned from no rating
                for item, s, r in zip(*row, strict=True)
                if item is not None
            ]

    def columns(self) -> dict[str, np.ndarray]:
        """user, item, rank (from 1), score and rating, a row for each listed item."""
        listed = self.items != None  # noqa: E711
        user, place = np.nonzero(listed)
        return {
            "user": np.array(self.users, dtype=object)[user],
            "item": self.items[listed],
            "rank": (place + 1).astype(np.int32),
            "score": self.scores[listed],
            "rating": self.ratings[listed],
        }


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
            self.user_keys, self._ids, self._numbers = self._read_users(assets / "users.parquet")
            self._first_row = np.load(assets / "history_first_row.npy")
            self._item = mapped(assets / "history_item.npy")
            self._time = mapped(assets / "history_time.npy")
            self._rating = mapped(assets / "history_rating.npy")
            items = pq.read_table(assets / "items.parquet", columns=["available", *schema.item_categorical])
        except Exception as error:
            raise BundleError(f"The assets at {assets} cannot be opened: {error}") from error
        self._row_of_user = {key: row for row, key in enumerate(self.user_keys)}
        nobody = self.inference.encoders.profile_columns([self.inference.with_derived(Person({}))])
        self._nobody = self.inference.encoders.encode_users(nobody, 1)
        self._available = items["available"].to_numpy(zero_copy_only=False).astype(bool)
        self._item_keys = np.array([*self.inference.item_keys, None], dtype=object)  # row -1 is no item
        self._index = Index(self.inference.items.rank)
        fields = schema.item_categorical
        columns = {name: items[name].to_pylist() for name in fields}
        codes, self._code_of = feature_codes(columns, fields, len(self.inference.items))
        content = self.inference.encoders.content
        self._neighbours = Neighbours(
            self.inference, self.inference.items, codes, self.inference.content, content.shared_parts
        )

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
        """The list of a customer known at training; a key never seen gets the list of an empty profile.

        exclude_purchased : False for what they are likeliest to buy next, bought before or not.
        """
        return self.recommend_for_users([customer_id], top_k, exclude_purchased)[0]

    def recommend_for_new_user(self, profile: Profile, top_k: int = 5) -> list[Recommendation]:
        """A list from a bare profile. Any field may be missing or hold a value never seen; a wrong type is an error."""
        users = self.inference.encode_users([Person(self.inference.check_profile(profile))])
        (listed,) = self._lists([""], users, top_k, None)
        return listed

    def recommend_for_users(
        self, ids: Sequence[str | int], top_k: int = 5, exclude_purchased: bool = True
    ) -> list[list[Recommendation]]:
        """The lists of many customers, in the order of `ids`."""
        keys = [_key("customer", key) for key in ids]
        purchased: Purchased = "excluded" if exclude_purchased else "included"
        return [listed for part in _parts(keys) for listed in self._lists_of(part, top_k, purchased)]

    def buy_again(self, user: str | int, top_k: int = 10) -> list[Recommendation]:
        """What a customer bought before and is due to buy again as of the latest purchase of anybody, the likeliest
        first; nothing where nobody buys anything twice. Scores are logarithms of likelihoods."""
        (listed,) = self._lists_of([_key("user", user)], top_k, "only")
        return listed

    def stream(self, ids: Sequence[str], top_k: int, purchased: Purchased = "excluded") -> Iterator[Lists]:
        """The lists of any number of customers in the order of `ids`, some thousands at a time, on every processor.

        purchased : "excluded" for what they have not bought, "included" for what they buy next, bought before or not,
        "only" for what they are due to buy again.
        """
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            waiting: deque[Future[Lists]] = deque()
            for part in _parts(ids):
                waiting.append(pool.submit(self._lists_of, part, top_k, purchased))
                if len(waiting) == AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def similar(self, item: str | int | Profile, top_k: int = 10) -> list[Recommendation]:
        """The items that go best with one, named by its key or described by its features; no ratings.

        EngineError for an item that the model does not know, a field it does not know, or a value of the wrong type.
        """
        _check_top_k(top_k)
        if isinstance(item, Mapping):
            features = self.inference.check_item(item)
            pairs = zip(self.inference.schema.item_categorical, self._code_of, strict=True)
            codes = np.array([code_of.get(str(features.get(name) or ""), 0) for name, code_of in pairs])
            _, content = self.inference.encode_described([features])
            nearest = self._neighbours.nearest_to_described
            rows, scores = nearest(codes, content[0], self._index, top_k, self._available)
        else:
            row = self._item_row(item)
            rows, scores = self._neighbours.nearest(row, self._index, top_k, self._available)
        listed = zip(self._item_keys[rows].tolist(), scores.tolist(), strict=True)
        return [Recommendation(key, score, None) for key, score in listed]

    def recommend_users(
        self, item: str | int | Profile, top_k: int = 100, exclude_purchased: bool = True
    ) -> list[InterestedUser]:
        """The customers known at training who want an item most, named by its key or described by its features.

        All customers pass, some thousands at a time. EngineError as for `similar`.
        """
        _check_top_k(top_k)
        wanted, row = self._item_vectors(item), -1 if isinstance(item, Mapping) else self._item_row(item)
        best_rows, scores, ratings = np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.float32)
        for start in range(0, len(self.user_keys), USERS_AT_ONCE):
            rows = np.arange(start, min(start + USERS_AT_ONCE, len(self.user_keys)))
            if exclude_purchased and row >= 0:
                rows = rows[[row not in self._bought(user) for user in rows.tolist()]]
            if not len(rows):
                continue
            users = self.vectors(rows)
            rows = np.concatenate([best_rows, rows])
            scores = np.concatenate([scores, (users.rank @ wanted.rank[0]) - self._index.log_totals(users.rank)])
            ratings = np.concatenate([ratings, self.inference.ratings(users, wanted)[:, 0]])
            kept = np.lexsort((rows, -scores))[:top_k]
            best_rows, scores, ratings = rows[kept], scores[kept], ratings[kept]
        found = zip(best_rows.tolist(), scores.tolist(), ratings.tolist(), strict=True)
        return [InterestedUser(self.user_keys[row], s, r if r == r else None) for row, s, r in found]

    # --- ratings ---

    def predict_rating(self, user: str | int | Profile, item: str | int | Profile) -> float | None:
        """The rating, 0 to 5, that a customer (key or profile) would give an item (key or features); None where the
        model learned from no rating.

        A customer never seen rates as an empty profile would. EngineError for an item that the model does not know, a
        field it does not know, or a value of the wrong type.
        """
        if isinstance(user, Mapping):
            users = self.inference.encode_users([Person(self.inference.check_profile(user))])
        else:
            users = self.vectors(np.array([self._row_of_user.get(_key("user", user), -1)]))
        items = self._item_vectors(item)
        return float(self.inference.ratings(users, items)[0, 0]) if self.inference.has_ratings else None

    # --- people ---

    def vectors(self, rows: np.ndarray) -> Vectors:
        """Vectors of customers by row; -1 is somebody of whom nothing is known."""
        unknown = rows < 0
        first, end = (np.where(unknown, 0, self._first_row[rows + n]) for n in (0, 1))
        known, start = end - first, np.maximum(first, end - self.inference.max_history - 1)
        ids, numbers = self._ids[rows], self._numbers[rows]
        ids[unknown], numbers[unknown] = self._nobody
        items = self.inference.items
        vectors = Vectors.of_people(
            np.empty((len(rows), items.rank.shape[1]), np.float32),
            np.empty((len(rows), items.rate.shape[1]), np.float32),
        )
        # Histories of like length together: a batch is padded to its longest.
        by_length = np.argsort(end - start, kind="stable")
        for part in np.array_split(by_length, len(rows) // TOWER_USERS + 1):
            histories = [
                (self._item[a:b], self._time[a:b], self._rating[a:b])
                for a, b in zip(start[part], end[part], strict=True)
            ]
            inputs = UserInputs.of(histories, known[part], ids[part], numbers[part], self.inference.max_history)
            users = self.inference.run_users(inputs)
            vectors.rank[part], vectors.rate[part] = users.rank, users.rate
        return vectors

    # --- within ---

    def _read_users(self, path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Keys, and what the encoders make of the profiles: ids int64 [n, fields], numbers float32 [n, ...]."""
        encoders, keys, ids, numbers = self.inference.encoders, [], [], []
        for batch in pq.ParquetFile(path).iter_batches(USERS_AT_ONCE):
            columns = {f: batch[f].to_numpy(zero_copy_only=False) for f in self.inference.schema.user_fields}
            encoded = encoders.encode_users(columns, len(batch))
            keys += batch["user"].to_pylist()
            ids.append(encoded[0])
            numbers.append(encoded[1])
        return keys, np.concatenate(ids), np.concatenate(numbers)

    def _item_row(self, item: str | int) -> int:
        row = self.inference.row_of.get(_key("item", item))
        if row is None:
            raise EngineError(f"The model knows no item {item!r}; describe it by its features to place it.")
        return row

    def _item_vectors(self, item: str | int | Profile) -> Vectors:
        """Vectors of one."""
        if isinstance(item, Mapping):
            return self.inference.encode_items([self.inference.check_item(item)])
        return self.inference.items[np.array([self._item_row(item)])]

    def _lists_of(self, keys: Sequence[str], top_k: int, purchased: Purchased) -> Lists:
        _check_top_k(top_k)
        rows = np.array([self._row_of_user.get(key, -1) for key in keys], dtype=np.int64)
        users, repeats = self.vectors(rows), self.inference.repeats
        if purchased == "excluded" or (purchased == "included" and repeats is None):
            bought = [self._bought(row) for row in rows] if purchased == "excluded" else None
            return self._lists(keys, users, top_k, bought)
        histories = [(self._item[own], self._time[own]) for own in map(self._purchases, rows.tolist())]
        if purchased == "included" and repeats is not None:
            found = repeats.top_k(self._index, users.rank, top_k, self._available, histories)
        elif repeats is not None:
            found = repeats.buy_again(top_k, self._available, histories, float(self._time.max(initial=0)))
        else:
            found = np.full((len(rows), top_k), -1), np.full((len(rows), top_k), -np.inf, np.float32)
        return self._named(keys, users, *found)

    def _bought(self, row: int) -> np.ndarray:
        """Rows of the items that a customer bought; of nobody, for -1."""
        return self._item[self._purchases(row)]

    def _purchases(self, row: int) -> slice:
        """The purchases of a customer among those of all."""
        return slice(*self._first_row[row : row + 2].tolist()) if row >= 0 else slice(0)

    def _lists(self, keys: Sequence[str], users: Vectors, top_k: int, bought: list[np.ndarray] | None) -> Lists:
        _check_top_k(top_k)
        rows, scores = self._index.top_k(users.rank, top_k, mask=self._available, exclude=bought)
        return self._named(keys, users, rows, scores)

    def _named(self, keys: Sequence[str], users: Vectors, rows: np.ndarray, scores: np.ndarray) -> Lists:
        ratings = self.inference.ratings_in_lists(users, rows)
        return Lists(keys, self._item_keys[rows], scores, ratings)


def _check_top_k(top_k: object) -> None:
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise EngineError(f"top_k is {top_k!r}; it must be a whole number, 1 or more.")


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), USERS_AT_ONCE):
        yield keys[start : start + USERS_AT_ONCE]


def _key(what: str, given: object) -> str:
    """A key as text: whole numbers are keys, too, also where a table with gaps has made 12345.0 of 12345."""
    whole = isinstance(given, float | np.floating) and float(given).is_integer()
    if isinstance(given, bool) or not (isinstance(given, str | Integral) or whole):
        raise EngineError(f"The {what} is {given!r}; a key is text or a whole number.")
    return as_text(what, given)
