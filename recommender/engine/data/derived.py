"""User features that come from interactions: their number, the sum of a column, its latest value.

One rule for training, which derives them for many moments at once, and for serving, which derives them for one user.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from recommender.engine.data.encoders import LARGEST_AMOUNT, as_number, as_text
from recommender.engine.data.schema import Derived, Schema

if TYPE_CHECKING:  # at run time it brings pyarrow along, which a web process has no use for
    from recommender.engine.data.tables import Tables

Columns = dict[str, np.ndarray]


def columns_before(tables: Tables, context: np.ndarray) -> Columns:
    """Every user feature before each interaction. context : int64 [n], the last row known, before first_row: none."""
    first = tables.first_row[tables.user]
    return _columns(tables, tables.user, first, context)


def columns_now(tables: Tables) -> Columns:
    """Every user feature after all interactions: what is known when a list is made today."""
    return _columns(tables, np.arange(len(tables.user_keys)), tables.first_row[:-1], tables.first_row[1:] - 1)


def columns_of_newcomers(tables: Tables) -> Columns:
    """Every user feature before the first interaction."""
    return _columns(tables, np.arange(len(tables.user_keys)), tables.first_row[:-1], tables.first_row[:-1] - 1)


def _columns(tables: Tables, user: np.ndarray, first: np.ndarray, last: np.ndarray) -> Columns:
    """Of each case the user's features as of the rows first..last; static ones as they are."""
    known, end = last >= first, last.clip(min=0)
    return {
        name: _derive(tables, tables.schema.derived[name], name, first, end, known)
        if name in tables.schema.derived
        else tables.users[name][user]
        for name in tables.schema.user_fields
    }


def _derive(
    tables: Tables, derived: Derived, name: str, first: np.ndarray, last: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """Counts and sums of no interaction are 0, not missing."""
    if derived.take == "count":
        values = np.where(known, last - first + 1, 0).astype(np.float64)
    elif derived.take == "sum":
        total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(tables.values[str(derived.column)]))])
        values = np.where(known, total[last + 1] - total[np.minimum(first, last + 1)], 0.0)
    else:
        column = tables.values[str(derived.column)]
        values = column[last].copy()
        values[~known] = np.nan if column.dtype == np.float64 else ""
    if name in tables.schema.user_categorical and values.dtype == np.float64:
        values = np.array([as_text(name, value) for value in values], dtype=object)
    return values


def with_derived(
    schema: Schema, profile: Mapping[str, object], history: Sequence[Mapping[str, object]]
) -> dict[str, object]:
    """A profile under the schema's own names, with the derived features that it lacks.

    history : of each interaction, oldest first, the values of its columns.
    """
    full = {schema.aliases.get(name, name): value for name, value in profile.items()}
    for name, derived in schema.derived.items():
        if full.get(name) not in (None, ""):
            continue
        if derived.take == "count":
            full[name] = float(len(history))
        elif derived.take == "sum":
            given = (values.get(derived.column or "") for values in history)
            numbers = (value if type(value) is float else as_number(name, value) for value in given)
            full[name] = math.fsum(value for value in numbers if abs(value) <= LARGEST_AMOUNT)  # nan is not
        else:
            full[name] = history[-1].get(derived.column or "") if history else None
    return full
