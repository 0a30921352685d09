from argparse import ArgumentParser

from customers.importing.command import TableCommand


class Command(TableCommand):
    help = (
        "Imports the retail CSV (Transaction_ID, Customer_ID, Date, Product_Category ...). Rows that cannot be read are"
        " named by line and left out; a second run changes nothing. Email, Phone, Address and Zipcode are not stored."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(format="retail")
