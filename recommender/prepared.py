"""Queries compiled once. For a query as small as ours, Django's compiler takes longer than the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connections
from django.db.models import QuerySet, Value

Rows = list[tuple[Any, ...]]


class Prepared:
    """A query whose values change from call to call, and nothing else.

    build : given a slot in place of each value, the queryset of `values_list` rows. It is called once for each number of
    values (and thread, for a compiled query belongs to its connection).
    """

    def __init__(self, build: Callable[[Sequence[Any]], QuerySet[Any, Any]]):
        self._build = build
        self._of_thread = threading.local()

    def rows(self, values: Sequence[Any]) -> Rows:
        """The rows for these values, each as its column's driver takes it; datetimes are adapted here."""
        compiled = self._of_thread.__dict__
        if len(values) not in compiled:
            compiled[len(values)] = _Compiled(self._build, len(values))
        return compiled[len(values)].rows(values)


class _Compiled:
    def __init__(self, build: Callable[[Sequence[Any]], QuerySet[Any, Any]], values: int):
        slots = [object() for _ in range(values)]
        queryset = build([Value(slot) for slot in slots])
        self.connection = connections[queryset.db]
        self.compiler = queryset.query.get_compiler(connection=self.connection)
        self.sql, parameters = self.compiler.as_sql()
        place = {id(slot): n for n, slot in enumerate(slots)}
        self.fixed = [(None, place[id(p)]) if id(p) in place else (p, None) for p in parameters]

    def rows(self, values: Sequence[Any]) -> Rows:
        adapted = [self.connection.ops.adapt_unknown_value(value) for value in values]
        parameters = [fixed if slot is None else adapted[slot] for fixed, slot in self.fixed]
        with self.connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
            found = cursor.fetchall()
        return list(self.compiler.results_iter([found], tuple_expected=True))
