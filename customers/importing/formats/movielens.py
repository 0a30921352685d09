"""MovieLens as published: ml-100k (u.data, u.user, u.item) or ml-1m (ratings.dat, users.dat, movies.dat).

A rating counts as a purchase of quantity 1 at its time. A film's category is its first genre, its type the decade it
came out in, its brand empty; all genres are in the description. A person's occupation is stored as the segment; the zip
code is not stored. Gender stays `M` and `F`, as published. In ml-1m ages are ranges: their middle is stored.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import compress
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
_WORDS = {"customer": "user", "customer.age": "age", "product": "item", "product.category": "genre"}  # in refusals
_YEAR = re.compile(r"\((\d{4})\)\s*$")


@dataclass(frozen=True)
class Part:
    """One of the three files: how its lines are cut, and what a line says."""

    name: str
    separator: str
    cells: int
    entry: Callable[[list[str]], Entry]


def parts_of(folder: Path) -> list[Part]:
    """The files in the order in which they are read. FileRefused when the folder holds neither layout."""
    if not folder.is_dir():
        raise FileRefused(f"There is no folder {folder}.")
    for marker, parts in (("u.data", _ml_100k), ("ratings.dat", _ml_1m)):
        if (folder / marker).is_file():
            files = parts(folder)
            missing = [part.name for part in files if not (folder / part.name).is_file()]
            if missing:
                raise FileRefused(f"{folder} has {marker} but not {' or '.join(missing)}.")
            return files
    raise FileRefused(f"{folder} holds neither ml-100k (u.data, u.user, u.item) nor ml-1m (ratings.dat, ...).")


def rows(path: Path, part: Part) -> Iterator[Row]:
    """The lines, cut; the cells are called by their places."""
    read = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            read += len(raw)
            line = raw.decode("latin-1").rstrip("\r\n")
            if not line:
                continue
            cut = line.split(part.separator)
            if len(cut) != part.cells or "\0" in line:
                yield Row(number, {}, f"{len(cut)} cells where {part.name} has {part.cells}", read)
            else:
                yield Row(number, {str(place): cell for place, cell in enumerate(cut)}, read=read)


def _rating(cut: list[str]) -> Entry:
    user, item, stars, seconds = cut
    return read_entry(
        {"customer": user, "product": item, "rating": stars, "time": seconds, "external_id": f"{user}:{item}"},
        columns=_WORDS,
    )


def _film(key: str, title: str, genres: list[str]) -> Entry:
    year = _YEAR.search(title)
    return read_entry(
        {
            "product": key,
            "product.name": title,
            "product.category": genres[0] if genres else "",
            "product.type": f"{year[1][:3]}0s" if year else "",
            "product.description": ", ".join(genres),
        },
        columns=_WORDS,
    )


def _person(key: str, age: str, gender: str, occupation: str) -> Entry:
    values = {"customer": key, "customer.age": age, "customer.gender": gender, "customer.segment": occupation}
    return read_entry(values, columns=_WORDS)


def _ml_100k(folder: Path) -> list[Part]:
    genres = _genres(folder / "u.genre") if (folder / "u.genre").is_file() else [str(n) for n in range(19)]
    return [
        Part("u.user", "|", 5, lambda cut: _person(cut[0], cut[1], cut[2], cut[3])),
        Part(
            "u.item", "|", 5 + len(genres),
            lambda cut: _film(cut[0], cut[1], list(compress(genres, map(_flag, cut[5:])))),
        ),
        Part("u.data", "\t", 4, _rating),
    ]  # fmt: skip


def _flag(cell: str) -> bool:
    if cell not in ("0", "1"):
        raise RowRefused(f"a genre's flag is {cell[:40]!r}, neither 0 nor 1")
    return cell == "1"


def _genres(path: Path) -> list[str]:
    lines = [line.split("|") for line in path.read_text("latin-1").splitlines() if line.strip()]
    if not all(len(line) == 2 and line[1].strip().isdecimal() for line in lines):
        raise FileRefused(f"{path} does not list genres as NAME|NUMBER.")
    return [name for name, _ in sorted(lines, key=lambda line: int(line[1]))]


def _ml_1m(folder: Path) -> list[Part]:
    return [
        Part("users.dat", "::", 5, lambda cut: _person(cut[0], AGES.get(cut[2], cut[2]), cut[1], _occupation(cut[3]))),
        Part("movies.dat", "::", 3, lambda cut: _film(cut[0], cut[1], cut[2].split("|"))),
        Part("ratings.dat", "::", 4, _rating),
    ]


def _occupation(number: str) -> str:
    if not number.isdecimal() or int(number) >= len(OCCUPATIONS):
        raise RowRefused(f"occupation is {number!r}; there are 0 to {len(OCCUPATIONS) - 1}")
    return OCCUPATIONS[int(number)]
