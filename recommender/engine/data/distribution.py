"""How the values of a field are spread: counted when a model is trained, and again of late, to see whether they moved.

The measure is the population stability index, PSI = sum (q - p) ln(q / p) over the values of a field; by custom, below
.1 nothing happened, and above .25 something did. Of few people it is large by chance alone: n m / (n + m) PSI is about
chi-square with (values - 1) degrees of freedom where nothing moved (Yurdakul & Naranjo 2020).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recommender.engine.data.encoders import Encoders, Vocabulary
from recommender.engine.data.numbers import FIRST, MISSING, UNKNOWN, NumberTable, Standardizer
from recommender.engine.errors import BundleError

if TYPE_CHECKING:  # at run time it brings pyarrow along, which a web process that shows findings has no use for
    from recommender.engine.data.dataset import TwoTowerDataset

FILE = "distribution.json"
KEPT = 200  # values of a field whose counts are kept, the commonest
LISTED = 20  # of those, the commonest in training are compared one by one; the others together
LATELY = 28 * 86_400.0  # seconds before the last purchase: who and what was of late when the model was trained
LEAST = 100  # purchases of late; of fewer nothing can be said, and everything there is counts


@dataclass(frozen=True)
class Spread:
    """Of one field: how often each value was seen, how often another one, an unknown one, none at all.

    Values of a number are the bins that training cut it into.
    """

    values: Mapping[str, int]
    other: int
    unknown: int
    missing: int

    @property
    def total(self) -> int:
        return sum(self.values.values()) + self.other + self.unknown + self.missing

    @property
    def unknown_share(self) -> float:
        """Among those that have a value; 0 where nobody has."""
        return self.unknown / max(self.total - self.missing, 1)

    def counts(self, values: Sequence[str]) -> np.ndarray:
        """float64 [values + 3], with these values counted one by one."""
        rest = sum(n for value, n in self.values.items() if value not in values)
        listed = [self.values.get(value, 0) for value in values]
        return np.array([*listed, self.other + rest, self.unknown, self.missing], dtype=np.float64)


@dataclass(frozen=True)
class Distribution:
    """What a model learned from, field by field.

    profiles : of the people who bought of late.   purchases : of the items that they bought.
    """

    profiles: Mapping[str, Spread]
    purchases: Mapping[str, Spread]

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, bundle: Path) -> Distribution:
        """BundleError for a bundle that has none: it was written before they were counted."""
        try:
            saved = json.loads((Path(bundle) / FILE).read_text(encoding="utf-8"))
            profiles, purchases = (
                {name: Spread(**spread) for name, spread in saved[part].items()} for part in ("profiles", "purchases")
            )
        except FileNotFoundError:
            raise BundleError(f"{bundle} does not say how its training data was spread; train again.") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{Path(bundle) / FILE} cannot be read: {error}.") from None
        return cls(profiles, purchases)


def of_training(data: TwoTowerDataset) -> Distribution:
    """Of the last four weeks of purchases, and of the people who made them as they stand at the end."""
    tables = data.tables
    lately = tables.time > tables.time.max() - LATELY
    if lately.sum() < LEAST:
        lately = np.ones(len(tables), dtype=bool)
    people = np.unique(tables.user[lately])
    bought = np.unique(np.stack([tables.user[lately], tables.item[lately]]), axis=1)[1]  # once by each person
    profiles = {name: column[people] for name, column in data.user_columns_now().items()}
    items = {name: tables.items[name][bought] for name in tables.schema.item_categorical}
    return Distribution(spread_of_profiles(data.encoders, profiles), spread_of_items(data.encoders, items))


def spread_of_profiles(encoders: Encoders, columns: Mapping[str, np.ndarray]) -> dict[str, Spread]:
    """columns : field -> values [n], as `Encoders.profile_columns` makes them."""
    named = {name: _spread_of_texts(encoders.user[name], columns[name]) for name in encoders.schema.user_categorical}
    return named | {
        name: _spread_of_numbers(encoders.number[name], columns[name]) for name in encoders.schema.user_numerical
    }


def spread_of_items(encoders: Encoders, columns: Mapping[str, np.ndarray]) -> dict[str, Spread]:
    """columns : field -> values [n], as `Encoders.item_columns` makes them."""
    return {name: _spread_of_texts(encoders.item[name], columns[name]) for name in encoders.schema.item_categorical}


def stability(before: Spread, after: Spread) -> tuple[float, float]:
    """The PSI between two spreads of a field, and how likely chance alone makes it as large (1: certainly)."""
    from scipy.stats import chi2  # a web process that only shows findings has no scipy

    values = sorted(before.values, key=lambda value: -before.values[value])[:LISTED]
    old, new = before.counts(values), after.counts(values)
    seen = (old + new) > 0
    old, new = old[seen], new[seen]
    if len(old) < 2 or not old.sum() or not new.sum():
        return 0.0, 1.0
    p, q = ((part + 0.5) / (part.sum() + 0.5 * len(part)) for part in (old, new))  # nobody is no proof of never
    psi = float(((q - p) * np.log(q / p)).sum())
    scale = old.sum() * new.sum() / (old.sum() + new.sum())
    return psi, float(chi2.sf(psi * scale, len(old) - 1))


def _spread_of_texts(vocabulary: Vocabulary, column: np.ndarray) -> Spread:
    counts = Counter(vocabulary.encode(column.tolist()).tolist())
    known = Counter({value: counts[n] for n, value in enumerate(vocabulary.values, FIRST) if counts[n]})
    listed = dict(known.most_common(KEPT))
    # Unknown in training are values that were seen but once: so much of them is usual.
    return Spread(listed, known.total() - sum(listed.values()), counts[UNKNOWN], counts[MISSING])


def _spread_of_numbers(standardizer: Standardizer, column: np.ndarray) -> Spread:
    bins, _ = NumberTable.of([standardizer]).encode(column[:, None])
    counts = Counter(bins[:, 0].tolist())
    edges = ["", *(f"{edge:.10g}" for edge in standardizer.edges), ""]
    told = {f"{low} to {high}".strip(): counts[n] for n, (low, high) in enumerate(zip(edges, edges[1:]), FIRST)}  # noqa: B905, RUF007
    return Spread({name: n for name, n in told.items() if n}, 0, 0, counts[MISSING])
