"""Keys, which are texts outside the database, as a column holds them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError

LARGEST_INTEGER = 2**63 - 1  # that any database holds, and that SQLite's driver takes in a query


def stored_value(field: Any, key: str) -> Any:
    """The value of this field whose text is the key; None where the database can hold none, and might refuse the query.

    NUL and halves of surrogate pairs are in no row, nor is a word among numbers, nor a number of too many digits;
    "007" and " 7" are other keys than "7", whatever number is read from them.
    """
    if "\x00" in key or key != key.encode(errors="ignore").decode():
        return None
    try:
        value = field.to_python(key)
        if isinstance(value, int):  # of which a column holds so many digits
            if abs(value) > LARGEST_INTEGER:
                return None
            field.run_validators(value)
    except ValidationError:
        return None
    return value if str(value) == key else None
