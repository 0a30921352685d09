"""Why an item is in a list: take one piece of evidence away, score again, see which loss hurts the item most."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recommender.engine.bundle.inference import Inference, Person
from recommender.engine.data.inputs import ItemVectors, Vectors

MOST_EVIDENCE = 16  # pieces tried. The profile first, then the latest purchases: what came before them is read once
LEAST_DROP = 1e-3
AT_ONCE = 512  # people, with and without, in one pass of the user tower


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence. kind : "because_you_bought" (with `item`) or "because_of_your_profile" (with `field`)."""

    kind: str
    item: str | None = None
    field: str | None = None


@dataclass(frozen=True)
class EncodedCustomer:
    """A user's vectors beside those that they would have without each piece of evidence.

    user : Vectors of one.   evidence : what can be taken away.   without : float32 [evidence, d], in the same order.
    """

    user: Vectors
    evidence: Sequence[Evidence]
    without: np.ndarray

    def reasons(self, items: Vectors) -> list[list[Evidence]]:
        """For each listed item the evidence whose removal lowers its score most, or nothing where none does."""
        if not self.evidence or len(items) == 0:
            return [[] for _ in range(len(items))]
        drop = self.drops(items)
        best = drop.argmax(0)
        return [[self.evidence[b]] if drop[b, k] > LEAST_DROP else [] for k, b in enumerate(best.tolist())]

    def drops(self, items: Vectors) -> np.ndarray:
        """float32 [evidence, k]: by how much each item's score falls without each piece of evidence."""
        return (self.user.rank - self.without) @ items.rank.T


def encode_with_ablations(
    inference: Inference,
    people: Sequence[tuple[Person, Collection[str] | None]],
    catalog: ItemVectors | None = None,
    row_of: dict[str, int] | None = None,
) -> list[EncodedCustomer]:
    """People in vectors, whole and without each piece of evidence, in as few passes of the user tower as memory allows.

    people : each with the fields of their profile that are no evidence, because they would not know them as their own;
    None: nothing is taken away.
    catalog, row_of : as for `Inference.encode_users`.
    """
    encoded: list[EncodedCustomer] = []
    batch: list[list[tuple[Evidence | None, Person]]] = []
    for number, (person, settled) in enumerate(people, 1):
        batch.append([(None, person), *([] if settled is None else _evidence(inference, person, settled))])
        if number == len(people) or sum(map(len, batch)) >= AT_ONCE:
            encoded += _encode_batch(inference, batch, catalog, row_of)
            batch = []
    return encoded


def _encode_batch(
    inference: Inference,
    batch: list[list[tuple[Evidence | None, Person]]],
    catalog: ItemVectors | None,
    row_of: dict[str, int] | None,
) -> list[EncodedCustomer]:
    inputs = inference.inputs([one for rows in batch for _, one in rows], row_of)
    sizes = np.array([len(rows) for rows in batch])
    start = np.cumsum(sizes) - sizes
    alone = len(start) == len(inputs)  # nobody has evidence to be taken away
    rank = inference.run_lists(inputs, catalog, None if alone else np.repeat(start, sizes))
    # Reasons are about places in a list; ratings are of people as they are.
    rate = inference.run_ratings(inputs if alone else inputs.since(start), catalog)
    users = Vectors.of_people(rank[start], rate)
    return [
        EncodedCustomer(
            users[n : n + 1], [reason for reason, _ in rows if reason is not None], rank[at + 1 : at + len(rows)]
        )
        for n, (at, rows) in enumerate(zip(start.tolist(), batch, strict=True))
    ]


def _evidence(inference: Inference, person: Person, settled: Collection[str]) -> list[tuple[Evidence, Person]]:
    """Each piece of evidence with the person as they would be without it."""
    fields = [name for name, value in person.profile.items() if name not in settled and not _missing(value)]
    bought = list(dict.fromkeys(e.item for e in reversed(person.history)))
    pieces = []
    for item in bought[: max(MOST_EVIDENCE - len(fields), MOST_EVIDENCE // 2)]:
        history = [e for e in person.history if e.item != item]
        gone = len(person.history) - len(history)
        purchases = None if person.purchases is None else person.purchases - gone
        without = replace(person, history=history, purchases=purchases)
        pieces.append((Evidence("because_you_bought", item=item), without))
    profile = inference.with_derived(person)  # once: without a field of the profile the history is the same
    for field in fields:
        own = inference.schema.aliases.get(field, field)
        without = replace(person, profile={name: value for name, value in profile.items() if name != own})
        pieces.append((Evidence("because_of_your_profile", field=field), without))
    return pieces


def _missing(value: object) -> bool:
    return value in (None, "") or value != value  # nan
