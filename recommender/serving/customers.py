"""Who a list is for, as the engine wants to know it: profile, last purchases and totals, read from the shop's own rows.

What comes from purchases is defined here exactly as in training: a latest value is that of the latest purchase (missing
there means missing), counts and sums are over all of them. A purchase made a second ago is in the next answer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber
from django.db.models.lookups import In
from django.utils import timezone

from recommender import feedback
from recommender.engine.bundle.inference import Event, Person
from recommender.engine.data.encoders import LARGEST_AMOUNT, as_number, as_text, stored_number, stored_rating
from recommender.engine.errors import ProfileError
from recommender.engine.times import EARLIEST_SECONDS, latest_seconds
from recommender.errors import RecommendationError
from recommender.models import Dismissal
from recommender.source import (
    AHEAD,
    CompiledQuery,
    Count,
    RecommenderSource,
    Sum,
    credible,
    field_at,
    get_source,
    is_customer_key,
    plain_value,
    unix_seconds,
    with_consent,
)

AT_ONCE = 500  # customers in one query: SQLite binds so many values and more
MAX_HISTORY = 100  # purchases read when no model says how many it reads


@dataclass(frozen=True)
class Customer:
    """A customer the shop knows. `person` is what the engine may know of them, `bought` the keys of all they bought.

    viewed : keys of what they looked at within a day, the latest last, without what they bought.
    learnable : False for who opted out of personalisation; then the other three are empty, whatever is on record.
    dismissed : keys of what they do not want to be shown.
    """

    key: str
    pk: Any
    learnable: bool
    person: Person
    bought: frozenset[str]
    viewed: tuple[str, ...]
    dismissed: frozenset[str] = frozenset()


class Totals(NamedTuple):
    """What is summed over all purchases of somebody of whom not all are read."""

    purchases: int
    features: dict[str, float]


def find_customers(keys: Iterable[str], max_history: int = MAX_HISTORY) -> dict[str, Customer]:
    """The customers of these keys, those that exist.

    Four queries; one more where purchases are withheld, and two where not every purchase is read.
    """
    source = get_source()
    wanted = [key for key in dict.fromkeys(keys) if is_customer_key(key, source)]
    customers: dict[str, Customer] = {}
    for start in range(0, len(wanted), AT_ONCE):
        customers |= _read_customers(source, wanted[start : start + AT_ONCE], max_history)
    return customers


def check_profile(profile: Mapping[str, object]) -> dict[str, object]:
    """A profile in the source's own names. RecommendationError names a field that is unknown or of the wrong type."""
    source = get_source()
    checked: dict[str, object] = {}
    for given, value in _fields("profile", profile):
        name = source.customer_aliases.get(given, given)
        if name in source.customer_categorical:
            read: Any = as_text
        elif name in source.customer_numerical:
            read = as_number
        else:
            known = ", ".join([*source.customer_categorical, *source.customer_numerical])
            raise RecommendationError("profile", f"{given!r} is no field of a profile; there are {known}.")
        if name in checked:
            raise RecommendationError("profile", f"{name!r} is given twice, once as {given!r}.")
        checked[name] = _read("profile", given, value, read)
    return checked


def check_item(features: Mapping[str, object]) -> dict[str, object]:
    """An item description in the source's own names, with errors like `check_profile`."""
    source = get_source()
    checked: dict[str, object] = {}
    for given, value in _fields("item_features", features):
        name = source.item_aliases.get(given, given)
        if name not in source.item_categorical:
            known = ", ".join(source.item_categorical)
            raise RecommendationError("item_features", f"{given!r} is no field of an item; there are {known}.")
        if name in checked:
            raise RecommendationError("item_features", f"{name!r} is given twice, once as {given!r}.")
        checked[name] = _read("item_features", given, value, as_text)
    return checked


def _fields(field: str, given: Mapping[str, object]) -> Iterable[tuple[str, object]]:
    if not isinstance(given, Mapping):
        raise RecommendationError(field, f"{field} is {given!r}; it must be an object of fields and values.")
    return given.items()


def _read(field: str, name: str, value: object, read: Any) -> object:
    try:
        found = read(name, value)
    except ProfileError as error:
        raise RecommendationError(field, str(error)) from None
    return None if found != found else found  # nan: missing


# --- reading rows -----------------------------------------------------------------------------------------------------


def _read_customers(source: RecommenderSource, keys: list[str], max_history: int) -> dict[str, Customer]:
    static = source.static_features
    numerical = set(source.customer_numerical)
    rows = _customers_query(source).rows(keys)
    learnable = [pk for pk, _, agrees, *_ in rows if agrees]
    # One purchase more than the model reads: the time that passed since that one is read, too.
    purchases = _latest_purchases(source, learnable, max_history + 1)
    histories = _histories(source, purchases)
    rows_read = Counter(row[source.interaction_customer] for row in purchases)
    long = [pk for pk, number in rows_read.items() if number > max_history]
    bought_by, number_of_purchases = _once(_of(source, long), source) if long else ({}, {})
    totals = _totals(source, long, number_of_purchases)
    withheld = _withheld(source, [pk for pk, _, agrees, withholds, *_ in rows if agrees and withholds])
    viewed_by, dismissed_by = feedback.recent_views(keys), _dismissed(keys)
    customers: dict[str, Customer] = {}
    for pk, key, agrees, _, *values in rows:
        history, profile = histories.get(pk, []), {}
        if agrees:
            profile = {
                name: stored_number(value) if name in numerical else plain_value(value)
                for name, value in zip(static, values, strict=True)
            }
        number = None
        if pk in totals:
            number, profile = totals[pk].purchases, profile | totals[pk].features
        bought = bought_by.get(pk) or frozenset(event.item for event in history)
        bought |= withheld.get(pk, frozenset())
        viewed = tuple(item for item in viewed_by.get(str(key), ()) if item not in bought) if agrees else ()
        customers[str(key)] = Customer(
            key=str(key),
            pk=pk,
            learnable=bool(agrees),
            person=Person(profile, history, number),
            bought=bought,
            viewed=viewed,
            dismissed=frozenset(dismissed_by.get(str(key), ())),
        )
    return customers


def _withholds(source: RecommenderSource) -> Exists | Value:
    """Of a customer's row: whether they bought something that lists may not know of. Few did: it is read apart."""
    if source.interactions_withheld is None:
        return Value(False)
    return Exists(source.interactions_withheld.filter(**{source.interaction_customer: OuterRef("pk")}))


def _withheld(source: RecommenderSource, customers: list[Any]) -> dict[Any, frozenset[str]]:
    if not customers or source.interactions_withheld is None:
        return {}
    rows = source.interactions_withheld.filter(**{f"{source.interaction_customer}__in": customers})
    return _bought(rows, source)


def _dismissed(keys: list[str]) -> dict[str, set[str]]:
    """Keys of the items that each customer, by key, does not want to be shown."""
    items: dict[str, set[str]] = defaultdict(set)
    for customer, item in _DISMISSALS.rows(keys):
        items[customer].add(item)
    return items


def _latest_purchases(source: RecommenderSource, customers: list[Any], at_most: int) -> list[dict[str, Any]]:
    """The last so many purchases of each of these customers (primary keys), newest first, with the columns read."""
    if not customers:
        return []
    query, columns = _purchases_query(source, at_most, timezone.now().astimezone(UTC).date())
    return [dict(zip(columns, row, strict=True)) for row in query.rows(customers)]


def _histories(source: RecommenderSource, purchases: list[dict[str, Any]]) -> dict[Any, list[Event]]:
    """The purchases of each customer, by primary key, oldest first.

    purchases : newest first. As in training (engine/tables.py), rows of the same item and moment are one purchase: the
    last row, with the last rating that was given and with the sums of both. A rating or number that training leaves out
    is left out here.
    """
    histories: dict[Any, dict[tuple[str, float], Event]] = defaultdict(dict)
    item_key = f"{source.interaction_item}__{source.item_key}"
    numeric = source.schema().numeric_interaction_columns()
    columns, latest = source.interaction_columns, latest_seconds()
    for row in reversed(purchases):
        item, moment = row[item_key], unix_seconds(row[source.interaction_time])
        if item is None or not EARLIEST_SECONDS <= moment <= latest:
            continue
        rating = stored_rating(row[source.interaction_rating]) if source.interaction_rating else None
        quantity = stored_number(row[source.interaction_quantity]) if source.interaction_quantity else None
        values = {
            name: stored_number(row[name], LARGEST_AMOUNT) if name in numeric else plain_value(row[name])
            for name in columns
        }
        event = Event(str(item), moment, rating, 1.0 if quantity is None else quantity, values)
        history = histories[row[source.interaction_customer]]
        before = history.pop((event.item, moment), None)
        history[event.item, moment] = event if before is None else _one_purchase(source, before, event)
    return {customer: list(history.values()) for customer, history in histories.items()}


def _one_purchase(source: RecommenderSource, earlier: Event, later: Event) -> Event:
    """Two rows of one customer, item and moment as one purchase."""
    values: dict[str, object] = dict(later.values)
    for take in source.customer_from_interactions.values():
        if isinstance(take, Sum):
            amounts = [told.values.get(take.field) for told in (earlier, later)]
            known = [amount for amount in amounts if isinstance(amount, float)]
            values[take.field] = sum(known) if known else None
    rating = earlier.rating if later.rating is None else later.rating
    return Event(later.item, later.time, rating, earlier.quantity + later.quantity, values)


def _once(rows: QuerySet, source: RecommenderSource) -> tuple[dict[Any, frozenset[str]], Mapping[Any, int]]:
    """Of each customer in these rows, keys of what they bought and how many purchases that are, repeated rows once."""
    bought: dict[Any, set[str]] = defaultdict(set)
    number: Counter[Any] = Counter()
    item = f"{source.interaction_item}__{source.item_key}"
    # Not the time itself: a database may hold one that cannot be read.
    rows = rows.annotate(_moment=Case(When(credible(source), then=F(source.interaction_time))))
    columns = (source.interaction_customer, item, "_moment")
    for customer, key, moment in rows.order_by().values_list(*columns).distinct().iterator():
        if key is not None:
            bought[customer].add(str(key))
            number[customer] += moment is not None
    return {customer: frozenset(keys) for customer, keys in bought.items()}, number


def _totals(source: RecommenderSource, customers: list[Any], number: Mapping[Any, int]) -> dict[Any, Totals]:
    """Counts and sums over all purchases, for those of whom not every purchase is read.

    number : purchases of each.
    """
    if not customers:
        return {}
    features, who = source.customer_from_interactions, source.interaction_customer
    counts = [name for name, take in features.items() if isinstance(take, Count)]
    sums = {name: take.field for name, take in features.items() if isinstance(take, Sum)}
    purchases = _of(source, customers).filter(credible(source)).order_by()
    measures = {f"_{name}": _sum_of(source, column) for name, column in sums.items()}
    rows = purchases.values(who).annotate(**measures)
    return {
        row[who]: Totals(
            number[row[who]],
            {name: float(number[row[who]]) for name in counts} | {name: float(row[f"_{name}"] or 0) for name in sums},
        )
        for row in rows
    }


def _sum_of(source: RecommenderSource, column: str) -> models.Sum:
    """The sum of a column without the numbers that training leaves out; only floats can be so large."""
    if not isinstance(field_at(source.interactions.model, column), models.FloatField):
        return models.Sum(column)
    usable = {f"{column}__gte": -LARGEST_AMOUNT, f"{column}__lte": LARGEST_AMOUNT}
    return models.Sum(column, filter=models.Q(**usable))


def _bought(rows: QuerySet, source: RecommenderSource) -> dict[Any, frozenset[str]]:
    """Keys of what each customer bought in these rows."""
    bought: dict[Any, set[str]] = defaultdict(set)
    item = f"{source.interaction_item}__{source.item_key}"
    for customer, key in rows.order_by().values_list(source.interaction_customer, item).distinct():
        if key is not None:
            bought[customer].add(str(key))
    return {customer: frozenset(keys) for customer, keys in bought.items()}


def _of(source: RecommenderSource, customers: list[Any]) -> QuerySet:
    return source.interactions.filter(**{f"{source.interaction_customer}__in": customers})


# --- queries that are compiled once -----------------------------------------------------------------------------------

_DISMISSALS = CompiledQuery(
    lambda keys: Dismissal.objects.filter(customer__in=keys).order_by().values_list("customer", "item")
)


@lru_cache(maxsize=8)
def _customers_query(source: RecommenderSource) -> CompiledQuery:
    """By key. Columns: primary key, key, whether they agree to personalisation, whether they withhold purchases, static
    features."""
    columns = ("pk", source.customer_key, "_learnable", "_withholds", *source.static_features)

    def build(keys: Sequence[Any]) -> QuerySet:
        customers = with_consent(source).filter(**{f"{source.customer_key}__in": keys})
        return customers.annotate(_withholds=_withholds(source)).order_by().values_list(*columns)

    return CompiledQuery(build, source.customer_field)


@lru_cache(maxsize=8)
def _purchases_query(source: RecommenderSource, at_most: int, today: date) -> tuple[CompiledQuery, list[str]]:
    """The last so many purchases of each customer, by primary key, newest first; and the names of the columns.

    today : in UTC. What the query knows of the clock holds for a day; `_histories` compares with the moment.
    """
    tomorrow = datetime(today.year, today.month, today.day, tzinfo=UTC) + timedelta(days=1)
    who, item = source.interaction_customer, f"{source.interaction_item}__{source.item_key}"
    optional = [name for name in (source.interaction_rating, source.interaction_quantity) if name]
    columns = list(dict.fromkeys([who, source.interaction_time, item, *optional, *source.interaction_columns]))
    newest_first = [F(source.interaction_time).desc(), F("pk").desc()]

    def build(customers: Sequence[Any]) -> QuerySet:
        purchases = source.interactions.filter(credible(source, tomorrow + AHEAD), In(F(who), customers))
        if len(customers) == 1:
            return purchases.order_by(*newest_first).values_list(*columns)[:at_most]
        place = Window(RowNumber(), partition_by=[F(who)], order_by=newest_first)
        return (
            purchases.annotate(_place=place).filter(_place__lte=at_most).order_by(who, "_place").values_list(*columns)
        )

    return CompiledQuery(build, source.customers.model._meta.pk), columns
