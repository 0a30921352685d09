"""Any table, by a map from its columns to our fields."""

from collections.abc import Callable, Mapping
from typing import Any

from customers.errors import FileRefused
from customers.importing.files import Table
from customers.importing.rows import FIELDS, PURCHASE_FIELDS, Entry, read_entry

PREFIX = "import"

MEANING = """
What is mapped says what a run does:
  customer, product and time        purchases; customers and products not known yet are made
  customer and customer.*           customers: each row makes or updates one
  product and product.*             products: each row makes or updates one
So a shop in three files is imported by three runs, in any order.
"""


def parse_map(pairs: list[str], table: Table) -> dict[str, str]:
    """{our field: column}. FileRefused names what is wrong and lists what there is."""
    column_of: dict[str, str] = {}
    for pair in pairs:
        column, sign, field = pair.rpartition("=")
        if not sign:
            raise FileRefused(f"--map {pair!r} is not COLUMN=FIELD.")
        if column not in table.columns:
            raise FileRefused(f"{table.path} has no column {column!r}. {table.has()}")
        if field not in FIELDS:
            raise FileRefused(f"There is no field {field!r}. There are: {', '.join(FIELDS)}.")
        if field in column_of:
            raise FileRefused(f"The field {field} is mapped twice, from {column_of[field]} and from {column}.")
        column_of[field] = column
    _check_meaning(column_of)
    return column_of


def _check_meaning(column_of: Mapping[str, str]) -> None:
    keys = {"customer", "product"} & set(column_of)
    of_purchase = [field for field in column_of if field in PURCHASE_FIELDS]
    if of_purchase or len(keys) == 2:
        missing = [field for field in ("customer", "product", "time") if field not in column_of]
        if missing:
            raise FileRefused(f"Purchases need customer, product and time; nothing is mapped to {', '.join(missing)}.")
        return
    if not keys:
        raise FileRefused("Nothing is mapped to customer or product, so no row says whom or what it is about.")
    (key,) = keys
    stray = [field for field in column_of if field != key and not field.startswith(f"{key}.")]
    if stray:
        raise FileRefused(f"{stray[0]} is mapped, but nothing is mapped to {stray[0].split('.')[0]}.")
    if len(column_of) == 1:
        raise FileRefused(f"Only {key} is mapped. Map some {key}.* fields, or what else makes a purchase.")


def reader(table: Table, options: Mapping[str, Any]) -> Callable[[Mapping[str, str]], Entry]:
    """options : `pairs`, each COLUMN=FIELD, and `day_first`."""
    column_of = parse_map(options["pairs"] or [], table)

    def entry(row: Mapping[str, str]) -> Entry:
        values = {field: row[column] for field, column in column_of.items()}
        return read_entry(values, columns=column_of, day_first=options["day_first"])

    return entry
