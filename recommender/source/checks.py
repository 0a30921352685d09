"""`manage.py check` of the source class: every wrong name, with the attribute to correct and near matches; what can be
known of its querysets, keys and relations without a query, with the line to write."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db.models import (
    BinaryField,
    BooleanField,
    CharField,
    DateField,
    DecimalField,
    DurationField,
    FloatField,
    GenericIPAddressField,
    IntegerField,
    QuerySet,
    TextField,
    TimeField,
    UUIDField,
)
from django.db.models.query import ValuesIterable, ValuesListIterable

from recommender.engine.errors import EngineError
from recommender.source.declaration import Count, Latest, RecommenderSource, Sum, get_source
from recommender.source.lengths import MAX_KEY_CHARACTERS
from recommender.source.names import Target, WrongName, may_repeat, plain_field, target_of
from recommender.source.newness import have_order

# Attributes that hold field names, by the queryset whose model has the fields.
FIELD_ATTRIBUTES = {
    "customers": ("customer_key", "customer_user", "customer_scope", "customer_categorical", "customer_numerical"),
    "items": (
        *("item_key", "item_categorical", "item_numerical", "item_text", "item_multi", "item_vector"),
        *("item_scope", "item_updated", "item_filters", "item_group"),
    ),
    "interactions": (
        "interaction_customer",
        "interaction_item",
        "interaction_time",
        "interaction_rating",
        "interaction_quantity",
        "interaction_amount",
        "interaction_stored",
    ),
}
# Querysets that are read by the same names.
SAME_NAMES = {"customers": ("all_customers",), "items": (), "interactions": ()}
TO_MANY_ATTRIBUTES = ("item_multi", "customer_user", "item_scope")
LIST_ATTRIBUTES = (
    *("customer_categorical", "customer_numerical", "item_categorical", "item_numerical", "item_text", "item_multi"),
    "item_filters",
)
OPTIONAL_QUERYSETS = {
    "all_customers": "everybody is among customers",
    "interactions_withheld": "nothing is withheld",
}
NUMBER_FIELDS = (DecimalField, FloatField, IntegerField, BooleanField)
# What certainly holds no numbers, no moments or no vectors. Nothing is said of fields of other packages.
NO_NUMBERS = (CharField, TextField, UUIDField, DateField, TimeField, BinaryField, GenericIPAddressField)
NO_MOMENTS = (BooleanField, CharField, TextField, UUIDField, TimeField, DurationField, BinaryField)
NO_VECTORS = (*NUMBER_FIELDS, CharField, TextField, UUIDField, DateField, TimeField, DurationField)
# Of attributes that hold a name: the fields that cannot be meant, and what is meant.
WRONG_TYPES: dict[str, tuple[str, tuple[type, ...], str]] = {
    "interaction_time": ("interactions", NO_MOMENTS, "a DateTimeField, a DateField or Unix seconds"),
    "interaction_rating": ("interactions", NO_NUMBERS, "a field of numbers"),
    "interaction_quantity": ("interactions", NO_NUMBERS, "a field of numbers"),
    "interaction_amount": ("interactions", NO_NUMBERS, "a field of numbers"),
    "customer_numerical": ("customers", NO_NUMBERS, "a field of numbers"),
    "item_numerical": ("items", NO_NUMBERS, "a field of numbers"),
    "item_vector": ("items", NO_VECTORS, "a field that holds a list of numbers, such as a JSONField"),
}


def check_source(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Registered with Django's check framework."""
    if not settings.USE_TZ:
        problem = "The recommender compares moments across time zones."
        return [Error(problem, hint="In the settings: USE_TZ = True", id="recommender.E010")]
    if not getattr(settings, "RECOMMENDER_SOURCE", ""):
        hint = 'In the settings: RECOMMENDER_SOURCE = "shop.source.ShopSource", the path of a RecommenderSource.'
        return [Error("RECOMMENDER_SOURCE is not set.", hint=hint, id="recommender.E001")]
    try:
        source = get_source()
    except (ImportError, AttributeError, ImproperlyConfigured, TypeError) as error:
        return [Error(f"RECOMMENDER_SOURCE cannot be loaded: {error}", id="recommender.E001")]
    if not isinstance(source, RecommenderSource):
        problem = f"RECOMMENDER_SOURCE names {settings.RECOMMENDER_SOURCE!r}, which is no RecommenderSource."
        hint = "from recommender.source import RecommenderSource; class ShopSource(RecommenderSource): ..."
        return [Error(problem, hint=hint, id="recommender.E001")]
    return list(problems_of(source))


def problems_of(source: RecommenderSource) -> Iterator[CheckMessage]:
    """Every wrong or missing name in a source, as an error that names attribute, value and near matches."""
    yield from _unknown_attributes(source)
    wrong_types = [*_not_querysets(source), *_not_lists(source), *_not_to_be_filtered(source)]
    yield from wrong_types
    if wrong_types:  # the checks below need them
        return
    wrong_names = [*_wrong_fields(source), *_wrong_relations(source)]
    yield from wrong_names
    yield from _wrong_keys(source)
    yield from _wrong_condition(source)
    yield from _wrong_scopes(source)
    yield from _several_databases(source)
    yield from _repeated_rows(source)
    if not wrong_names:
        yield from _doubtful_keys(source)
        yield from _several_customers_of_a_user(source)
        yield from _keys_without_order(source)
        yield from _wrong_types(source)
        yield from _users_unnamed(source)
        yield from _customers_without_lists(source)
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


def warning(source: RecommenderSource, code: str, problem: str, hint: str) -> Warning:
    cls = type(source)
    return Warning(f"{cls.__module__}.{cls.__name__}: {problem}", hint=hint, obj=cls, id=f"recommender.{code}")


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


def _not_to_be_filtered(source: RecommenderSource) -> Iterator[CheckMessage]:
    """A queryset that the recommender cannot ask further."""
    for name in (*FIELD_ATTRIBUTES, *OPTIONAL_QUERYSETS):
        rows = getattr(source, name, None)
        if not isinstance(rows, QuerySet):
            continue
        if rows.query.combinator:
            problem = f"{name} is a {rows.query.combinator} of querysets, which cannot be filtered."
            hint = "Make one model of them: a database view, with a model that has managed = False."
        elif rows.query.is_sliced:
            problem = f"{name} is a part of a queryset, which cannot be filtered."
            hint = "Leave out [...], and filter instead."
        elif rows.query.values_select or issubclass(rows._iterable_class, ValuesIterable | ValuesListIterable):
            problem, hint = f"{name} is a queryset of values, not of objects.", "Leave out .values() or .values_list()."
        elif rows.query.distinct_fields:
            problem = f"{name} is distinct by {', '.join(rows.query.distinct_fields)}, which allows no other order."
            hint = f"Filter by a subquery: .filter(pk__in=...), and leave {name} in no order."
        elif name.startswith("interactions") and rows.query.group_by is not None:
            problem = f"{name} is annotated by an aggregate, and the recommender counts interactions itself."
            hint = "Write the annotation as a Subquery: it leaves each row a row."
        else:
            continue
        yield _error(source, "E013", problem, hint)


def _not_lists(source: RecommenderSource) -> Iterator[CheckMessage]:
    for name in LIST_ATTRIBUTES:
        value = getattr(source, name)
        if isinstance(value, str) or not isinstance(value, Sequence):
            yield _error(source, "E004", f"{name} must be a list of field names, not {value!r}.")


def _wrong_fields(source: RecommenderSource) -> Iterator[CheckMessage]:
    for queryset, attributes in FIELD_ATTRIBUTES.items():
        for rows_of in (queryset, *SAME_NAMES[queryset]):
            rows = getattr(source, rows_of)
            for attribute in attributes:
                value = getattr(source, attribute)
                for name in [value] if value is None or isinstance(value, str) else value:
                    if name is not None and name not in source.customer_from_interactions and rows is not None:
                        of = "" if rows_of == queryset else f" of {rows_of}"
                        yield from _missing_field(source, attribute, rows, name, of)
    for name, feature in source.customer_from_interactions.items():
        if isinstance(feature, Latest | Sum):
            attribute = f"customer_from_interactions[{name!r}]"
            yield from _missing_field(source, attribute, source.interactions, feature.field)


def _missing_field(
    source: RecommenderSource, attribute: str, rows: QuerySet[Any], name: str, of: str = ""
) -> Iterator[CheckMessage]:
    """What is wrong with a name that may be an annotation or follow relations: `category__name`. of : says of which
    queryset, where it is not the one that the attribute is about."""
    takes_many = attribute in TO_MANY_ATTRIBUTES
    try:
        target = target_of(rows, name)
    except WrongName as error:
        problem = f"{attribute} names {name!r}, but {error.model.__name__}{of} has no "
        to_many = error.model._meta.many_to_many if takes_many else ()
        columns = {field.name for field in (*error.model._meta.concrete_fields, *to_many)}
        names = sorted({*columns, *(rows.query.annotations if error.model is rows.model else ())})
        yield _error(source, "E005", f"{problem}{_kind_of(error)} {error.part!r}.", _near(error.part, names))
    except FieldError as error:
        yield _error(source, "E005", f"{attribute} names {name!r}, an annotation whose type is not known: {error}")
    else:
        if target.to_many and not takes_many:
            problem = f"{attribute} names {name!r}, which leads to several rows of {rows.model.__name__} or of another."
            yield _error(source, "E012", problem, _instead_of_many(attribute, name))


def _kind_of(error: WrongName) -> str:
    return "field" if error.is_last else "relation"


def _instead_of_many(attribute: str, name: str) -> str:
    if attribute in ("item_categorical", "item_numerical", "item_text"):
        return f"item_multi = [{name!r}] takes several values."
    return "Annotate the queryset with one value: a Subquery, Max or Count."


def _wrong_relations(source: RecommenderSource) -> Iterator[CheckMessage]:
    for attribute, of in (("interaction_customer", source.customers), ("interaction_item", source.items)):
        querysets = (source.interactions, source.interactions_withheld)
        for rows in (rows for rows in querysets if rows is not None):
            target = _target(rows, name := getattr(source, attribute))
            if target is None or target.to_many or (target.related is None and target.annotated):
                continue
            if target.related is None or not _same_rows(target.related, of.model):
                problem = f"{attribute} names {name!r}, which is no foreign key to {of.model.__name__}."
                keys = sorted(f.name for f in rows.model._meta.fields if f.related_model is of.model)
                yield _error(source, "E006", problem, _near(name, keys))
                break
    yield from _withheld_of_another_model(source)
    group = _target(source.items, source.item_group) if source.item_group else None
    if (
        group is not None
        and not group.to_many
        and not (group.related and _same_rows(group.related, source.items.model))
    ):
        model = source.items.model
        problem = f"item_group names {source.item_group!r}, which is no foreign key to {model.__name__} itself."
        keys = sorted(f.name for f in model._meta.fields if f.related_model and _same_rows(f.related_model, model))
        yield _error(source, "E006", problem, _near(source.item_group or "", keys))
    user = get_user_model()
    target = _target(source.customers, source.customer_user) if source.customer_user else None
    if target is not None and not target.annotated:
        leads_to_user = target.related is not None and _same_rows(user, target.related)
        if not leads_to_user and plain_field(user._meta.pk) is not target.field:
            keys = sorted(f.name for f in source.customers.model._meta.get_fields() if f.related_model is user)
            problem = f"customer_user names {source.customer_user!r}, which is no relation to {user.__name__}."
            yield _error(source, "E006", problem, _near(source.customer_user or "", keys))


def _withheld_of_another_model(source: RecommenderSource) -> Iterator[CheckMessage]:
    withheld = source.interactions_withheld
    if withheld is None:
        return
    for name in (source.interaction_customer, source.interaction_item):
        if _target(source.interactions, name) is not None and _target(withheld, name) is None:
            problem = f"interactions_withheld holds {withheld.model.__name__}, which has no {name!r}: lists would fail."
            line = f"interactions_withheld = {source.interactions.model.__name__}.objects.filter(...)"
            yield _error(source, "E036", problem, line)
            return


def _same_rows(one: Any, other: Any) -> bool:
    """Whether the rows of two models have the same primary keys: they are one model, a proxy, or a child of it."""
    return issubclass(one._meta.concrete_model, other) or issubclass(other._meta.concrete_model, one)


def _target(rows: QuerySet[Any], name: str) -> Target | None:
    """Where a name leads; None where `_wrong_fields` says that it is wrong."""
    try:
        return target_of(rows, name)
    except (WrongName, FieldError):
        return None


def _wrong_keys(source: RecommenderSource) -> Iterator[CheckMessage]:
    """Keys are compared as text: 7 may be "7" to one reader and "7.00" to another."""
    for attribute, rows in (("customer_key", source.customers), ("item_key", source.items)):
        target = _target(rows, name := getattr(source, attribute))
        if target is not None and isinstance(target.field, DecimalField | FloatField):
            problem = f"{attribute} names {name!r}, a {type(target.field).__name__}; keys are text or whole numbers."
            yield _error(source, "E009", problem)


def _doubtful_keys(source: RecommenderSource) -> Iterator[CheckMessage]:
    """Keys of which it is known before any query that there may be two alike, none, or one that is too long."""
    for attribute, rows in (("customer_key", source.customers), ("item_key", source.items)):
        name = getattr(source, attribute)
        target = target_of(rows, name)
        if target.annotated or isinstance(target.field, DecimalField | FloatField):
            continue  # what an annotation holds is known from its rows: data_checks.py
        if not target.unique:
            problem = f"{attribute} names {name!r}, which is not unique: two rows may have the same key."
            yield warning(source, "W014", problem, _unique_key(attribute, rows, name, target))
        elif target.nullable:
            problem = f"{attribute} names {name!r}, which may be null: rows without a key are left out."
            of = attribute.split("_")[0] + "s"
            yield warning(source, "W015", problem, f"{of} = {_source_text(rows)}.exclude({name}=None)")
        limit = getattr(target.field, "max_length", None) if isinstance(target.field, CharField) else None
        if isinstance(target.field, TextField) or (limit or 0) > MAX_KEY_CHARACTERS:
            problem = f"{attribute} names {name!r}, which may have more than {MAX_KEY_CHARACTERS} characters."
            hint = f'{attribute} = "pk", or another field of at most {MAX_KEY_CHARACTERS} characters.'
            yield warning(source, "W016", problem, hint)


def _unique_key(attribute: str, rows: QuerySet[Any], name: str, target: Target) -> str:
    """The line to write for a key that is unique only together with other fields, or not at all."""
    about = rows.model._meta
    together = [tuple(one.fields) for one in about.total_unique_constraints] + [*map(tuple, about.unique_together)]
    fields = next((fields for fields in together if name in fields), None)
    if fields is None:
        return f'{attribute} = "pk", or the name of a field with unique=True.'
    parts = ', Value("/"), '.join(f'"{about.get_field(field).attname}"' for field in fields)
    of = attribute.split("_")[0] + "s"
    line = f'{of} = {_source_text(rows)}.annotate(key=Concat({parts}, output_field=CharField())); {attribute} = "key"'
    return f"It is unique together with {', '.join(field for field in fields if field != name)}: {line}"


def _source_text(rows: QuerySet[Any]) -> str:
    return f"{rows.model.__name__}.objects"


def _several_customers_of_a_user(source: RecommenderSource) -> Iterator[CheckMessage]:
    """Of a user who is several customers, one would be taken."""
    name = source.customer_user
    target = _target(source.customers, name) if name else None
    if name is None or target is None or target.annotated or target.to_many or target.unique:
        return
    if source.customer_scope:  # they are told apart by it
        return
    problem = f"customer_user names {name!r}, by which one user may be several customers: the first of them is taken."
    hint = f"Make {name!r} a OneToOneField; or name where a customer has their site or tenant: customer_scope."
    yield warning(source, "W017", problem, hint)


def _keys_without_order(source: RecommenderSource) -> Iterator[CheckMessage]:
    """New interactions are found by their time where primary keys have no order."""
    if have_order(source):
        return
    stored = _moments_of_storing(source.interactions.model)
    if source.interaction_stored:
        target = _target(source.interactions, source.interaction_stored)
        if target and getattr(target.field, "auto_now", False):
            problem = (
                f"interaction_stored names {source.interaction_stored!r}, which every change of the row sets anew."
            )
            line = (
                f'interaction_stored = "{stored[0]}"' if stored else "Name a field that is set once, when it is made."
            )
            yield warning(source, "W019", problem, line)
    elif stored:
        kind = type(plain_field(source.interactions.model._meta.pk)).__name__
        problem = f"interactions have primary keys without an order, {kind}s: what is entered late is counted late."
        yield warning(source, "W018", problem, f'interaction_stored = "{stored[0]}"')


def _wrong_types(source: RecommenderSource) -> Iterator[CheckMessage]:
    """Fields of a class that cannot be meant: a training would fail, learn nothing of them, or a page would break."""
    for attribute, (queryset, refused, wanted) in WRONG_TYPES.items():
        value = getattr(source, attribute)
        rows = getattr(source, queryset)
        for name in [value] if isinstance(value, str) else value or ():
            target = None if name in source.customer_from_interactions else _target(rows, name)
            if target is not None and isinstance(target.field, refused):
                kind = type(target.field).__name__
                problem = f"{attribute} names {name!r}, a {kind}: it must be {wanted}."
                hint = _fields_instead(attribute, rows, refused, name)
                # Without a time nothing can be read at all.
                is_time = attribute == "interaction_time"
                yield _error(source, "E033", problem, hint) if is_time else warning(source, "W050", problem, hint)
    time = _target(source.interactions, source.interaction_time)
    if time is not None and isinstance(time.field, NUMBER_FIELDS) and not isinstance(time.field, BooleanField):
        problem = f"interaction_time names {source.interaction_time!r}, numbers that are read as Unix seconds."
        yield warning(source, "W052", problem, "Name a DateTimeField; or silence recommender.W052 where they are.")
    name = source.interaction_stored
    target = _target(source.interactions, name) if name else None
    if target is not None and not _has_order(target.field):
        problem = f"interaction_stored names {name!r}, a {type(target.field).__name__}: every list would fail."
        stored = _moments_of_storing(source.interactions.model)
        line = f'interaction_stored = "{stored[0]}"' if stored else "interaction_stored = None"
        yield _error(source, "E034", problem, f"{line}: a DateTimeField, or a number that grows.")


def _has_order(field: Any) -> bool:
    numbers = isinstance(field, DecimalField | FloatField | IntegerField)
    return isinstance(field, DateField) or numbers or not isinstance(field, (*NO_NUMBERS, BooleanField))


def _fields_instead(attribute: str, rows: QuerySet[Any], refused: tuple[type, ...], name: str) -> str:
    """The line to write: with a column that could be meant, else without the name."""
    columns = [
        column.name
        for column in rows.model._meta.concrete_fields
        if not column.is_relation and not column.primary_key and not isinstance(column, (*refused, BooleanField))
    ]
    if attribute.endswith("numerical"):
        return f"Move {name!r} to {attribute.replace('numerical', 'categorical')}, or name a field of numbers."
    return f"There are: {', '.join(columns)}." if columns else f"Leave out {attribute}, or name an annotation."


def _users_unnamed(source: RecommenderSource) -> Iterator[CheckMessage]:
    """Customers who could be known by their user, and are not: whoever signs in would stay a stranger."""
    user, model = get_user_model(), source.customers.model
    if source.customer_user is not None or issubclass(model, user):
        return
    names = [f.name for f in model._meta.concrete_fields if f.one_to_one and f.related_model is user]
    if names:
        problem = f"{model.__name__} has a user, and customer_user is None: who signs in gets the lists of a visitor."
        yield warning(source, "W051", problem, f'customer_user = "{names[0]}"')


def _customers_without_lists(source: RecommenderSource) -> Iterator[CheckMessage]:
    """all_customers holds those of `customers`, and more: of another model it holds none of them."""
    everybody, model = source.all_customers, source.customers.model
    if everybody is not None and not _same_rows(everybody.model, model):
        problem = f"all_customers holds {everybody.model.__name__}, not {model.__name__}: no customer would get a list."
        yield _error(source, "E035", problem, f"all_customers = {model.__name__}.objects.all()")


def _moments_of_storing(model: Any) -> list[str]:
    """The names of columns that hold when a row was stored, of the model or of what it belongs to."""
    own = [f.name for f in model._meta.concrete_fields if getattr(f, "auto_now_add", False)]
    of_others = [
        f"{relation.name}__{field.name}"
        for relation in model._meta.concrete_fields
        if relation.related_model and relation.name != "pk"
        for field in relation.related_model._meta.concrete_fields
        if getattr(field, "auto_now_add", False) and not relation.null
    ]
    return own + of_others


def _repeated_rows(source: RecommenderSource) -> Iterator[CheckMessage]:
    for name in (*FIELD_ATTRIBUTES, *OPTIONAL_QUERYSETS):
        rows = getattr(source, name)
        if rows is not None and may_repeat(rows):
            problem = f"{name} filters by a relation to many, and may hold a row several times."
            yield warning(source, "W013", problem, f"{name} = {_source_text(rows)}.filter(...).distinct()")


def _several_databases(source: RecommenderSource) -> Iterator[CheckMessage]:
    names = [*FIELD_ATTRIBUTES, *(name for name in OPTIONAL_QUERYSETS if getattr(source, name) is not None)]
    used = {name: getattr(source, name).db for name in names}
    if len(set(used.values())) > 1:
        places = ", ".join(f"{name} in {alias!r}" for name, alias in used.items())
        hint = "Let your database router, or .using(...), read all of them from one."
        yield _error(source, "E014", f"one query reads several databases: {places}.", hint)


def _wrong_condition(source: RecommenderSource) -> Iterator[CheckMessage]:
    try:
        source.items.filter(source.item_available)
    except (FieldError, TypeError, ValueError) as error:
        yield _error(source, "E005", f"item_available cannot be asked of {source.items.model.__name__}: {error}")


def _wrong_scopes(source: RecommenderSource) -> Iterator[CheckMessage]:
    if source.customer_scope and not source.item_scope:
        problem = f"customer_scope names {source.customer_scope!r}, and item_scope nothing: lists would mix the items."
        yield _error(source, "E020", problem, "Name the field of an item that holds its scope.")
    if source.item_scope and type(source).scope_of is RecommenderSource.scope_of:
        problem = f"item_scope names {source.item_scope!r}, and nothing says of which scope a request is."
        yield _error(source, "E021", problem, "Write scope_of(self, request): it gives a value of item_scope.")
    elif source.item_scope:
        try:
            inspect.signature(source.scope_of).bind(None)
        except TypeError:
            problem = f"scope_of{inspect.signature(type(source).scope_of)} cannot be asked about a request."
            yield _error(source, "E037", problem, "def scope_of(self, request): ...")


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
            target = _target(source.interactions, feature.field)
            if target is None:
                continue  # `_wrong_fields` reports it
            field_class = type(target.field)
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
