"""`manage.py check`: a wrong field name in the source class is reported with the line to mend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model, QuerySet

from recommender.engine.errors import EngineError
from recommender.source import Latest, RecommenderSource, Sum, get_source


def check_source(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Registered with Django's check framework."""
    try:
        source = get_source()
    except (ImportError, AttributeError) as error:
        return [Error(f"RECOMMENDER_SOURCE cannot be loaded: {error}", id="recommender.E001")]
    return list(problems_of(source))


def problems_of(source: RecommenderSource) -> Iterator[CheckMessage]:
    """Every wrong or missing name in a source, as an error that names attribute, value and near matches."""
    where = type(source)
    for attribute in ("customers", "items", "interactions"):
        if not isinstance(getattr(source, attribute, None), QuerySet):
            yield Error(f"{where.__name__}.{attribute} must be a queryset.", obj=where, id="recommender.E002")
            return
    customer, item, interaction = source.customers.model, source.items.model, source.interactions.model
    named: list[tuple[str, type[Model], Sequence[str | None]]] = [
        ("customer_key", customer, [source.customer_key]),
        ("customer_user", customer, [source.customer_user]),
        ("customer_categorical or customer_numerical", customer, source.static_features),
        ("item_key", item, [source.item_key]),
        ("item_categorical", item, source.item_categorical),
        ("item_updated", item, [source.item_updated]),
        ("item_filters", item, source.item_filters),
        *(
            (f"interaction_{name}", interaction, [getattr(source, f"interaction_{name}")])
            for name in ("customer", "item", "time", "rating", "quantity")
        ),
        ("customer_from_interactions", interaction, source.interaction_columns),
    ]
    for attribute, model, fields in named:
        for name in fields:
            if name is not None and not _has_field(model, name):
                yield _no_such_field(where, attribute, model, name)
    for name, take in source.customer_from_interactions.items():
        if name not in (*source.customer_categorical, *source.customer_numerical):
            yield Error(
                f"{where.__name__}.customer_from_interactions names {name!r}, which is in neither "
                "customer_categorical nor customer_numerical.",
                obj=where,
                id="recommender.E004",
            )
        if isinstance(take, Sum) and name in source.customer_categorical:
            yield Error(
                f"{where.__name__}: the sum {name!r} is a number, not a category.", obj=where, id="recommender.E005"
            )
        if isinstance(take, Latest) and not take.field:
            yield Error(f"{where.__name__}: Latest for {name!r} names no field.", obj=where, id="recommender.E005")
    known = {*source.customer_categorical, *source.customer_numerical, *source.item_categorical}
    for alias, name in {**source.customer_aliases, **source.item_aliases}.items():
        if name not in known:
            yield Error(
                f"{where.__name__}: the alias {alias!r} means {name!r}, which is no feature.",
                hint=_near(name, sorted(known)),
                obj=where,
                id="recommender.E006",
            )
    try:
        source.schema()
    except EngineError as error:
        yield Error(f"{where.__name__}: {error}", obj=where, id="recommender.E007")


def _has_field(model: type[Model], name: str) -> bool:
    if name == "pk":
        return True
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


def _no_such_field(where: type, attribute: str, model: type[Model], name: str) -> Error:
    fields = sorted(f.name for f in model._meta.get_fields())
    return Error(
        f"{where.__module__}.{where.__name__}.{attribute} names {name!r}, but {model.__name__} has no such field.",
        hint=_near(name, fields),
        obj=where,
        id="recommender.E003",
    )


def _near(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=3)
    return f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(known)}."
