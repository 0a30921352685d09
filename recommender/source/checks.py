"""`manage.py check`: every wrong name in the source class, with the attribute to correct and near matches; every extra
that is not installed, with the command that installs it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.exceptions import FieldDoesNotExist, FieldError, ImproperlyConfigured
from django.db.models import BooleanField, DecimalField, Field, FloatField, IntegerField, Model, QuerySet

from recommender import extras
from recommender.engine.errors import EngineError
from recommender.source.declaration import Count, Latest, RecommenderSource, Sum, get_source
from recommender.source.times import field_at

# Attributes that hold field names, by the queryset whose model has the fields.
FIELD_ATTRIBUTES = {
    "customers": ("customer_key", "customer_user", "customer_categorical", "customer_numerical"),
    "items": (
        *("item_key", "item_categorical", "item_numerical", "item_text", "item_multi", "item_vector"),
        *("item_updated", "item_filters"),
    ),
    "interactions": (
        "interaction_customer",
        "interaction_item",
        "interaction_time",
        "interaction_rating",
        "interaction_quantity",
        "interaction_amount",
    ),
}
LIST_ATTRIBUTES = (
    *("customer_categorical", "customer_numerical", "item_categorical", "item_numerical", "item_text", "item_multi"),
    "item_filters",
)
OPTIONAL_QUERYSETS = {
    "all_customers": "everybody is among customers",
    "interactions_withheld": "nothing is withheld",
}
NUMBER_FIELDS = (DecimalField, FloatField, IntegerField, BooleanField)


def check_source(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Registered with Django's check framework."""
    if not settings.USE_TZ:
        return [Error("The recommender compares moments across time zones: set USE_TZ = True.", id="recommender.E010")]
    try:
        source = get_source()
    except (ImportError, AttributeError, ImproperlyConfigured) as error:
        return [Error(f"RECOMMENDER_SOURCE cannot be loaded: {error}", id="recommender.E001")]
    return list(problems_of(source))


def check_extras(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A message for each extra that is not installed: a warning where the settings need it, else for information."""
    needed = {"milvus"} if getattr(settings, "RECOMMENDER_RETRIEVAL_ADDRESS", "") else set()
    messages: list[CheckMessage] = []
    for name, extra in extras.EXTRAS.items():
        if not extras.is_installed(name):
            kind, letter = (Warning, "W") if name in needed else (Info, "I")
            messages.append(kind(extras.sentence(name), id=f"recommender.{letter}{extra.number}"))
    return messages


def problems_of(source: RecommenderSource) -> Iterator[CheckMessage]:
    """Every wrong or missing name in a source, as an error that names attribute, value and near matches."""
    yield from _unknown_attributes(source)
    wrong_types = [*_not_querysets(source), *_not_lists(source)]
    yield from wrong_types
    if wrong_types:  # the checks below need them
        return
    yield from _wrong_fields(source)
    yield from _wrong_relations(source)
    yield from _wrong_keys(source)
    yield from _wrong_condition(source)
    yield from _wrong_aliases(source)
    wrong_features = list(_wrong_features(source))
    yield from wrong_features
    if wrong_features:  # the engine would only repeat them
        return
    try:
        source.schema()
    except EngineError as error:
        yield _error(source, "E008", f"{error}")


def _error(source: RecommenderSource, code: str, problem: str, hint: str | None = None) -> Error:
    cls = type(source)
    return Error(f"{cls.__module__}.{cls.__name__}: {problem}", hint=hint or None, obj=cls, id=f"recommender.{code}")


def _unknown_attributes(source: RecommenderSource) -> Iterator[CheckMessage]:
    """A misspelt attribute would silently leave the default in place."""
    attributes = [name for name in vars(RecommenderSource)["__annotations__"] if not name.startswith("_")]
    for name, value in inspect.getmembers(type(source)):
        is_attribute = name.startswith(("customer", "item", "interaction")) and not callable(value)
        if is_attribute and name not in attributes and not hasattr(RecommenderSource, name):
            yield _error(source, "E002", f"there is no attribute {name!r}.", _near(name, attributes))


def _not_querysets(source: RecommenderSource) -> Iterator[CheckMessage]:
    for name in FIELD_ATTRIBUTES:
        if not isinstance(getattr(source, name, None), QuerySet):
            yield _error(source, "E003", f"{name} must be a queryset, such as Product.objects.all().")
    for name, meaning_of_none in OPTIONAL_QUERYSETS.items():
        if not isinstance(getattr(source, name), QuerySet | None):
            yield _error(source, "E003", f"{name} must be a queryset, or None where {meaning_of_none}.")


def _not_lists(source: RecommenderSource) -> Iterator[CheckMessage]:
    for name in LIST_ATTRIBUTES:
        value = getattr(source, name)
        if isinstance(value, str) or not isinstance(value, Sequence):
            yield _error(source, "E004", f"{name} must be a list of field names, not {value!r}.")


def _wrong_fields(source: RecommenderSource) -> Iterator[CheckMessage]:
    for queryset, attributes in FIELD_ATTRIBUTES.items():
        model = getattr(source, queryset).model
        for attribute in attributes:
            value = getattr(source, attribute)
            for name in [value] if value is None or isinstance(value, str) else value:
                if name is not None and name not in source.customer_from_interactions:
                    yield from _missing_field(source, attribute, model, name)
    for name, feature in source.customer_from_interactions.items():
        if isinstance(feature, Latest | Sum):
            attribute = f"customer_from_interactions[{name!r}]"
            yield from _missing_field(source, attribute, source.interactions.model, feature.field)


def _missing_field(source: RecommenderSource, attribute: str, model: type[Model], name: str) -> Iterator[CheckMessage]:
    """The first problem of a name that may follow relations: `category__name`."""
    parts = name.split("__")
    for place, part in enumerate(parts, 1):
        field, is_last = _field(model, part, to_many=attribute == "item_multi"), place == len(parts)
        related = field.related_model if field is not None else None
        if field is None or not (is_last or related):
            problem = f"{attribute} names {name!r}, but {model.__name__} has no {'field' if is_last else 'relation'} "
            to_many = model._meta.many_to_many if attribute == "item_multi" else ()
            columns = sorted(field.name for field in (*model._meta.concrete_fields, *to_many))
            yield _error(source, "E005", f"{problem}{part!r}.", _near(part, columns))
            return
        model = related or model


def _field(model: type[Model], name: str, to_many: bool = False) -> Any:
    """The column of this name; None for none, and, unless `to_many`, for a relation to many rows."""
    if name == "pk":
        return model._meta.pk
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    if to_many and field.is_relation:
        return field
    return field if isinstance(field, Field) and field.concrete and not field.many_to_many else None


def _wrong_relations(source: RecommenderSource) -> Iterator[CheckMessage]:
    for attribute, queryset in (("interaction_customer", source.customers), ("interaction_item", source.items)):
        name = getattr(source, attribute)
        field = _field(source.interactions.model, name)
        if field is not None and field.related_model not in (queryset.model, queryset.model._meta.concrete_model):
            problem = f"{attribute} names {name!r}, which is no foreign key to {queryset.model.__name__}."
            keys = sorted(f.name for f in source.interactions.model._meta.fields if f.related_model is queryset.model)
            yield _error(source, "E006", problem, _near(name, keys))


def _wrong_keys(source: RecommenderSource) -> Iterator[CheckMessage]:
    """Keys are compared as text: 7 may be "7" to one reader and "7.00" to another."""
    for attribute, queryset in (("customer_key", source.customers), ("item_key", source.items)):
        field = _field(queryset.model, name := getattr(source, attribute))
        if isinstance(field, DecimalField | FloatField):
            problem = f"{attribute} names {name!r}, a {type(field).__name__}; keys are text or whole numbers."
            yield _error(source, "E009", problem)


def _wrong_condition(source: RecommenderSource) -> Iterator[CheckMessage]:
    try:
        source.items.filter(source.item_available)
    except (FieldError, TypeError, ValueError) as error:
        yield _error(source, "E005", f"item_available cannot be asked of {source.items.model.__name__}: {error}")


def _wrong_features(source: RecommenderSource) -> Iterator[CheckMessage]:
    for name, feature in source.customer_from_interactions.items():
        attribute = f"customer_from_interactions[{name!r}]"
        if not isinstance(feature, Latest | Count | Sum):
            yield _error(source, "E007", f"{attribute} must be Latest(field), Sum(field) or Count(), not {feature!r}.")
        elif name not in (*source.customer_categorical, *source.customer_numerical):
            problem = f"{attribute}: {name!r} is in neither customer_categorical nor customer_numerical."
            yield _error(source, "E007", problem)
        elif isinstance(feature, Count | Sum) and name in source.customer_categorical:
            kind = type(feature).__name__.lower()
            problem = f"{attribute}: a {kind} is a number; move {name!r} from customer_categorical to "
            yield _error(source, "E007", f"{problem}customer_numerical.")
        elif isinstance(feature, Sum):
            model = source.interactions.model
            if any(_missing_field(source, attribute, model, feature.field)):
                continue  # `_wrong_fields` reports it
            field_class = type(field_at(model, feature.field))
            if not issubclass(field_class, NUMBER_FIELDS):
                problem = (
                    f"{attribute}: Sum({feature.field!r}) adds up a {field_class.__name__}, which holds no numbers."
                )
                yield _error(source, "E011", problem)


def _wrong_aliases(source: RecommenderSource) -> Iterator[CheckMessage]:
    spellings = {
        "customer_aliases": (source.customer_aliases, [*source.customer_categorical, *source.customer_numerical]),
        "item_aliases": (source.item_aliases, _item_features(source)),
    }
    for attribute, (aliases, features) in spellings.items():
        for alias, name in aliases.items():
            if name not in features:
                problem = f"{attribute}: {alias!r} stands for {name!r}, which is no feature."
                yield _error(source, "E007", problem, _near(name, sorted(features)))


def _item_features(source: RecommenderSource) -> list[str]:
    vector = [source.item_vector] if source.item_vector else []
    return [*source.item_categorical, *source.item_numerical, *source.item_text, *source.item_multi, *vector]


def _near(name: str, names: Sequence[str]) -> str:
    matches = get_close_matches(name, names, n=3)
    if matches:
        return f"Did you mean {' or '.join(matches)}?"
    return f"There are: {', '.join(names)}." if names else ""
