"""What was left out of a snapshot, counted by table, column and reason, with the names of the first few rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from recommender.engine.errors import SnapshotError

FILE = "left_out.json"
EXAMPLES = 5
# A snapshot of which more is lost than kept is not the shop any more: a model of the rest would pass every comparison
# with popularity of the same rest. Below that, the good rows are worth more than no model.
MOST_LEFT_OUT = 0.5
# Items that are sold no more may be missing in the table of items, and in some shops most of what was sold is sold no
# more. Where next to nothing of it is there, no list says what was learned. Where most keys are only written otherwise
# than in the other table, it says something of others.
MOST_UNLISTED = 0.9

LINE = "the line"  # stands for a column, where it is a whole line of a file that cannot be read
ROW, VALUE = "row left out", "value left out"  # these two count against MOST_LEFT_OUT
ONCE, UNLISTED, BARE, NOBODYS = "counted once", "never listed", "without a profile", "nobody's"
EFFECTS = {  # effect -> (of one, of several)
    ROW: ("row is left out", "rows are left out"),
    VALUE: ("value is left out, its row is kept", "values are left out, their rows are kept"),
    ONCE: ("repeated row is counted once", "repeated rows are counted once"),
    UNLISTED: ("row teaches, but its item is never listed", "rows teach, but their items are never listed"),
    NOBODYS: ("row is nobody's and left out", "rows are nobody's and left out"),
    BARE: ("row is of a user without a profile", "rows are of users without a profile"),
}


@dataclass(frozen=True)
class LeftOut:
    """Rows or values of one column that were treated alike for one reason.

    effect : a key of EFFECTS.   examples : names of the first few rows, or their keys.
    """

    table: str
    column: str
    reason: str
    effect: str
    count: int
    examples: tuple[str, ...]

    def sentence(self) -> str:
        """interactions: 3 rows are left out, because item is missing (row 5, row 9, row 12)."""
        what = EFFECTS[self.effect][self.count != 1]
        more = ", ..." if self.count > len(self.examples) else ""
        names = f" ({', '.join(self.examples)}{more})" if self.examples else ""
        return f"{self.table}: {self.count:,} {what}, because {self.column} {self.reason}{names}."

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"examples": list(self.examples)}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> LeftOut:
        return cls(**{**saved, "examples": tuple(saved["examples"])})


@dataclass
class LeftOutCounter:
    """Collects what is left out while tables are read."""

    _counts: dict[tuple[str, str, str, str], int] = field(default_factory=dict)
    _examples: dict[tuple[str, str, str, str], list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable[LeftOut]) -> LeftOutCounter:
        """A counter that goes on from what was counted before."""
        counter = cls()
        for part in found:
            counter.add(part.table, part.column, part.reason, part.effect, part.count, part.examples)
        return counter

    def rows(self, table: str) -> int:
        """How many rows of a table were left out so far."""
        return sum(count for (of, _, _, effect), count in self._counts.items() if (of, effect) == (table, ROW))

    def add(self, table: str, column: str, reason: str, effect: str, count: int, examples: Iterable[str] = ()) -> None:
        """Count rows or values. examples : what the first of them are called; read only as far as they are kept."""
        if count == 0:
            return
        kind = (table, column, reason, effect)
        self._counts[kind] = self._counts.get(kind, 0) + count
        kept = self._examples.setdefault(kind, [])
        kept += islice(examples, EXAMPLES - len(kept))

    def found(self) -> tuple[LeftOut, ...]:
        """In the order in which they were met."""
        return tuple(LeftOut(*kind, count, tuple(self._examples[kind])) for kind, count in self._counts.items())


def write_left_out(folder: Path, found: Iterable[LeftOut]) -> None:
    """Keep beside the tables of a snapshot what was left out when they were written."""
    rows = [part.to_dict() for part in found]
    (folder / FILE).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def read_left_out(folder: Path) -> tuple[LeftOut, ...]:
    """What was left out when a snapshot was written; nothing where it does not say."""
    try:
        return tuple(LeftOut.from_dict(row) for row in json.loads((folder / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ()
    except (ValueError, TypeError, KeyError) as error:
        raise SnapshotError(f"{folder / FILE} cannot be read: {error}.") from None


def require_enough(found: Iterable[LeftOut], sizes: Mapping[str, int]) -> None:
    """SnapshotError where more of a table's rows, or of a column's values, is lost than MOST_LEFT_OUT.

    sizes : rows of each table as it was read.
    """
    found = tuple(found)
    lost: dict[tuple[str, str], int] = {}
    for part in found:
        if part.effect in (ROW, VALUE):
            place = (part.table, "" if part.effect == ROW else part.column)
            lost[place] = lost.get(place, 0) + part.count
    for (table, column), count in lost.items():
        size = sizes.get(table, 0)
        if count > MOST_LEFT_OUT * size:
            what = f"values of {column}" if column else "rows"
            sentences = " ".join(part.sentence() for part in found if part.table == table)
            raise SnapshotError(
                f"Too much is broken to learn from. Of {size:,} {what} in {table}, {count:,} cannot be used, and more "
                f"than {MOST_LEFT_OUT:.0%} are too many. {sentences}"
            )


def require_matching(found: Iterable[LeftOut], resembling: Mapping[str, int], interactions: int) -> None:
    """SnapshotError where the keys of the interactions are not those of the users or the items.

    resembling : effect -> how many of the interactions have a key that is one of the table's, written otherwise.
    """
    for part in found:
        most = MOST_UNLISTED if part.effect == UNLISTED else 1.0
        if part.count > most * interactions or resembling.get(part.effect, 0) > MOST_LEFT_OUT * interactions:
            raise SnapshotError(
                f"The keys of the tables do not fit together: in {part.count:,} of {interactions:,} interactions, the "
                f"{part.column} {part.reason}. {part.sentence()}"
            )
