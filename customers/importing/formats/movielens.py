"""MovieLens as published: ml-100k (u.data, u.user, u.item) or ml-1m (ratings.dat, users.dat, movies.dat).

A rating counts as a purchase of quantity 1 at its time. A film's category is its first genre, its type the decade it
came out in, its brand empty; all genres are in the description. A person's occupation is stored as the segment; the zip
code is not stored. Gender stays `M` and `F`, as published. In ml-1m ages are ranges: their middle is stored.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from customers.errors import FileRefused, RowRefused
from customers.importing.files import Row
from customers.importing.rows import Entry, read_entry

OCCUPATIONS = (
    "other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service",
    "doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer",
    "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer", "tradesman/craftsman",
    "unemployed", "writer",
)  # fmt: skip
AGES = {"1": "16", "18": "18-24", "25": "25-34", "35": "35-44", "45": "45-49", "50": "50-55", "56": "56+"}
_COLUMNS = {"customer": "user", "customer.age": "age", "product": "item", "product.category": "genre"}  # in refusals
_YEAR = re.compile(r"\((\d{4})\)\s*$")
PREFIX = "ml"


@dataclass(frozen=True)
class Part:
    """One of the three files: how its lines are cut, and what a line says."""

    name: str
    separator: str
    columns: Sequence[str]
    entry: Callable[[Mapping[str, str]], Entry]


def parts_of(folder: Path) -> list[Part]:
    """The files in the order in which they are read. FileRefused when the folder holds neither layout."""
    if not folder.is_dir():
        raise FileRefused(f"There is no folder {folder}.")
    for marker, layout in (("u.data", _ml_100k), ("ratings.dat", _ml_1m)):
        if (folder / marker).is_file():
            parts = layout(folder)
            missing = [part.name for part in parts if not (folder / part.name).is_file()]
            if missing:
                raise FileRefused(f"{folder} has {marker} but not {' or '.join(missing)}.")
            return parts
    raise FileRefused(f"{folder} holds neither ml-100k (u.data, u.user, u.item) nor ml-1m (ratings.dat, ...).")


def rows(path: Path, part: Part) -> Iterator[Row]:
    read = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            read += len(raw)
            line = raw.decode("latin-1").rstrip("\r\n")
            if not line:
                continue
            cells = line.split(part.separator)
            if len(cells) != len(part.columns) or "\0" in line:
                yield Row(number, {}, f"{len(cells)} cells where {part.name} has {len(part.columns)}", read)
            else:
                yield Row(number, dict(zip(part.columns, cells, strict=True)), read=read)


def _ml_100k(folder: Path) -> list[Part]:
    genres = _genres(folder / "u.genre") if (folder / "u.genre").is_file() else [str(n) for n in range(19)]

    def film(row: Mapping[str, str]) -> Entry:
        return _film(row, [genre for genre in genres if _flag(row[genre])])

    return [
        Part("u.user", "|", ("user", "age", "gender", "occupation", "zip"), _person),
        Part("u.item", "|", ("item", "title", "release", "video", "address", *genres), film),
        Part("u.data", "\t", ("user", "item", "rating", "time"), _rating),
    ]


def _ml_1m(folder: Path) -> list[Part]:
    def person(row: Mapping[str, str]) -> Entry:
        return _person({**row, "age": AGES.get(row["age"], row["age"]), "occupation": _occupation(row["occupation"])})

    return [
        Part("users.dat", "::", ("user", "gender", "age", "occupation", "zip"), person),
        Part("movies.dat", "::", ("item", "title", "genres"), lambda row: _film(row, row["genres"].split("|"))),
        Part("ratings.dat", "::", ("user", "item", "rating", "time"), _rating),
    ]


def _rating(row: Mapping[str, str]) -> Entry:
    values = {"customer": row["user"], "product": row["item"], "rating": row["rating"], "time": row["time"]}
    return read_entry({**values, "external_id": f"{row['user']}:{row['item']}"}, columns=_COLUMNS)


def _film(row: Mapping[str, str], genres: list[str]) -> Entry:
    year = _YEAR.search(row["title"])
    values = {
        "product": row["item"],
        "product.name": row["title"],
        "product.category": genres[0] if genres else "",
        "product.type": f"{year[1][:3]}0s" if year else "",
        "product.description": ", ".join(genres),
    }
    return read_entry(values, columns=_COLUMNS)


def _person(row: Mapping[str, str]) -> Entry:
    profile = {"customer.age": row["age"], "customer.gender": row["gender"], "customer.segment": row["occupation"]}
    return read_entry({"customer": row["user"], **profile}, columns=_COLUMNS)


def _flag(cell: str) -> bool:
    if cell not in ("0", "1"):
        raise RowRefused(f"a genre's flag is {cell[:40]!r}, neither 0 nor 1")
    return cell == "1"


def _genres(path: Path) -> list[str]:
    lines = [line.split("|") for line in path.read_text("latin-1").splitlines() if line.strip()]
    if not all(len(line) == 2 and line[1].strip().isdecimal() for line in lines):
        raise FileRefused(f"{path} does not list genres as NAME|NUMBER.")
    return [name for name, _ in sorted(lines, key=lambda line: int(line[1]))]


def _occupation(number: str) -> str:
    if not number.isdecimal() or int(number) >= len(OCCUPATIONS):
        raise RowRefused(f"occupation is {number!r}; there are 0 to {len(OCCUPATIONS) - 1}")
    return OCCUPATIONS[int(number)]
