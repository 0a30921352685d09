"""The users of a snapshot in vectors, made when the model was: who did nothing since need not pass the user tower.

A user is found by all that the tower reads of them (`Inference.signature`), never by their key. Whoever bought
something since, or changed their profile, is told differently and not found: nothing here can be out of date.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recommender.engine.inputs import Vectors

if TYPE_CHECKING:
    from recommender.engine.inference import Inference, Person

AT_ONCE = 64  # in one pass of the user tower


@dataclass(frozen=True)
class UserVectors:
    """signature : uint64 [n], ascending.   rank : float32 [n, d].   rate : float32 [n, r]. May be memory mapped."""

    signature: np.ndarray
    rank: np.ndarray
    rate: np.ndarray

    def __len__(self) -> int:
        return len(self.signature)

    def find(self, signature: int) -> Vectors | None:
        """Vectors of one, the user of this signature."""
        row = int(self.signature.searchsorted(np.uint64(signature)))
        if row == len(self) or int(self.signature[row]) != signature:
            return None
        return Vectors.of_people(self.rank[row : row + 1], self.rate[row : row + 1])

    @classmethod
    def of(cls, inference: Inference, people: Iterable[Person]) -> UserVectors:
        """People in vectors. They come sooner where histories of like length follow each other."""
        people, signatures, parts = iter(people), [], [inference.encode_users([])]
        while some := list(islice(people, AT_ONCE)):
            signatures += [inference.signature(person) for person in some]
            parts.append(inference.encode_users(some))
        # Of whom nothing differs the vectors do not, either.
        signature, rows = np.unique(np.array(signatures, np.uint64), return_index=True)
        users = Vectors.concat(parts)[rows]
        return cls(signature, users.rank, users.rate)

    def save(self, folder: Path) -> None:
        for field in fields(self):
            np.save(_path(folder, field.name), getattr(self, field.name))

    @classmethod
    def open(cls, folder: Path) -> UserVectors | None:
        """Those of a model's folder, mapped; None where none were made, as of the judged weights."""
        paths = [_path(folder, field.name) for field in fields(cls)]
        if not paths[0].exists():
            return None
        # np.memmap itself is slow to slice.
        return cls(*(np.load(path, mmap_mode="r").view(np.ndarray) for path in paths))


def _path(folder: Path, name: str) -> Path:
    return folder / f"user_{name}.npy"
