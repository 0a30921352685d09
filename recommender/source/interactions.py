"""Interactions with the customer and the item that each is of, whatever relations lead there."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.models import (
    Case,
    CharField,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Concat, Substr

from recommender.source.declaration import RecommenderSource
from recommender.source.names import target_of

# Columns of `interactions_of`: primary keys. A variant counts as its parent.
CUSTOMER, ITEM = "_customer", "_item"
# Columns of `with_keys`: the keys that the rest of the recommender knows them by.
CUSTOMER_KEY, ITEM_KEY = "_customer_key", "_item_key"


def interactions_of(source: RecommenderSource, rows: QuerySet[Any] | None = None) -> QuerySet[Any]:
    """The interactions, or these rows of the same kind, with CUSTOMER and ITEM; either is None for nobody's."""
    rows = source.interactions if rows is None else rows
    item: Any = primary_key(rows, source.interaction_item)
    if source.item_group:
        if _leads_straight(rows, source.interaction_item, source.items):
            item = Coalesce(F(f"{source.interaction_item}__{source.item_group}__pk"), item)
        else:
            rows = rows.annotate(_sold=item)
            parents = source.items.model._base_manager.filter(pk=OuterRef("_sold")).order_by()
            item = Subquery(parents.values(_group=Coalesce(F(f"{source.item_group}__pk"), F("pk")))[:1])
    return rows.annotate(**{CUSTOMER: primary_key(rows, source.interaction_customer), ITEM: item})


def with_keys(source: RecommenderSource, rows: QuerySet[Any], *columns: str) -> QuerySet[Any]:
    """Rows of `interactions_of` with CUSTOMER_KEY and ITEM_KEY, or the one of them that is named: each may cost a
    join."""
    keys = {CUSTOMER_KEY: _customer_key, ITEM_KEY: _item_key}
    return rows.annotate(**{column: keys[column](source, rows) for column in columns or keys})


def count_purchases(source: RecommenderSource) -> int:
    """How many interactions there are that have a customer and an item: guests teach nothing."""
    return interactions_of(source).filter(**{f"{CUSTOMER}__isnull": False, f"{ITEM}__isnull": False}).count()


def primary_key(rows: QuerySet[Any], name: str) -> F:
    """The primary key of what a name leads to."""
    return F(f"{name}__pk" if target_of(rows, name).related and name not in rows.query.annotations else name)


def key_as_text(rows: QuerySet[Any], column: str) -> Any:
    """In a subquery, the key in this column of the outer rows, as `str` makes a text of it: some databases keep a UUID
    without its hyphens."""
    text = Cast(OuterRef(column), CharField())
    native = connections[rows.db].features.has_native_uuid_field
    if native or not isinstance(target_of(rows, column).field, UUIDField):
        return text
    parts = [Substr(text, first, length) for first, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    return Concat(parts[0], *(piece for part in parts[1:] for piece in (Value("-"), part)))


# --- within -----------------------------------------------------------------------------------------------------------


def _customer_key(source: RecommenderSource, rows: QuerySet[Any]) -> Any:
    return _key(rows, CUSTOMER, source.interaction_customer, source.everybody(), source.customer_key)


def _item_key(source: RecommenderSource, rows: QuerySet[Any]) -> Any:
    item, group = source.interaction_item, source.item_group
    key = _key(rows, ITEM, item, source.items, source.item_key)
    if group is None or source.item_key == "pk" or not isinstance(key, F):
        return key
    of_parent = F(f"{item}__{group}__{source.item_key}")
    return Case(When(Q(**{f"{item}__{group}__isnull": False}), then=of_parent), default=key)


def _key(rows: QuerySet[Any], pk: str, name: str, of: QuerySet[Any], key: str) -> Any:
    """The key, a column or annotation of the queryset `of`, of the row that a name leads to.   pk : the column with the
    primary key of that row."""
    if key == "pk":
        return F(pk)
    if key not in of.query.annotations and _leads_straight(rows, name, of):
        return F(f"{name}__{key}")
    of = of if key in of.query.annotations else of.model._base_manager.using(of.db).all()
    return Subquery(of.order_by().filter(pk=OuterRef(pk)).values(key)[:1])


def _leads_straight(rows: QuerySet[Any], name: str, of: QuerySet[Any]) -> bool:
    """Whether a name is a path to the model of the queryset `of` itself, over which its columns can be read."""
    target = target_of(rows, name)
    concrete = target.related._meta.concrete_model if target.related and not target.annotated else None
    return concrete is of.model._meta.concrete_model
