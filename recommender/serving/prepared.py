"""Queries compiled once. For queries as small as ours, Django's compiler takes longer than the database.

`ask` puts several to the database in one round trip, where it can answer them so: each trip is a wait, and wakes a
process on either side. There the small ones are planned once, too: see statements.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, QuerySet, Value

from recommender.serving.statements import VALUE, Question, Rows, Statement, ask_together

Build = Callable[[Sequence[Any]], QuerySet[Any, Any]]
SMALL = 2  # keys at most of a query that is kept on a connection. Larger ones come in many lengths, each planned anew


class Prepared:
    """A query of which nothing changes from call to call but its values.

    build : given a slot for each value, the queryset of `values_list` rows; called once for each number of values.
    field : the model field that the values are of, if all are of one.
    bounds : how many of the values are bounds that every call brings, those of a period, say; the rest are keys.
    """

    def __init__(self, build: Build, field: Field[Any, Any] | None = None, bounds: int = 0):
        self._build, self._field, self._bounds = build, field, bounds
        self._compiled = threading.local()  # what is compiled belongs to a connection, and that to a thread

    def rows(self, values: Sequence[Any]) -> Rows:
        return ask((self, values))[0]

    def compiled(self, number: int) -> _Compiled:
        known: dict[int, _Compiled] = self._compiled.__dict__.setdefault("by_number", {})
        compiled = known.get(number)
        # Within an event loop a thread has other connections than outside.
        if compiled is None or compiled.connection is not connections[compiled.connection.alias]:
            compiled = known[number] = _Compiled(self._build, number, small=number - self._bounds <= SMALL)
        return compiled

    def adapted(self, values: Sequence[Any], connection: BaseDatabaseWrapper) -> list[Any]:
        """The values as the database takes them."""
        if self._field is None:
            return [connection.ops.adapt_unknown_value(value) for value in values]
        return [self._field.get_db_prep_value(value, connection) for value in values]


def ask(*questions: tuple[Prepared, Sequence[Any]]) -> list[Rows]:
    """The rows of each query with its values, all of one database. PostgreSQL is asked once for all of them."""
    compiled = [prepared.compiled(len(values)) for prepared, values in questions]
    connection = compiled[0].connection
    adapted = [prepared.adapted(values, connection) for prepared, values in questions]
    if takes_several_statements(connection):
        asked = [each.question(values) for each, values in zip(compiled, adapted, strict=True)]
        found = ask_together(connection, asked)
    else:
        found = []
        with connection.cursor() as cursor:
            for each, values in zip(compiled, adapted, strict=True):
                cursor.execute(each.sql, each.parameters(values))
                found.append(cursor.fetchall())
    return [each.converted(rows) for each, rows in zip(compiled, found, strict=True)]


def takes_several_statements(connection: BaseDatabaseWrapper) -> bool:
    """Whether one trip can take several statements with values: PostgreSQL with psycopg 3, as Django has it unless told
    otherwise."""
    if connection.vendor != "postgresql" or connection.settings_dict["OPTIONS"].get("server_side_binding"):
        return False
    from django.db.backends.postgresql.psycopg_any import is_psycopg3  # it imports the driver

    return is_psycopg3


class _Compiled:
    """A query with so many values."""

    def __init__(self, build: Build, values: int, small: bool):
        slots = [object() for _ in range(values)]
        queryset = build([Value(slot) for slot in slots])
        self.connection = connections[queryset.db]
        compiler = queryset.query.get_compiler(connection=self.connection)
        self.sql, parameters = compiler.as_sql()
        self.small = small
        number = {id(slot): n for n, slot in enumerate(slots)}
        self._parameters = [(parameter, number.get(id(parameter))) for parameter in parameters]
        # Where nothing is converted, as on PostgreSQL, the query itself is let go: each thread has its own.
        converters = compiler.get_converters([column for column, _, _ in compiler.select])
        self._convert = partial(compiler.apply_converters, converters=converters) if converters else None

    @cached_property
    def statement(self) -> Statement:
        parameters = [fixed if slot is None else VALUE for fixed, slot in self._parameters]
        return Statement.of(self.sql, parameters, self.connection)

    def parameters(self, values: Sequence[Any]) -> list[Any]:
        return [fixed if slot is None else values[slot] for fixed, slot in self._parameters]

    def question(self, values: Sequence[Any]) -> Question:
        own = [values[slot] for _, slot in self._parameters if slot is not None]
        return Question(self.sql, self.parameters(values), self.statement if self.small else None, own)

    def converted(self, rows: Rows) -> Rows:
        return rows if self._convert is None else list(map(tuple, self._convert(rows)))
