"""What a few people bought and are listed, before and after, with the items' names as the shop has them now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.source import get_source

SHOWN = 6  # of the people that a report holds lists of


@dataclass(frozen=True)
class Listed:
    """One place of a list. moved : how it stands to the other list, "new", "gone" or ""."""

    name: str
    moved: str = ""


@dataclass(frozen=True)
class Example:
    """One person. history : the latest purchases, the newest first. before : None where no model served then."""

    user: str
    purchases: int
    history: list[str]
    before: list[Listed] | None
    after: list[Listed]
    kept: int


def examples_of(report: Mapping[str, Any]) -> list[Example]:
    """Evenly from who bought least to who bought most; two queries, however many there are."""
    samples = report.get("samples", [])
    some = [samples[k * (len(samples) - 1) // (SHOWN - 1)] for k in range(SHOWN)] if len(samples) > SHOWN else samples
    keys = {key for row in some for key in row["history"]}
    keys |= {item for row in some for item, _ in [*row["list"], *(row["before"] or [])]}
    names = _names_of(keys)
    return [_example(row, names) for row in some]


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


def _listed(items: Sequence[str], others: Sequence[str], moved: str, names: Mapping[str, str]) -> list[Listed]:
    return [Listed(names[item], "" if item in others else moved) for item in items]


def _names_of(keys: set[str]) -> dict[str, str]:
    """The items as they call themselves; the key of one that is gone."""
    source = get_source()
    found = source.items.filter(**{f"{source.item_key}__in": keys})
    key_of = (
        (lambda item: str(item.pk)) if source.item_key == "pk" else lambda item: str(getattr(item, source.item_key))
    )
    return {**{key: key for key in keys}, **{key_of(item): str(item) for item in found}}
