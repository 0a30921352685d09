"""What a name of the source leads to: an annotation, a column, or a path over relations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, Model, QuerySet


@dataclass(frozen=True)
class Target:
    """Where a name ends.

    field : of the values; of a relation, that of the keys it holds.   related : the model that the name leads to, where
    it ends at a relation.   column : the last column itself, None for an annotation.   to_many : whether there are
    several values a row.   nullable : whether there may be none.   unique : whether no two rows have the same value.
    """

    field: Field[Any, Any]
    related: type[Model] | None = None
    column: Any = None
    to_many: bool = False
    nullable: bool = False
    unique: bool = False
    annotated: bool = False


class WrongName(Exception):
    """A name that leads nowhere. part : the first that does.   model : which has no such part.   is_last : whether it
    should have been a column, not a relation."""

    def __init__(self, part: str, model: type[Model], is_last: bool):
        super().__init__(f"{model.__name__} has no {'field' if is_last else 'relation'} {part!r}.")
        self.part, self.model, self.is_last = part, model, is_last


def target_of(rows: QuerySet[Any], name: str) -> Target:
    """Where a name of these rows ends. WrongName where it leads nowhere, FieldError for an annotation of no type."""
    annotation = rows.query.annotations.get(name)
    if annotation is not None:
        output = annotation.output_field
        return Target(plain_field(output), related=output.related_model, nullable=True, annotated=True)
    model: Any = rows.model
    parts = name.split("__")
    to_many = nullable = False
    unique = True
    field: Any = None
    for place, part in enumerate(parts, 1):
        is_last = place == len(parts)
        try:
            field = model._meta.pk if part == "pk" else model._meta.get_field(part)
        except FieldDoesNotExist:
            raise WrongName(part, model, is_last) from None
        related: Any = field.related_model
        if not isinstance(related, type) or (part == getattr(field, "attname", None) != field.name):
            related = None  # a column; also `user_id`, which holds the key and leads nowhere
        is_column = isinstance(field, Field) and field.concrete and not field.many_to_many
        if not (is_column if is_last and related is None else related):
            raise WrongName(part, model, is_last)
        to_many |= bool(field.many_to_many or field.one_to_many)
        nullable |= bool(getattr(field, "null", False)) or not is_column
        unique &= bool(field.one_to_one) or (is_column and _is_unique(field))
        if related is not None and not is_last:
            model = related
    column = field if is_column else related._meta.pk
    return Target(plain_field(column), related, column, to_many, nullable, unique and not to_many)


def _is_unique(field: Any) -> bool:
    constraints = field.model._meta.total_unique_constraints
    return bool(field.unique) or any(tuple(one.fields) == (field.name,) for one in constraints)


def plain_field(field: Any) -> Any:
    """The field whose values a column has: of a foreign key, the field that it refers to."""
    while field.is_relation and getattr(field, "target_field", None) is not None:
        field = field.target_field
    return field


def leads_to_many(rows: QuerySet[Any], name: str) -> bool:
    """Whether a name, which may follow relations, leads to several rows: `tags__name`."""
    return target_of(rows, name).to_many


def crosses_many(rows: QuerySet[Any], lookup: str) -> bool:
    """Whether a lookup, `stock__number__gt`, asks about several rows for one."""
    model: Any = rows.model
    parts = lookup.split("__")
    if parts[0] in rows.query.annotations:
        return False
    for part in parts:
        try:
            field = model._meta.pk if part == "pk" else model._meta.get_field(part)
        except FieldDoesNotExist:  # gt, in: a lookup, where the names end
            return False
        if field.many_to_many or field.one_to_many:
            return True
        model = field.related_model
        if not isinstance(model, type):
            return False
    return False


def may_repeat(rows: QuerySet[Any]) -> bool:
    """Whether a query may give a row several times: it joins a relation to many and is neither distinct nor grouped."""
    query = rows.query
    if query.distinct or query.group_by is not None:
        return False
    joins = (join for alias, join in query.alias_map.items() if query.alias_refcount.get(alias))
    return any(getattr(getattr(join, "join_field", None), "one_to_many", False) for join in joins)
