"""Scopes: the sites, tenants or markets of a source by which customers, items and lists never mix.

A scope is a text here: that of the value which `item_scope`, `customer_scope` and `scope_of` have for it, of a row its
primary key. Where a source names no scope, every scope below is None and no query is another.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet

from recommender.source.declaration import get_source
from recommender.source.keys import stored_value
from recommender.source.names import target_of


def scope_text(value: Any) -> str | None:
    """The text of a scope, which a caller may name by a row of the site's, its key or its text. None for none."""
    if isinstance(value, Model):
        value = value.pk
    return None if value in (None, "") else str(value)


def scope_of_request(request: Any, named: Any = None) -> str | None:
    """The scope that is named, else that of a request, as the source says it; None where the source names no scope, or
    cannot tell."""
    scope, source = scope_text(named), get_source()
    if scope is None and source.item_scope and request is not None:
        return scope_text(source.scope_of(request))
    return scope


def within(rows: QuerySet[Any], path: str | None, scope: str | None) -> QuerySet[Any]:
    """Those of the rows that are of a scope; all of them without a path or a scope. path : where a row has its scope;
    of a relation to many, a row may be there twice."""
    if path is None or scope is None:
        return rows
    value = stored_value(target_of(rows, path).field, scope)
    return rows.none() if value is None else rows.filter(**{path: value})
