from argparse import ArgumentParser
from pathlib import Path

from customers.importing.command import Import, ImportCommand
from customers.importing.formats import movielens


class Command(ImportCommand):
    help = (
        "Imports a MovieLens folder, ml-100k or ml-1m. Ratings become purchases, occupations segments, first genres"
        " categories, decades types; zip codes are not stored. A second run changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path)

    def import_with(self, run: Import, options: dict) -> None:
        for part in movielens.parts_of(options["folder"]):
            path = options["folder"] / part.name
            size = path.stat().st_size
            run.take(movielens.rows(path, part), part.entry, name=part.name, size=size, prefix=movielens.PREFIX)
