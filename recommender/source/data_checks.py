"""`manage.py check --database default`: what can be known of the rows before training, with a few queries.

All are warnings: `migrate` asks for these checks, too, and must not be held up by the rows that it is to mend.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Info
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, transaction
from django.db.models import CharField, Count, F, QuerySet, TextField
from django.db.models.functions import Length
from django.utils import timezone

from recommender.source.checks import problems_of, warning
from recommender.source.declaration import RecommenderSource, get_source
from recommender.source.interactions import CUSTOMER, ITEM, interactions_of
from recommender.source.items import available, lookups_of
from recommender.source.lengths import MAX_KEY_CHARACTERS
from recommender.source.names import WrongName, target_of
from recommender.source.times import time_as_stored, time_field

OLD = timedelta(days=365)
LARGE_TABLE = 100_000  # rows; smaller ones are read whole as quickly
EXAMPLES = 3
# What every list or refresh asks for.
INDEXED_ATTRIBUTES = (
    *("interaction_customer", "interaction_item", "interaction_time", "interaction_stored"),
    *("customer_key", "item_key", "item_updated", "item_group"),
)


def check_data(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Registered with Django's check framework, by the tag `database`."""
    if not settings.USE_TZ or not getattr(settings, "RECOMMENDER_SOURCE", ""):
        return []  # check_source says so
    try:
        source = get_source()
    except (ImportError, AttributeError, ImproperlyConfigured, TypeError):
        return []  # check_source says so
    if not isinstance(source, RecommenderSource) or any(problem.is_serious() for problem in problems_of(source)):
        return []  # check_source says so
    alias = source.interactions.db
    if alias not in (databases or ()):
        return []
    try:
        if not _are_migrated(source):
            return []
        with transaction.atomic(using=alias):  # or a query that fails would break the caller's transaction
            return list(_problems(source))
    except DatabaseError as error:
        problem = f"The rows of {type(source).__name__} could not be looked at: {error}"
        return [Info(problem, hint="Run manage.py migrate, then check again.", id="recommender.I010")]


# --- within -----------------------------------------------------------------------------------------------------------


def _are_migrated(source: RecommenderSource) -> bool:
    rows = source.interactions
    models = {queryset.model for queryset in (source.customers, source.items, rows)}
    there = set(connections[rows.db].introspection.table_names())
    return all(model._meta.db_table in there for model in models)


def _problems(source: RecommenderSource) -> Iterator[CheckMessage]:
    for attribute, rows in (("customer_key", source.everybody()), ("item_key", source.items)):
        yield from _bad_keys(source, attribute, rows.order_by())
    yield from _no_rows(source)
    yield from _no_indexes(source)


def _bad_keys(source: RecommenderSource, attribute: str, rows: QuerySet[Any]) -> Iterator[CheckMessage]:
    name = getattr(source, attribute)
    target, rows = target_of(rows, name), rows.annotate(_key=F(name))
    if not target.unique:
        alike = rows.filter(_key__isnull=False).values("_key").annotate(_n=Count("pk", distinct=True)).filter(_n__gt=1)
        found = [str(key) for key in alike.order_by("_key").values_list("_key", flat=True)[:EXAMPLES]]
        if found:
            problem = f"{attribute} names {name!r}, and several rows have the same: {', '.join(found)}."
            hint = f'{attribute} = "pk", or an annotation that is unique: Concat("tenant_id", Value("/"), "{name}").'
            yield warning(source, "W030", problem, hint)
    if target.nullable and (missing := rows.filter(_key__isnull=True).count()):
        problem = f"{attribute} names {name!r}, and rows without one are left out: {missing:,}."
        yield warning(source, "W031", problem, f'Give them one, or say {attribute} = "pk".')
    is_text = isinstance(target.field, CharField | TextField)
    if is_text and not 0 < (getattr(target.field, "max_length", None) or 0) <= MAX_KEY_CHARACTERS:
        too_long = (
            rows.filter(_key__isnull=False).annotate(_length=Length("_key")).filter(_length__gt=MAX_KEY_CHARACTERS)
        )
        example = too_long.values_list("_key", flat=True).first()
        if example is not None:
            beginning = str(example)[:40]
            problem = (
                f"{attribute} names {name!r}, and one has more than {MAX_KEY_CHARACTERS} characters: {beginning}..."
            )
            hint = f'{attribute} = "pk": events and dismissals of longer keys are refused.'
            yield warning(source, "W032", problem, hint)


def _no_rows(source: RecommenderSource) -> Iterator[CheckMessage]:
    """Rows that are there and are left out, all of them. Tables without a row are no mistake: the site is new."""
    items = source.listed_items()
    if items.exists() and not items.filter(available(source)).exists():
        problem = "item_available lets no item be listed."
        yield warning(source, "W034", problem, f"item_available = {source.item_available} asks for what no row has.")
    elif _has_rows(items) and not items.exists():
        yield warning(source, "W033", "items leaves out all rows: there is nothing to list.", "Look at its filter.")
    if (
        source.item_group
        and source.variants().filter(**{f"{source.item_group}__{source.item_group}__isnull": False}).exists()
    ):
        problem = (
            f"item_group names {source.item_group!r}, and there are variants of variants: what sells is not listed."
        )
        yield warning(source, "W029", problem, "Let each variant name the item that is listed.")
    if not _has_rows(source.interactions):
        return
    sold = interactions_of(source).filter(**{f"{CUSTOMER}__isnull": False, f"{ITEM}__isnull": False}).order_by()
    if not sold.exists():
        problem = "interactions has no row with a customer and an item: there is nothing to learn from."
        hint = "Look at its filter, at interaction_customer and at interaction_item."
        yield warning(source, "W035", problem, hint)
        return
    since = time_as_stored(timezone.now() - OLD, time_field(source))
    if not sold.filter(**{f"{source.interaction_time}__gte": since}).exists():
        problem = f"interaction_time names {source.interaction_time!r}, and no interaction is of the last year."
        hint = "Name the moment of the purchase, or expect lists of what was wanted then."
        yield warning(source, "W036", problem, hint)
    if not sold.filter(**{f"{CUSTOMER}__in": source.customers.order_by().values("pk")}).exists():
        problem = "interactions are of nobody among customers: there is nothing to learn from."
        yield warning(source, "W037", problem, "Look at the filter of customers (consent?) and interaction_customer.")
    if not sold.filter(**{f"{ITEM}__in": items.order_by().values("pk")}).exists():
        problem = "interactions are of nothing among items: what is learned is never listed."
        hint = 'Look at the filter of items and interaction_item; where variants are sold: item_group = "parent".'
        yield warning(source, "W038", problem, hint)


def _has_rows(rows: QuerySet[Any]) -> bool:
    """Whether the table has a row, whatever the queryset leaves out."""
    return rows.model._base_manager.using(rows.db).exists()


def _no_indexes(source: RecommenderSource) -> Iterator[CheckMessage]:
    """Columns of large tables that are asked for all the time, without an index."""
    rows_of = {"customer": source.everybody(), "item": source.items, "interaction": source.interactions}
    names = [(attribute, getattr(source, attribute)) for attribute in INDEXED_ATTRIBUTES]
    names += [("item_available", name) for name in sorted(_asked_about(source))]
    for attribute, name in names:
        rows = rows_of[attribute.split("_")[0]]
        column = target_of(rows, name).column if name else None
        if column is None or not _is_large(column.model, rows.db) or column.column in _indexed(column.model, rows.db):
            continue
        model = column.model.__name__
        problem = f"{attribute} reads {model}.{column.name} of over {LARGE_TABLE:,} rows, and no index begins with it."
        hint = f'In {model}.Meta: indexes = [models.Index(fields=["{column.name}"])]'
        yield warning(source, "W039", problem, hint)


def _asked_about(source: RecommenderSource) -> set[str]:
    """The columns that item_available asks about."""
    names = set()
    for lookup in lookups_of(source.item_available):
        parts = lookup.split("__")
        for length in range(len(parts), 0, -1):
            name = "__".join(parts[:length])
            if _is_name(source.items, name):  # else it ends in gt, in or another lookup
                names.add(name)
                break
    return names


def _is_name(rows: QuerySet[Any], name: str) -> bool:
    try:
        target_of(rows, name)
    except WrongName:
        return False
    return True


def _is_large(model: Any, alias: str) -> bool:
    rows = model._base_manager.using(alias).order_by("pk").values("pk")
    return bool(rows[LARGE_TABLE : LARGE_TABLE + 1])


def _indexed(model: Any, alias: str) -> set[str]:
    """The columns that an index of the table begins with."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, model._meta.db_table).values()
    indexes = (one for one in constraints if one["index"] or one["unique"] or one["primary_key"])
    return {one["columns"][0] for one in indexes if one["columns"]}
