"""Queries compiled once. For queries as small as ours, Django's compiler takes longer than the database.

`ask` puts several to the database in one round trip, where it can answer them so: each trip is a wait, and wakes a
process on either side.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model, QuerySet, Value
from django.db.models.sql import InsertQuery

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
        return ask((self, values))[0]

    def compiled(self, number: int) -> _Compiled:
        known: dict[int, _Compiled] = self._compiled.__dict__.setdefault("by_number", {})
        return known.get(number) or known.setdefault(number, _Compiled(self._build, number))

    def adapted(self, values: Sequence[Any], connection: BaseDatabaseWrapper) -> list[Any]:
        """The values as the database takes them."""
        if self._field is None:
            return [connection.ops.adapt_unknown_value(value) for value in values]
        return [self._field.get_db_prep_value(value, connection) for value in values]


def ask(*questions: tuple[Prepared, Sequence[Any]]) -> list[Rows]:
    """The rows of each query with its values, all of one database. PostgreSQL is asked once for all of them."""
    compiled = [prepared.compiled(len(values)) for prepared, values in questions]
    connection = compiled[0].connection
    parameters = [
        each.parameters(prepared.adapted(values, connection))
        for each, (prepared, values) in zip(compiled, questions, strict=True)
    ]
    found = []
    with connection.cursor() as cursor:
        if takes_several_statements(connection):
            cursor.execute("; ".join(each.sql for each in compiled), [value for own in parameters for value in own])
            for number, each in enumerate(compiled):
                if number:
                    cursor.nextset()
                found.append(each.converted(cursor.fetchall()))
        else:
            for each, own in zip(compiled, parameters, strict=True):
                cursor.execute(each.sql, own)
                found.append(each.converted(cursor.fetchall()))
    return found


class PreparedInsert:
    """Stores rows of a model one at a time; signals are not sent.

    hurried : PostgreSQL does not wait for its disk. Everybody sees the row at once all the same, and whatever is
    stored after it in the ordinary way takes it to the disk along. If the database server dies within about half a
    second before that happens, the row was never there.
    """

    def __init__(self, model: type[Model], *, hurried: bool = False):
        self._model, self._hurried = model, hurried
        self._fields = [field for field in model._meta.local_concrete_fields if not field.generated]
        self._sql = threading.local()

    def store(self, row: Model) -> None:
        connection = connections[router.db_for_write(self._model, instance=row)]
        known: dict[str, str] = self._sql.__dict__.setdefault("by_alias", {})
        sql = known.get(connection.alias) or known.setdefault(connection.alias, self._compiled(connection))
        # Within somebody's transaction, theirs is the commit, and theirs to say whether it waits.
        if self._hurried and takes_several_statements(connection) and not connection.in_atomic_block:
            sql = f"SET LOCAL synchronous_commit TO off; {sql}"
        values = [field.get_db_prep_save(field.pre_save(row, True), connection) for field in self._fields]
        with connection.cursor() as cursor:
            cursor.execute(sql, values)

    def _compiled(self, connection: BaseDatabaseWrapper) -> str:
        query = InsertQuery(self._model)
        query.insert_values(self._fields, [self._model()])
        ((sql, _),) = query.get_compiler(connection=connection).as_sql()
        return str(sql)


def takes_several_statements(connection: BaseDatabaseWrapper) -> bool:
    """Whether one trip can take several statements with values: PostgreSQL with psycopg 3, as Django has it unless told
    otherwise."""
    if connection.vendor != "postgresql" or connection.settings_dict["OPTIONS"].get("server_side_binding"):
        return False
    connection.ensure_connection()
    return type(connection.connection).__module__.startswith("psycopg.")


class _Compiled:
    def __init__(self, build: Build, values: int):
        slots = [object() for _ in range(values)]
        queryset = build([Value(slot) for slot in slots])
        self.connection = connections[queryset.db]
        self.compiler = queryset.query.get_compiler(connection=self.connection)
        self.sql, parameters = self.compiler.as_sql()
        number = {id(slot): n for n, slot in enumerate(slots)}
        self._parameters = [(parameter, number.get(id(parameter))) for parameter in parameters]
        columns = [column for column, _, _ in self.compiler.select]
        self._converters = self.compiler.get_converters(columns)

    def parameters(self, values: Sequence[Any]) -> list[Any]:
        return [fixed if slot is None else values[slot] for fixed, slot in self._parameters]

    def converted(self, rows: Rows) -> Rows:
        return list(map(tuple, self.compiler.apply_converters(rows, self._converters))) if self._converters else rows
