"""`manage.py check`: every wrong name in the source class, with the attribute to mend and what was meant; every extra
that is not installed, with the command that installs it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.exceptions import FieldDoesNotExist, FieldError, ImproperlyConfigured
from django.db.models import BooleanField, DecimalField, Field, FloatField, IntegerField, Model, QuerySet

from recommender import extras
from recommender.engine.errors import EngineError
from recommender.source.declaration import Count, Latest, RecommenderSource, Sum, get_source
from recommender.source.times import field_at

# Attributes that hold field names, by the queryset whose model has the fields.
NAMES = {
    "customers": ("customer_key", "customer_user", "customer_categorical", "customer_numerical"),
    "items": ("item_key", "item_categorical", "item_updated", "item_filters"),
    "interactions": (
        "interaction_customer",
        "interaction_item",
        "interaction_time",
        "interaction_rating",
        "interaction_quantity",
        "interaction_amount",
    ),
}
NUMBERS = (DecimalField, FloatField, IntegerField, BooleanField)
LISTS = ("customer_categorical", "customer_numerical", "item_categorical", "item_filters")


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
    """A line for each extra that is not installed: a warning where the settings count on it, else for information."""
    needed = {"milvus"} if getattr(settings, "RECOMMENDER_RETRIEVAL_ADDRESS", "") else set()
    found: list[CheckMessage] = []
    for name, extra in extras.EXTRAS.items():
        if not extras.is_installed(name):
            kind, letter = (Warning, "W") if name in needed else (Info, "I")
            found.append(kind(extras.sentence(name), id=f"recommender.{letter}{extra.number}"))
    if apps.is_installed("django.contrib.admin") and extras.is_installed("admin") and not apps.is_installed("unfold"):
        problem = 'The recommender has no pages in the admin: put "unfold" into INSTALLED_APPS before the admin.'
        found.append(Warning(problem, id="recommender.W008"))
    return found


def problems_of(source: RecommenderSource) -> Iterator[CheckMessage]:
    """Every wrong or missing name in a source, as an error that names attribute, value and near matches."""
    yield from _unknown_attributes(source)
    shape = [*_not_querysets(source), *_not_lists(source)]
    if shape:  # nothing below can be asked of the models
        yield from shape
        return
    yield from _wrong_fields(source)
    yield from _wrong_relations(source)
    yield from _wrong_keys(source)
    yield from _wrong_condition(source)
    yield from _wrong_aliases(source)
    features = list(_wrong_features(source))
    yield from features
    if features:  # the engine would only say the same again
        return
    try:
        source.schema()
    except EngineError as error:
        yield _error(source, "E008", f"{error}")


def _error(source: RecommenderSource, code: str, problem: str, hint: str | None = None) -> Error:
    where = type(source)
    return Error(
        f"{where.__module__}.{where.__name__}: {problem}", hint=hint or None, obj=where, id=f"recommender.{code}"
    )


def _unknown_attributes(source: RecommenderSource) -> Iterator[CheckMessage]:
    """A misspelt attribute would silently leave the default in place."""
    known = [name for name in vars(RecommenderSource)["__annotations__"] if not name.startswith("_")]
    ours = {name for kind in type(source).__mro__ if kind in (RecommenderSource, object) for name in vars(kind)}
    for name, value in inspect.getmembers(type(source)):
        odd = name not in known and name not in ours and not name.startswith("_")
        if odd and name.startswith(("customer", "item", "interaction")) and not callable(value):
            yield _error(source, "E002", f"there is no attribute {name!r}.", _near(name, known))


def _not_querysets(source: RecommenderSource) -> Iterator[CheckMessage]:
    for name in NAMES:
        if not isinstance(getattr(source, name, None), QuerySet):
            yield _error(source, "E003", f"{name} must be a queryset, such as Product.objects.all().")
    if source.all_customers is not None and not isinstance(source.all_customers, QuerySet):
        yield _error(source, "E003", "all_customers must be a queryset, or None where everybody is among customers.")
    withheld = source.interactions_withheld
    if withheld is not None and not isinstance(withheld, QuerySet):
        yield _error(source, "E003", "interactions_withheld must be a queryset, or None where nothing is withheld.")


def _not_lists(source: RecommenderSource) -> Iterator[CheckMessage]:
    for name in LISTS:
        value = getattr(source, name)
        if isinstance(value, str) or not isinstance(value, Sequence):
            yield _error(source, "E004", f"{name} must be a list of field names, not {value!r}.")


def _wrong_fields(source: RecommenderSource) -> Iterator[CheckMessage]:
    for queryset, attributes in NAMES.items():
        model = getattr(source, queryset).model
        for attribute in attributes:
            value = getattr(source, attribute)
            for name in [value] if value is None or isinstance(value, str) else value:
                if name is not None and name not in source.customer_from_interactions:
                    yield from _missing_field(source, attribute, model, name)
    for feature, take in source.customer_from_interactions.items():
        if isinstance(take, Latest | Sum):
            attribute = f"customer_from_interactions[{feature!r}]"
            yield from _missing_field(source, attribute, source.interactions.model, take.field)


def _missing_field(source: RecommenderSource, attribute: str, model: type[Model], name: str) -> Iterator[CheckMessage]:
    """Nothing, or the one problem of a name that may follow relations: `category__name`."""
    here = model
    parts = name.split("__")
    for place, part in enumerate(parts, 1):
        field, last = _field(here, part), place == len(parts)
        leads_to = field.related_model if field is not None else None
        if field is None or not (last or leads_to):
            problem = f"{attribute} names {name!r}, but {here.__name__} has no {'field' if last else 'relation'} "
            yield _error(source, "E005", f"{problem}{part!r}.", _near(part, _columns(here)))
            return
        here = leads_to or here


def _field(model: type[Model], name: str) -> Field[Any, Any] | None:
    """The column of this name; None for none, and for the other end of somebody else's foreign key."""
    if name == "pk":
        return model._meta.pk
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, Field) and field.concrete and not field.many_to_many else None


def _columns(model: type[Model]) -> list[str]:
    return sorted(field.name for field in model._meta.concrete_fields)


def _wrong_relations(source: RecommenderSource) -> Iterator[CheckMessage]:
    for attribute, queryset in (("interaction_customer", source.customers), ("interaction_item", source.items)):
        name = getattr(source, attribute)
        field = _field(source.interactions.model, name)
        if field is not None and field.related_model not in (queryset.model, queryset.model._meta.concrete_model):
            wanted = queryset.model.__name__
            keys = sorted(f.name for f in source.interactions.model._meta.fields if f.related_model is queryset.model)
            yield _error(
                source, "E006", f"{attribute} names {name!r}, which is no foreign key to {wanted}.", _near(name, keys)
            )


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
    for name, take in source.customer_from_interactions.items():
        attribute = f"customer_from_interactions[{name!r}]"
        if not isinstance(take, Latest | Count | Sum):
            yield _error(source, "E007", f"{attribute} must be Latest(field), Sum(field) or Count(), not {take!r}.")
        elif name not in (*source.customer_categorical, *source.customer_numerical):
            problem = f"{attribute}: {name!r} is in neither customer_categorical nor customer_numerical."
            yield _error(source, "E007", problem)
        elif isinstance(take, Count | Sum) and name in source.customer_categorical:
            kind = type(take).__name__.lower()
            problem = f"{attribute}: a {kind} is a number; move {name!r} from customer_categorical to "
            yield _error(source, "E007", f"{problem}customer_numerical.")
        elif isinstance(take, Sum) and not list(
            _missing_field(source, attribute, source.interactions.model, take.field)
        ):
            field = field_at(source.interactions.model, take.field)
            if not isinstance(field, NUMBERS):
                problem = f"{attribute}: Sum({take.field!r}) adds up a {type(field).__name__}, which holds no numbers."
                yield _error(source, "E011", problem)


def _wrong_aliases(source: RecommenderSource) -> Iterator[CheckMessage]:
    spellings = {
        "customer_aliases": (source.customer_aliases, [*source.customer_categorical, *source.customer_numerical]),
        "item_aliases": (source.item_aliases, list(source.item_categorical)),
    }
    for attribute, (aliases, features) in spellings.items():
        for alias, name in aliases.items():
            if name not in features:
                problem = f"{attribute}: {alias!r} stands for {name!r}, which is no feature."
                yield _error(source, "E007", problem, _near(name, sorted(features)))


def _near(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=3)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"There are: {', '.join(known)}." if known else ""
