"""The users of a snapshot in vectors, made when the model was: who did nothing since need not pass the user tower.

A user is found by all that the tower reads of them (`Inference.signature`), never by their key. Whoever bought
something since, or changed their profile, is told differently and not found: nothing here can be out of date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from recommender.engine.data.inputs import Vectors, mapped


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
    def of(cls, signatures: Sequence[int], users: Vectors) -> UserVectors:
        """Of users, in any order. Of whom nothing differs the vectors do not, either: they are kept once."""
        signature, rows = np.unique(np.array(signatures, np.uint64), return_index=True)
        return cls(signature, users.rank[rows], users.rate[rows])

    def save(self, folder: Path) -> None:
        for field in fields(self):
            np.save(_path(folder, field.name), getattr(self, field.name))

    @classmethod
    def open(cls, folder: Path) -> UserVectors | None:
        """Those of a model's folder, mapped; None where none were made, as of the judged weights."""
        paths = [_path(folder, field.name) for field in fields(cls)]
        if not paths[0].exists():
            return None
        return cls(*map(mapped, paths))


def _path(folder: Path, name: str) -> Path:
    return folder / f"user_{name}.npy"
