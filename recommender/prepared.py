"""Queries compiled once. For queries as small as ours, Django's compiler takes longer than the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connections
from django.db.models import Field, QuerySet, Value

Rows = list[tuple[Any, ...]]
Build = Callable[[Sequence[Any]], QuerySet[Any, Any]]


class Prepared:
    """A query of which nothing changes from call to call but its values.

    build : given a slot for each value, the queryset of `values_list` rows; called once for each number of values.
    field : the model field that the values are of, if all are of one.
    """

    def __init__(self, build: Build, field: Field[Any, Any] | None = None):
        self._build, self._field = build, field
        self._compiled = threading.local()  # what is compiled belongs to a connection, and that to a thread

    def rows(self, values: Sequence[Any]) -> Rows:
        known: dict[int, _Compiled] = self._compiled.__dict__.setdefault("by_number", {})
        compiled = known.get(len(values)) or known.setdefault(len(values), _Compiled(self._build, len(values)))
        ops, field = compiled.connection.ops, self._field
        if field is None:
            return compiled.rows([ops.adapt_unknown_value(value) for value in values])
        return compiled.rows([field.get_db_prep_value(value, compiled.connection) for value in values])


class _Compiled:
    def __init__(self, build: Build, values: int):
        slots = [object() for _ in range(values)]
        queryset = build([Value(slot) for slot in slots])
        self.connection = connections[queryset.db]
        self.compiler = queryset.query.get_compiler(connection=self.connection)
        self.sql, parameters = self.compiler.as_sql()
        number = {id(slot): n for n, slot in enumerate(slots)}
        self.parameters = [(parameter, number.get(id(parameter))) for parameter in parameters]

    def rows(self, values: Sequence[Any]) -> Rows:
        parameters = [fixed if slot is None else values[slot] for fixed, slot in self.parameters]
        with self.connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
            found = cursor.fetchall()
        return list(self.compiler.results_iter([found], tuple_expected=True))
