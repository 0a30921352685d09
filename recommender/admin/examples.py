"""Example customers of a report: what they bought, and their lists by the version before and by this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.serving import items_by_key
from recommender.source import get_source

MAX_EXAMPLES = 6  # of the customers whose lists a report holds


@dataclass(frozen=True)
class ExampleItem:
    """An item of a list. moved : "new" or "gone" where the other list does not hold it, else ""."""

    name: str
    moved: str = ""


@dataclass(frozen=True)
class Example:
    """One customer.

    history : the latest purchases, the newest first.   before : None where no model served then.
    kept : how many items both lists hold.
    """

    user: str
    purchases: int
    history: list[str]
    before: list[ExampleItem] | None
    after: list[ExampleItem]
    kept: int


def examples_of(report: Mapping[str, Any]) -> list[Example]:
    """Examples spread evenly from the customer who bought least to the one who bought most. One query."""
    samples = report.get("samples", [])
    if len(samples) > MAX_EXAMPLES:
        samples = [samples[n * (len(samples) - 1) // (MAX_EXAMPLES - 1)] for n in range(MAX_EXAMPLES)]
    keys = {key for row in samples for key in row["history"]}
    keys |= {item for row in samples for item, _ in [*row["list"], *(row["before"] or [])]}
    names = {key: str(item) for key, item in items_by_key(get_source(), keys).items()}
    return [_example(row, {key: names.get(key, key) for key in keys}) for row in samples]


def _example(row: Mapping[str, Any], names: Mapping[str, str]) -> Example:
    after, before = [item for item, _ in row["list"]], [item for item, _ in row["before"] or []]
    return Example(
        user=row["user"],
        purchases=row["purchases"],
        history=[names[item] for item in row["history"]],
        before=None if row["before"] is None else _listed(before, after, "gone", names),
        after=_listed(after, before, "new" if row["before"] is not None else "", names),
        kept=len(set(after) & set(before)),
    )


def _listed(items: Sequence[str], others: Sequence[str], moved: str, names: Mapping[str, str]) -> list[ExampleItem]:
    return [ExampleItem(names[item], "" if item in others else moved) for item in items]
