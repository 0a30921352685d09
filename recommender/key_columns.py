"""Columns that hold a key of the site's: of a customer, an item, a visit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import CharField

if TYPE_CHECKING:
    _TextColumn = CharField[Any, Any]
else:
    _TextColumn = CharField

EXACT_COLLATIONS = {"mariadb": "utf8mb4_nopad_bin", "mysql": "utf8mb4_0900_bin"}


class KeyColumn(_TextColumn):
    """Text that is compared character by character in every database. MariaDB and MySQL would else take "A1" for "a1"
    and "é" for "e", and leave out a space at the end."""

    def db_parameters(self, connection: Any) -> dict[str, Any]:
        parameters: dict[str, Any] = dict(super().db_parameters(connection))
        if connection.vendor == "mysql" and parameters.get("collation") is None:
            parameters["collation"] = EXACT_COLLATIONS["mariadb" if connection.mysql_is_mariadb else "mysql"]
        return parameters
