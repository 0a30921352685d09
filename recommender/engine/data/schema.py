"""Which columns are what. Read from and written to `schema.json` of a snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recommender.engine.errors import SnapshotError

TAKES = ("count", "sum", "latest")
LISTS = ("user_categorical", "user_numerical", "item_categorical", "item_numerical", "item_text", "item_multi")


@dataclass(frozen=True)
class Derived:
    """A user feature computed from the person's interactions before the moment being predicted, never after.

    take : "count" of them, "sum" of `column`, or the value of `column` on the "latest" one.
    """

    take: str
    column: str | None = None

    def __post_init__(self) -> None:
        if self.take not in TAKES:
            raise SnapshotError(f"A derived feature takes {self.take!r}; it must be one of {', '.join(TAKES)}.")
        if (self.take == "count") != (self.column is None):
            raise SnapshotError(f"A derived feature that takes {self.take!r} has column {self.column!r}.")


@dataclass(frozen=True)
class Schema:
    """The features of users and items, in the order the model reads them.

    user_categorical, user_numerical, item_categorical : column names; derived features are named there too.
    item_numerical, item_text, item_multi : columns of the items with numbers, with words, with several values.
    item_vector : the column of the items with vectors of one length, made elsewhere, where there is one.
    derived : the user features that come from interactions, by name.
    aliases : other spellings under which profiles and item descriptions may name a field -> its name here.
    item_available : the bool column of the items that says whether an item may be listed, where there is one.
    row_id : the column, in any of the three tables, by which a row that is left out is named, where there is one.
    """

    user_categorical: tuple[str, ...] = ()
    user_numerical: tuple[str, ...] = ()
    item_categorical: tuple[str, ...] = ()
    item_numerical: tuple[str, ...] = ()
    item_text: tuple[str, ...] = ()
    item_multi: tuple[str, ...] = ()
    item_vector: str | None = None
    derived: Mapping[str, Derived] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    item_available: str | None = None
    row_id: str | None = None

    def __post_init__(self) -> None:
        for name in self.derived:
            if name not in self.user_fields:
                raise SnapshotError(f"The derived feature {name!r} is neither in user_categorical nor user_numerical.")
        repeated = {n for n in self.user_fields if self.user_fields.count(n) > 1}
        if repeated:
            raise SnapshotError(f"User features named twice: {', '.join(sorted(repeated))}.")
        texts = [n for n in self.item_text if n not in self.item_categorical]  # a name may be read as both
        others = [*self.item_numerical, *self.item_multi, *([self.item_vector] if self.item_vector else [])]
        named = [*self.item_categorical, *texts, *others]
        repeated = {n for n in named if named.count(n) > 1}
        if repeated:
            raise SnapshotError(f"Item features named twice: {', '.join(sorted(repeated))}.")

    @property
    def user_fields(self) -> tuple[str, ...]:
        return self.user_categorical + self.user_numerical

    @property
    def item_fields(self) -> tuple[str, ...]:
        """Every column of the items that is a feature, once."""
        return tuple(dict.fromkeys((*self.item_categorical, *self.content_fields)))

    @property
    def content_fields(self) -> tuple[str, ...]:
        """The columns of the items that are read as content (content.py)."""
        vector = (self.item_vector,) if self.item_vector else ()
        return (*self.item_numerical, *self.item_text, *self.item_multi, *vector)

    @property
    def interaction_columns(self) -> tuple[str, ...]:
        """The columns of an interaction that derived features read."""
        return tuple(dict.fromkeys(d.column for d in self.derived.values() if d.column is not None))

    def numeric_interaction_columns(self) -> set[str]:
        return {d.column for n, d in self.derived.items() if d.column and (d.take == "sum" or n in self.user_numerical)}

    def to_dict(self) -> dict[str, Any]:
        return {
            **{name: list(getattr(self, name)) for name in LISTS},
            "item_vector": self.item_vector,
            "derived": {n: {k: v for k, v in vars(d).items() if v is not None} for n, d in self.derived.items()},
            "aliases": dict(self.aliases),
            "item_available": self.item_available,
            "row_id": self.row_id,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Schema:
        if not isinstance(values, Mapping):
            raise SnapshotError("schema.json must hold one JSON object.")
        columns: dict[str, tuple[str, ...]] = {}
        for name in LISTS:
            given = values.get(name, [])
            if not isinstance(given, list) or not all(isinstance(v, str) for v in given):
                raise SnapshotError(f"schema.json: {name} must be a list of column names, not {given!r}.")
            columns[name] = tuple(given)
        try:
            derived = {n: Derived(**d) for n, d in (values.get("derived") or {}).items()}
        except (TypeError, AttributeError) as error:
            raise SnapshotError(f"schema.json: derived is malformed: {error}.") from None
        return cls(
            **columns,
            derived=derived,
            item_vector=_column(values, "item_vector"),
            aliases=dict(values.get("aliases") or {}),
            item_available=values.get("item_available"),
            row_id=values.get("row_id"),
        )

    @classmethod
    def read(cls, folder: Path) -> Schema:
        path = Path(folder) / "schema.json"
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise SnapshotError(f"{path} is missing: a snapshot holds schema.json beside its three tables.") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise SnapshotError(f"{path} is not JSON: {error}.") from None

    def write(self, folder: Path) -> None:
        (Path(folder) / "schema.json").write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")


def _column(values: Mapping[str, Any], name: str) -> str | None:
    given = values.get(name)
    if given is not None and not isinstance(given, str):
        raise SnapshotError(f"schema.json: {name} must be the name of one column, not {given!r}.")
    return given or None
