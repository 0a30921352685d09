"""Queries that are compiled to SQL once: compiling the small queries of a list takes Django longer than answering them
takes the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

from django.db import connections
from django.db.models import Field, QuerySet, Value

Rows = list[tuple[Any, ...]]


class CompiledQuery:
    """A query that differs from call to call only in its values.

    build : makes the queryset of `values_list` rows from a placeholder for each value; called once for each number of
        values.
    field : the model field of the values, if all have the same.   last : that of the last one, if it has another.
    """

    def __init__(
        self,
        build: Callable[[Sequence[Any]], QuerySet[Any, Any]],
        field: Field[Any, Any] | None = None,
        last: Field[Any, Any] | None = None,
    ):
        self._build, self._field, self._last = build, field, last or field
        self._compiled: dict[int, _SQL] = {}  # by number of values

    def rows(self, values: Sequence[Any]) -> Rows:
        sql = self._compiled.get(len(values))
        if sql is None:
            sql = self._compiled[len(values)] = _SQL(self._build, len(values))
        connection = connections[sql.database]
        if self._field is None or self._last is None:
            values = [connection.ops.adapt_unknown_value(value) for value in values]
        else:
            fields = [*repeat(self._field, len(values) - 1), self._last]
            values = [field.get_db_prep_value(value, connection) for field, value in zip(fields, values, strict=False)]
        with connection.cursor() as cursor:
            cursor.execute(sql.text, sql.parameters(values))
            return sql.converted(cursor.fetchall(), connection)


class _SQL:
    """The SQL of a query with a number of values, and the conversion of its columns."""

    def __init__(self, build: Callable[[Sequence[Any]], QuerySet[Any, Any]], values: int):
        placeholders = [object() for _ in range(values)]
        queryset = build([Value(placeholder) for placeholder in placeholders])
        self.database = queryset.db
        compiler = queryset.query.get_compiler(using=queryset.db)
        self.text, parameters = compiler.as_sql()
        number = {id(placeholder): n for n, placeholder in enumerate(placeholders)}
        self._parameters = [(parameter, number.get(id(parameter))) for parameter in parameters]
        self._converters = compiler.get_converters([column for column, _, _ in compiler.select])

    def parameters(self, values: Sequence[Any]) -> list[Any]:
        return [fixed if place is None else values[place] for fixed, place in self._parameters]

    def converted(self, rows: Rows, connection: Any) -> Rows:
        """The rows with Django's converters applied: SQLite's and MariaDB's drivers need them, psycopg does not."""
        if not self._converters:
            return list(rows)
        lists = [list(row) for row in rows]
        for column, (converters, expression) in self._converters.items():
            for row in lists:
                for convert in converters:
                    row[column] = convert(row[column], expression, connection)
        return [tuple(row) for row in lists]
