"""Items of the source, read from the database by their keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from recommender.engine.data.encoders import as_text, as_texts, as_vector, stored_number
from recommender.engine.errors import ProfileError
from recommender.errors import RecommendationError
from recommender.source.declaration import RecommenderSource, get_source
from recommender.source.keys import stored_value
from recommender.source.names import crosses_many, leads_to_many
from recommender.source.scopes import within
from recommender.source.values import plain_value
from recommender.words import Words

SPELLINGS = 16  # of a key that are the same to a database which compares without case
AT_ONCE = 500  # items in one query: SQLite binds so many values and more


def is_item_key(key: object) -> bool:
    """Whether this can be a key: None and spaces alone are none, in training and in serving."""
    return key is not None and bool(str(key).strip())


def available(source: RecommenderSource) -> Q:
    """Which of the items may be listed. Asked of a relation to many, it gives no item twice."""
    condition = source.item_available
    if not condition:
        return Q(pk__isnull=False)
    if any(crosses_many(source.items, name) for name in lookups_of(condition)):
        return Q(Exists(source.items.order_by().filter(condition, pk=OuterRef("pk"))))
    return condition


def read_item(key: object, columns: Sequence[str] = (), scope: str | None = None) -> tuple[Any, ...] | None:
    """Primary key and columns of the item of this key, for sale or not; None where there is none, in this scope if one
    is named. One query."""
    source = get_source()
    return _row_of_key(source, within(source.listed_items(), source.item_scope, scope), key, ["pk", *columns])


def listed_key(key: str) -> str:
    """The key that an item is listed by: that of its parent for a variant, else its own. A query where there are
    variants."""
    source = get_source()
    if source.item_group is None:
        return key
    found = _row_of_key(source, source.variants(), key, [f"{source.item_group}__pk"])
    parent = None if found is None else source.items.filter(pk=found[0]).values_list(source.item_key, flat=True).first()
    return key if parent is None else str(parent)


def key_of_item(item: Any) -> str:
    """The key of an item as a page names it: by an object of the items' model, perhaps a variant, or by the key."""
    source = get_source()
    listed: Any = source.items.model._meta.concrete_model
    if not isinstance(item, Model) or not issubclass(type(item)._meta.concrete_model or type(item), listed):
        return str(item)
    if source.item_key in source.items.query.annotations or "__" in source.item_key:
        named = (
            rows.filter(pk=item.pk).values_list(source.item_key, flat=True)
            for rows in (source.items, source.variants())
        )
        return next((str(key) for keys in named for key in keys[:1]), "")
    return str(getattr(item, source.item_key))


def read_variants(source: RecommenderSource) -> Iterator[tuple[str, Any]]:
    """Key of each variant, and primary key of its parent."""
    rows = source.variants().order_by().values_list(source.item_key, f"{source.item_group}__pk")
    return ((str(key), parent) for key, parent in rows.iterator() if is_item_key(key))


def read_described(source: RecommenderSource, pks: Iterable[Any]) -> dict[Any, tuple[Any, ...]]:
    """Of these items, by primary key, the key and the categorical features. A query for some hundred items."""
    columns, waiting = ("pk", source.item_key, *source.item_categorical), iter(dict.fromkeys(pks))
    found: dict[Any, tuple[Any, ...]] = {}
    while part := list(islice(waiting, AT_ONCE)):
        rows = source.items.order_by().filter(pk__in=part).values_list(*columns)
        found |= {pk: values for pk, *values in rows}
    return found


def item_exists(key: object, scope: str | None = None) -> bool:
    """Whether there is an item of this key now, for sale or not; in this scope, if one is named."""
    return read_item(key, scope=scope) is not None


def items_of_scope(keys: Iterable[str], scope: str | None) -> list[str]:
    """Those of the keys whose items are of a scope, in their order. All of them where the source has no scopes, none
    where it has some and none is named."""
    source, keys = get_source(), list(keys)
    if source.item_scope is None or not keys:
        return keys
    if scope is None:
        return []
    rows = within(source.items, source.item_scope, scope).filter(**{f"{source.item_key}__in": set(keys)})
    found = {str(key) for key in rows.values_list(source.item_key, flat=True)}
    return [key for key in keys if key in found]


def check_item_exists(key: object, scope: str | None = None) -> None:
    """RecommendationError for an unknown item, or one of another scope."""
    if not item_exists(key, scope):
        raise RecommendationError("item", Words("There is no item {key!r}.", key=key))


def values_of_many(rows: QuerySet, name: str, pks: Iterable[Any]) -> dict[Any, list[Any]]:
    """Of each of these rows, by primary key, the values that a name which leads to many has. One query."""
    values: dict[Any, list[Any]] = {pk: [] for pk in pks}
    found = rows.model._base_manager.using(rows.db).filter(pk__in=list(values)).order_by("pk", name)
    for pk, value in found.values_list("pk", name):
        if value is not None:
            values[pk].append(value)
    return values


def texts_of(name: str, value: Any) -> tuple[str, ...]:
    """The values of a field with several, as texts. ProfileError where it holds none."""
    several = value is not None and not isinstance(value, str)
    return as_texts(name, [plain_value(one) for one in value] if several and hasattr(value, "__iter__") else value)


def vector_of(name: str, value: Any) -> tuple[float, ...]:
    """The numbers of a field with a vector. ProfileError where it holds none."""
    if value == "":
        return ()
    return as_vector(name, value if value is None or isinstance(value, str) else list(value))


def read_content(source: RecommenderSource, pks: Iterable[Any]) -> Iterator[tuple[Any, dict[str, object]]]:
    """Primary key and content (what a model reads beside categories) of these items. What training leaves out is
    missing. A query for some hundred items, and one for each field that leads to many."""
    schema, rows = source.schema(), source.items.order_by()
    several = {name for name in schema.item_multi if leads_to_many(rows, name)}
    names = [name for name in schema.content_fields if name not in several]
    waiting = iter(pks)
    while part := list(islice(waiting, AT_ONCE)):
        of_many = {name: values_of_many(rows, name, part) for name in several}
        for pk, *values in rows.filter(pk__in=part).values_list("pk", *names):
            raw = dict(zip(names, values, strict=True)) | {name: of_many[name][pk] for name in several}
            yield pk, {name: _readable(source, name, value) for name, value in raw.items()}


def read_several(source: RecommenderSource, pks: Iterable[Any]) -> Iterator[tuple[Any, set[tuple[str, str]]]]:
    """Primary key and the several values of these items, as (field, value). A query for each field."""
    pks = list(pks)
    for name in source.item_multi:
        rows = source.items.order_by()
        of_many = leads_to_many(rows, name)
        found = values_of_many(rows, name, pks) if of_many else dict(rows.filter(pk__in=pks).values_list("pk", name))
        for pk, value in found.items():
            yield pk, {(name, text) for text in _readable(source, name, value) or ()}


def _readable(source: RecommenderSource, name: str, value: Any) -> Any:
    try:
        if name in source.item_numerical:
            return stored_number(plain_value(value))
        if name in source.item_multi:
            return texts_of(name, value)
        return vector_of(name, value) if name == source.item_vector else as_text(name, plain_value(value))
    except (ProfileError, TypeError):
        return None


def lookups_of(condition: Q) -> Iterator[str]:
    """The lookups of a condition."""
    for child in condition.children:
        if isinstance(child, Q):
            yield from lookups_of(child)
        elif isinstance(child, tuple):
            yield child[0]


def _row_of_key(
    source: RecommenderSource, rows: QuerySet, key: object, columns: Sequence[str]
) -> tuple[Any, ...] | None:
    """The columns of the first of these rows with this key."""
    if not isinstance(key, str) or not is_item_key(key) or stored_value(source.item_field, key) is None:
        return None
    spelled_alike = rows.filter(**{source.item_key: key}).order_by()
    found = list(spelled_alike.values_list(source.item_key, *columns)[:SPELLINGS])
    # "p1" finds "P1", too, where a database compares without case.
    return next((tuple(values) for spelled, *values in found if str(spelled) == key), None)
