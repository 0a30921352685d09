"""Why an item is in a list: take one piece of evidence away, score again, see which loss hurts the item most."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from recommender.engine.inference import Inference, Person
from recommender.engine.inputs import Vectors

MAX_PURCHASES = 20  # the latest ones are tried; each costs one more row in the same batch
LEAST_DROP = 1e-3


@dataclass(frozen=True)
class Reason:
    """One piece of evidence. kind : "because_you_bought" (with `item`) or "because_of_your_profile" (with `field`)."""

    kind: str
    item: str | None = None
    field: str | None = None


def reasons(
    inference: Inference,
    person: Person,
    items: Vectors,
    catalog: Vectors | None = None,
    row_of: dict[str, int] | None = None,
    settled: Collection[str] = (),
) -> list[list[Reason]]:
    """For each listed item the evidence whose removal lowers its score most, or nothing where none does.

    One batched pass: a row for each piece of evidence. settled : fields of the profile that are no evidence, because
    the person would not know them as their own.
    """
    evidence = _evidence(person, settled)
    if not evidence or len(items) == 0:
        return [[] for _ in range(len(items))]
    people = [person, *(without for _, without in evidence)]
    scores = inference.encode_users(people, catalog, row_of).rank @ items.rank.T  # [1 + evidence, k]
    drop = scores[0] - scores[1:]  # [evidence, k]
    best = drop.argmax(0)
    return [[evidence[b][0]] if drop[b, k] > LEAST_DROP else [] for k, b in enumerate(best)]


def _evidence(person: Person, settled: Collection[str]) -> list[tuple[Reason, Person]]:
    """Each piece of evidence with the person as they would be without it."""
    found = []
    bought = list(dict.fromkeys(e.item for e in reversed(person.history)))[:MAX_PURCHASES]
    for item in bought:
        history = [e for e in person.history if e.item != item]
        gone = len(person.history) - len(history)
        purchases = None if person.purchases is None else person.purchases - gone
        without = replace(person, history=history, purchases=purchases)
        found.append((Reason("because_you_bought", item=item), without))
    for name, value in person.profile.items():
        if name in settled or value in (None, "") or (isinstance(value, float) and np.isnan(value)):
            continue
        profile = {n: v for n, v in person.profile.items() if n != name}
        found.append((Reason("because_of_your_profile", field=name), replace(person, profile=profile)))
    return found
