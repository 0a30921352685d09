from argparse import ArgumentParser
from pathlib import Path

from customers.importing import retail
from customers.importing.report import Import, ImportCommand
from customers.importing.tables import need_columns, open_table


class Command(ImportCommand):
    help = (
        "Imports the retail CSV (Transaction_ID, Customer_ID, Date, Product_Category ...). Bad rows are told by line"
        " and left out; a second run changes nothing. Email, Phone, Address and Zipcode are not stored."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)
        parser.add_argument("--encoding", default="utf-8", help="How the file is written (default: utf-8).")

    def import_with(self, run: Import, options: dict) -> None:
        with open_table(options["file"], encoding=options["encoding"]) as table:
            need_columns(table, retail.NEEDED, "the retail CSV")
            run.take(table.rows, retail.entry, name=table.path.name, size=table.size, prefix="retail")
