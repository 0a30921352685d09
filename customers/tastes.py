"""What the generated shop sells and who wants it, read from tastes.toml: the interests that `seed_shop` plants."""

import tomllib
from pathlib import Path
from typing import NamedTuple


class Kind(NamedTuple):
    """One type of product within an interest."""

    type: str
    price: float
    brands: tuple[str, ...]


class Interest(NamedTuple):
    name: str
    category: str
    age: int
    women: float
    income: dict[str, float]
    kinds: tuple[Kind, ...]
    lines: tuple[str, ...]
    repeats: bool = False


_FILE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_TITLES = [f"{first} {second}" for second in _FILE["titles"]["second"] for first in _FILE["titles"]["first"]]


def _kind(row: dict) -> Kind:
    brands = row["brands"]
    return Kind(row["type"], row["price"], tuple(_FILE["brands"][brands] if isinstance(brands, str) else brands))


def _interest(row: dict) -> Interest:
    lines = _TITLES if row["lines"] == "titles" else row["lines"]
    kinds = tuple(_kind(kind) for kind in row["kinds"])
    return Interest(**{**row, "income": _FILE["incomes"][row["income"]], "kinds": kinds, "lines": tuple(lines)})


INTERESTS = tuple(_interest(row) for row in _FILE["interests"])
COLOURS = tuple(_FILE["products"]["colours"])
WOMEN, MEN, FAMILIES = (tuple(_FILE["people"][name]) for name in ("women", "men", "families"))
PLACES = tuple(tuple(place) for place in _FILE["people"]["places"])
