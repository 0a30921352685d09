from argparse import ArgumentParser, RawDescriptionHelpFormatter

from customers.importing.command import TableCommand
from customers.importing.formats import FORMATS
from customers.importing.formats.generic import MEANING
from customers.importing.rows import FIELDS


class Command(TableCommand):
    help = "\n".join(
        [
            "Imports any CSV or parquet file of purchases, customers or products, by a map of its columns to our",
            "fields.",
            MEANING,
            f"FIELD is one of: {', '.join(FIELDS)}.",
            "",
            "quantity counts 1 where empty, and fractions are rounded up; price is one unit's, amount the whole row's",
            "(price times quantity where not mapped). customer.age may be a range (45-54, 65+). Without external_id a",
            "row is known by its content. Left out and named: rows that cannot be read, repeats of an external_id's",
            "row, and what was cancelled (external_id C123, order_status Cancelled) or has a quantity, price or amount",
            "of nothing or less.",
            "",
            "  manage.py import_purchases transactions.csv --map household_id=customer --map product_id=product \\",
            "      --map transaction_timestamp=time --map quantity=quantity --map sales_value=amount",
            "  manage.py import_purchases demographics.csv --map household_id=customer --map age=customer.age",
            "  manage.py import_purchases products.csv --map product_id=product --map department=product.category",
        ]
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: object) -> ArgumentParser:
        return super().create_parser(prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--format", choices=FORMATS, default="generic", help="Whose export it is (default: any, by --map)."
        )
        parser.add_argument("--map", action="append", metavar="COLUMN=FIELD", dest="pairs")
        parser.add_argument(
            "--day-first", action="store_true", help="8/3/2023 is the 8th of March (default: August 3rd)."
        )
