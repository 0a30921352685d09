"""A trained model at work: numpy and onnxruntime, no torch, no database. Web processes and the standalone share it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort

from recommender.engine.bundle.manifest import WEIGHTS, read_manifest
from recommender.engine.bundle.neighbours import CONTENT, QUESTIONS
from recommender.engine.bundle.rater import Rater
from recommender.engine.bundle.repeats import REPEATS, Repeats
from recommender.engine.data.derived import with_derived
from recommender.engine.data.encoders import Encoders, Reader, item_readers, profile_readers
from recommender.engine.data.inputs import ANSWER, EVENTS, ItemVectors, UserInputs, Vectors, mapped
from recommender.engine.data.schema import Schema
from recommender.engine.errors import BundleError, InferenceError, ProfileError, quoted


class Interaction(NamedTuple):
    """One purchase in a history. time : Unix seconds. values : the columns that derived features read."""

    item: str
    time: float
    rating: float | None = None
    quantity: float = 1.0
    values: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True)
class Person:
    """What is known of somebody: any part of a profile, and purchases, oldest first.

    Derived features (counts, sums, latest values) are computed from the history unless the profile holds them: who
    passes only the last purchases of many passes the totals in the profile, and in `purchases` how many there are.
    """

    profile: Mapping[str, object]
    history: Sequence[Interaction] = ()
    purchases: int | None = None


class Inference:
    """The towers of one bundle with its encoders and item vectors. Safe to use from many threads.

    item_keys : list of str; items : Vectors of the same order.
    max_history : purchases of a person that are read, the latest ones.
    repeats : what people come back to; None where nobody buys anything twice.
    """

    def __init__(
        self,
        *,
        model: Path,
        artifacts: Path,
        manifest: dict[str, Any] | None = None,
        device: str = "cpu",
    ):
        try:
            saved = json.loads(Path(artifacts).read_text(encoding="utf-8"))
            self.encoders = Encoders.read(Path(artifacts))
            self.max_history: int = saved["reads"]
            self._of_lists: int = saved["max_history"]
            self.item_keys: list[str] = saved["items"]
            model = Path(model)
            self.items = Vectors(*(mapped(model / f"item_{name}.npy") for name in ("rank", "rate", "trace")))
            self._history, self._user_tower = (_session(model / f"{n}.onnx", device) for n in ("history", "user_tower"))
            self._rater = Rater.open(model / "rater.npz")
            self.repeats = Repeats.open(model / REPEATS)
            self._questions_file, self._content_file = model / QUESTIONS, model / CONTENT
            self._item_tower_file, self._device = model / "item_tower.onnx", device
        except BundleError:
            raise
        except Exception as error:
            raise BundleError(f"The model at {model} cannot be opened: {error}") from error
        self.manifest = manifest or {}
        self.row_of = {key: row for row, key in enumerate(self.item_keys)}
        if len(self.items) != len(self.item_keys):
            raise BundleError(f"The model has {len(self.items)} item vectors for {len(self.item_keys)} items.")
        self._state_width: int = self._history.get_outputs()[0].shape[-1]
        self._user_inputs = {i.name for i in self._user_tower.get_inputs()}
        self._try_out()

    @classmethod
    def open(cls, bundle: Path, weights: str = "served", device: str = "cpu") -> Inference:
        """The model of a bundle. weights : "served" (learned from everything) or "judged" (without the held-out)."""
        bundle = Path(bundle)
        manifest = read_manifest(bundle)
        return cls(
            model=bundle / WEIGHTS[weights],
            artifacts=bundle / "artifacts.json",
            manifest=manifest,
            device=device,
        )

    @cached_property
    def _item_tower(self) -> ort.InferenceSession:
        """Opened when there is an item to place: it holds a copy of every known item's numbers, and often none is."""
        try:
            return _session(self._item_tower_file, self._device)
        except Exception as error:
            raise InferenceError(f"The item tower cannot be opened: {error}") from error

    @cached_property
    def questions(self) -> np.ndarray:
        """float32 [items, width + 1]: which items go with each (neighbours.py)."""
        try:
            return mapped(self._questions_file)
        except FileNotFoundError:
            raise InferenceError("The model does not say what goes with each item: train again.") from None
        except Exception as error:
            raise InferenceError(f"What goes with each item cannot be read: {error}") from error

    @cached_property
    def content(self) -> np.ndarray:
        """float32 [items, C]: what the model's own items say of themselves; C is 0 where that is nothing."""
        if not self.encoders.content.width:
            return np.zeros((len(self.items), 0), np.float32)
        try:
            return mapped(self._content_file)
        except Exception as error:
            raise InferenceError(f"What items say of themselves cannot be read: {error}") from error

    @property
    def schema(self) -> Schema:
        return self.encoders.schema

    @property
    def has_ratings(self) -> bool:
        """Whether the model learned from any rating. A model that did not predicts none."""
        return self._rater.has_ratings

    def _try_out(self) -> None:
        """Let the user tower answer once: a model that cannot is refused here, and no visitor is the first."""
        bought = [Interaction(key, time=0.0, rating=5.0) for key in self.item_keys[:1]]
        try:
            self.encode_users([Person({}, bought), Person({})])
        except InferenceError as error:
            raise BundleError(f"The model opens but does not work. {error}") from error

    # --- people ---

    def check_profile(self, profile: Mapping[str, object]) -> dict[str, object]:
        """The profile under the model's own field names. Raises ProfileError naming a field or value that is wrong."""
        return self._checked("a profile", profile, profile_readers(self.schema))

    def check_item(self, features: Mapping[str, object]) -> dict[str, object]:
        """An item description under the model's own names. Raises ProfileError like `check_profile`."""
        return self._checked("an item", features, item_readers(self.schema))

    def _checked(self, what: str, fields: Mapping[str, object], readers: Mapping[str, Reader]) -> dict[str, object]:
        if not isinstance(fields, Mapping):
            raise ProfileError(what.split()[1], f"{quoted(fields)} is not a mapping of fields to values.")
        checked: dict[str, object] = {}
        for given, value in fields.items():
            name = self.schema.aliases.get(given, given)
            if name not in readers:
                known = ", ".join(readers) or "none"
                raise ProfileError(given, f"this model knows no such field of {what}; it knows {known}.")
            read = readers[name](given, value)
            checked[name] = None if read != read else read  # nan: missing
        return checked

    def encode_users(
        self, people: Sequence[Person], items: ItemVectors | None = None, row_of: Mapping[str, int] | None = None
    ) -> Vectors:
        """Vectors of people. Purchases of items that are in neither the model nor `items` are passed over.

        items, row_of : a wider catalog than the model's own (its items and newer ones), where there is one.
        """
        return self.run_users(self.inputs(people, row_of), items)

    def inputs(self, people: Sequence[Person], row_of: Mapping[str, int] | None = None) -> UserInputs:
        """People in numbers, as the user tower reads them."""
        items = self.row_of if row_of is None else row_of
        # Somebody with and without a field of their profile has one history, which is read once.
        read = {id(person.history): in_numbers(person.history, items) for person in people}
        histories = [read[id(person.history)] for person in people]
        profiles = [self.with_derived(person) for person in people]
        known = [float(len(p.history) if p.purchases is None else p.purchases) for p in people]
        ids, numbers = self.encoders.encode_users(self.encoders.profile_columns(profiles), len(people))
        return UserInputs.of(histories, np.array(known), ids, numbers, self.max_history)

    def run_users(self, inputs: UserInputs, items: ItemVectors | None = None) -> Vectors:
        """Vectors of people already in numbers; `items` are the vectors that the rows of their histories mean."""
        rank = self.run_lists(inputs, items)
        return Vectors.of_people(rank, self.run_ratings(inputs, items))

    def run_lists(
        self, inputs: UserInputs, items: ItemVectors | None = None, whole: np.ndarray | None = None
    ) -> np.ndarray:
        """The ranking vectors alone, float32 [B, d].

        whole : int64 [B], for each the row of the same person with everything that is known of them (their own, for
        these): what both bought before the first difference is read once. It changes no answer.
        """
        items = self.items if items is None else items
        if len(inputs) == 0:  # onnxruntime aborts the whole process on a recurrent layer's empty batch
            return np.zeros((0, items.rank.shape[1]), np.float32)
        latest = inputs.latest(self._of_lists)
        feed = latest.feed(items, ANSWER) | {"state": self._last_states(latest, items, whole)}
        (rank,) = _run(self._user_tower, {name: feed[name] for name in self._user_inputs})
        if rank.shape[1] != items.rank.shape[1]:
            raise InferenceError("The user tower's vectors are not as wide as the items'.")
        return rank

    def run_ratings(self, inputs: UserInputs, items: ItemVectors | None = None) -> np.ndarray:
        """The rating vectors of people, float32 [B, ...]."""
        items = self.items if items is None else items
        rate = self._rater.vectors(inputs, items.rate)
        if rate.shape[1] != items.rate.shape[1] or not np.isfinite(rate).all():
            raise InferenceError("The ratings' vectors are not as wide as the items', or not of numbers.")
        return rate

    def _last_states(self, people: UserInputs, items: ItemVectors, whole: np.ndarray | None) -> np.ndarray:
        """float32 [B, dim], what is known after each person's last purchase."""
        last_states = np.zeros((len(people), self._state_width), np.float32)
        if whole is None:
            if people.length.any():  # or there is nothing to read
                states = self._states(people, items, last_states)
                last_states = states[np.arange(len(people)), people.length - 1] * (people.length > 0)[:, None]
            return last_states
        own = np.flatnonzero(whole == np.arange(len(whole)))
        states = self._states(people.since(own), items, last_states[own])
        shared = people.shared_with(whole)
        some = np.flatnonzero(shared)
        last_states[some] = states[np.searchsorted(own, whole[some]), shared[some] - 1]
        apart = np.flatnonzero(shared < people.length)
        if len(apart):
            rest = people.since(apart, shared[apart])
            last_states[apart] = self._states(rest, items, last_states[apart])[np.arange(len(apart)), rest.length - 1]
        return last_states

    def _states(self, people: UserInputs, items: ItemVectors, before: np.ndarray) -> np.ndarray:
        """float32 [B, L, dim], what is known after each purchase."""
        return _run(self._history, people.feed(items, EVENTS) | {"before": before})[0]

    def with_derived(self, person: Person) -> dict[str, object]:
        """The profile under the model's own field names, with the derived features that it lacks."""
        return with_derived(self.schema, person.profile, [event.values for event in person.history])

    # --- items ---

    def encode_items(self, features: Sequence[Mapping[str, object]]) -> Vectors:
        """Vectors of items never seen in training, placed by their features."""
        return self.run_items(np.full(len(features), -1, dtype=np.int64), *self.encode_described(features))

    def encode_described(self, features: Sequence[Mapping[str, object]]) -> tuple[np.ndarray, np.ndarray]:
        """Items in numbers: categories int64 [n, features], content float32 [n, width]."""
        columns = self.encoders.item_columns(features)
        return self.encoders.encode_items(columns, len(features)), self.encoders.content.encode(columns, len(features))

    def run_items(self, rows: np.ndarray, ids: np.ndarray, content: np.ndarray) -> Vectors:
        """Vectors of items in numbers: rows int64 [n] (-1: unknown), the rest as `encode_described` gives it."""
        feed = {"row": rows, "features": ids, "content": content}
        wanted = [i.name for i in self._item_tower.get_inputs()]
        return Vectors(*_run(self._item_tower, {name: feed[name] for name in wanted}))

    def ratings(self, users: Vectors, items: Vectors) -> np.ndarray:
        """Predicted ratings, float32 [users, items], 0 to 5; nan where the model learned from no rating."""
        if not self.has_ratings:
            return np.full((len(users), len(items)), np.nan, np.float32)
        return 5 / (1 + np.exp(-(users.rate @ items.rate.T)))

    def ratings_in_lists(self, users: Vectors, rows: np.ndarray) -> np.ndarray:
        """Predicted ratings of each user's own items, float32 [users, k], 0 to 5; nan where the model learned from no
        rating. rows : int64 [users, k]."""
        if not self.has_ratings:
            return np.full(rows.shape, np.nan, np.float32)
        return 5 / (1 + np.exp(-np.einsum("ur,ukr->uk", users.rate, self.items.rate[rows])))


def in_numbers(history: Sequence[Interaction], items: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of items int64 [n], times float64 [n] and ratings float32 [n] of the purchases of items that have a row."""
    events = [(row, event.time, event.rating) for event in history if (row := items.get(event.item)) is not None]
    rows, times, ratings = zip(*events, strict=True) if events else ((), (), ())
    return np.array(rows, np.int64), np.array(times, np.float64), np.array(ratings, np.float32)


def _run(tower: ort.InferenceSession, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    """A tower's answer. InferenceError where it gives none, or one that is not of numbers."""
    try:
        answer = tower.run(None, feed)
    except Exception as error:  # onnxruntime's have no common class
        raise InferenceError(f"The model does not answer: {error}") from error
    if not all(np.isfinite(part).all() for part in answer):
        raise InferenceError("The model answers with what is not a number.")
    return answer


def _session(path: Path, device: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a web process has many threads, each its request
    options.enable_cpu_mem_arena = False  # it keeps 10 MB for the next answer, and makes none faster
    options.log_severity_level = 4
    if device == "cpu":
        providers = ["CPUExecutionProvider"]
    elif device == "cuda" and "CUDAExecutionProvider" in ort.get_available_providers():
        providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    else:
        raise BundleError(f"The device {device!r} is not available here; use 'cpu'.")
    return ort.InferenceSession(str(path), options, providers=providers)
