"""The context of a customer: profile, purchases, views and dismissals, read from the shop's own rows.

What comes from purchases is defined exactly as in training: a latest value is that of the latest purchase (missing
there means missing), counts and sums are over all of them. A purchase made a second ago is in the next list.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet, Value, Window
from django.db.models.functions import RowNumber
from django.db.models.lookups import In
from django.utils import timezone

from recommender import feedback
from recommender.engine.bundle.inference import Interaction, Person
from recommender.engine.data.encoders import (
    LARGEST_AMOUNT,
    Reader,
    item_readers,
    profile_readers,
    stored_number,
    stored_rating,
)
from recommender.engine.errors import ProfileError
from recommender.engine.times import EARLIEST_SECONDS, latest_seconds
from recommender.engine_words import engine_words
from recommender.errors import RecommendationError
from recommender.models import Dismissal
from recommender.source import (
    CUSTOMER,
    ITEM_KEY,
    MAX_CLOCK_AHEAD,
    CompiledQuery,
    Count,
    RecommenderSource,
    Sum,
    credible_time,
    get_source,
    interactions_of,
    is_customer_key,
    plain_field,
    plain_value,
    scope_text,
    unix_seconds,
    with_consent,
    with_keys,
)
from recommender.words import Words

AT_ONCE = 500  # customers in one query: SQLite binds so many values and more
MAX_HISTORY = 100  # purchases read when no model says how many it reads


@dataclass(frozen=True)
class CustomerContext:
    """A customer the shop knows.

    person : what the engine may know of them.
    purchases : all that they bought and lists may know of, oldest first.
    bought : keys of all that they bought.
    viewed : keys of what they looked at within a day, the latest last, without what they bought.
    learnable : False for a customer who opted out of personalisation; then the four above are empty.
    dismissed : keys of what they do not want to be shown.
    scope : the site, tenant or market that they are of, "" for none; None where customers have none.
    """

    key: str
    pk: Any
    learnable: bool
    person: Person
    purchases: Sequence[Interaction]
    bought: frozenset[str]
    viewed: tuple[str, ...]
    dismissed: frozenset[str] = frozenset()
    scope: str | None = None

    def is_of(self, scope: str | None) -> bool:
        """Whether they are a customer of this scope; where customers have none, of every one."""
        return self.scope is None or self.scope == scope


def find_customers(keys: Iterable[str], max_history: int = MAX_HISTORY) -> dict[str, CustomerContext]:
    """The customers of these keys, those that exist.

    Four queries; one more where purchases are withheld, and one where a customer has more than `max_history` purchases.
    """
    source = get_source()
    wanted = [key for key in dict.fromkeys(keys) if is_customer_key(key, source)]
    customers: dict[str, CustomerContext] = {}
    for start in range(0, len(wanted), AT_ONCE):
        customers |= _read_customers(source, wanted[start : start + AT_ONCE], max_history)
    return customers


def check_profile(profile: Mapping[str, object]) -> dict[str, object]:
    """A profile in the source's own names. RecommendationError names a field that is unknown or of the wrong type."""
    source = get_source()
    return _check_fields(
        "profile", profile, source.customer_aliases, profile_readers(source.schema()), Words("a profile")
    )


def check_item(features: Mapping[str, object]) -> dict[str, object]:
    """An item description in the source's own names, with errors like `check_profile`."""
    source = get_source()
    return _check_fields(
        "item_features", features, source.item_aliases, item_readers(source.schema()), Words("an item")
    )


# --- within -----------------------------------------------------------------------------------------------------------


def _check_fields(
    parameter: str, fields: object, aliases: Mapping[str, str], readers: Mapping[str, Reader], owner: str
) -> dict[str, object]:
    """The fields under their own names, each value as its reader takes it; None for a number that is missing."""
    if not isinstance(fields, Mapping):
        raise RecommendationError(
            parameter,
            Words(
                "{parameter} is {fields!r}; it must be an object of fields and values.",
                parameter=parameter,
                fields=fields,
            ),
        )
    checked: dict[str, object] = {}
    for given, value in fields.items():
        name = aliases.get(given, given)
        if name not in readers:
            known = ", ".join(readers)
            raise RecommendationError(
                parameter,
                Words("{given!r} is no field of {owner}; there are {known}.", given=given, owner=owner, known=known),
            )
        if name in checked:
            raise RecommendationError(
                parameter, Words("{name!r} is given twice, once as {given!r}.", name=name, given=given)
            )
        try:
            read = readers[name](given, value)
        except ProfileError as error:
            raise RecommendationError(parameter, engine_words(error)) from None
        checked[name] = None if read != read else read  # nan: missing
    return checked


def _read_customers(source: RecommenderSource, keys: list[str], max_history: int) -> dict[str, CustomerContext]:
    rows = _customers_query(source).rows(keys)
    learnable = [pk for pk, _, agrees, *_ in rows if agrees]
    # One purchase more than the model reads: the time that passed since that one is read, too.
    purchases = _purchases(source, learnable, max_history + 1)
    histories = _histories(source, purchases)
    rows_of = Counter(row[CUSTOMER] for row in purchases)
    long = [pk for pk, number in rows_of.items() if number > max_history]
    histories |= _histories(source, _purchases(source, long))
    withheld = _withheld(source, [pk for pk, _, agrees, withholds, *_ in rows if agrees and withholds])
    viewed, dismissed = feedback.recent_views(keys), _dismissed(keys)
    customers = {}
    for pk, raw_key, agrees, _, *values in rows:
        key, history = str(raw_key), histories.get(pk, [])
        scope = scope_text(values.pop(0)) or "" if source.customer_scope else None
        bought = frozenset(event.item for event in history) | withheld.get(pk, frozenset())
        customers[key] = CustomerContext(
            key=key,
            pk=pk,
            learnable=bool(agrees),
            person=_person(source, values if agrees else [], history, max_history),
            purchases=history,
            bought=bought,
            viewed=tuple(item for item in viewed.get(key, ()) if item not in bought) if agrees else (),
            dismissed=frozenset(dismissed[key]),
            scope=scope,
        )
    return customers


def _person(
    source: RecommenderSource, values: Sequence[object], history: list[Interaction], max_history: int
) -> Person:
    """values : of the static features; none for a customer who opted out.   history : all of it.

    A history that is longer than what the model reads is cut, and the totals of all of it are said beside it.
    """
    numerical = source.customer_numerical
    profile: dict[str, object] = {
        name: stored_number(value) if name in numerical else plain_value(value)
        for name, value in zip(source.static_features, values, strict=False)
    }
    if len(history) <= max_history + 1:
        return Person(profile, history)
    for name, take in source.customer_from_interactions.items():
        if isinstance(take, Count):
            profile[name] = float(len(history))
        elif isinstance(take, Sum):
            amounts = [event.values[take.field] for event in history]
            profile[name] = math.fsum(amount for amount in amounts if isinstance(amount, float))
    return Person(profile, history[-(max_history + 1) :], len(history))


def _purchases(source: RecommenderSource, customers: list[Any], at_most: int | None = None) -> list[dict[str, Any]]:
    """The last so many purchases, or all, of each of these customers (primary keys), newest first: column -> value."""
    if not customers:
        return []
    query, columns = _purchases_query(source, at_most, timezone.now().astimezone(UTC).date())
    return [dict(zip(columns, row, strict=True)) for row in query.rows(customers)]


def _histories(source: RecommenderSource, purchases: list[dict[str, Any]]) -> dict[Any, list[Interaction]]:
    """The purchases of each customer, by primary key, oldest first.

    purchases : newest first. As in training (engine/data/tables.py), rows of the same item and moment are one purchase:
    the last row, with the last rating that was given and with the sums of both. A rating or number that training leaves
    out is left out here.
    """
    histories: dict[Any, dict[tuple[str, float], Interaction]] = defaultdict(dict)
    numeric = source.schema().numeric_interaction_columns()
    columns, latest = source.interaction_columns, latest_seconds()
    for row in reversed(purchases):
        item, moment = row[ITEM_KEY], unix_seconds(row[source.interaction_time])
        if item is None or not EARLIEST_SECONDS <= moment <= latest:
            continue
        rating = stored_rating(row[source.interaction_rating]) if source.interaction_rating else None
        quantity = stored_number(row[source.interaction_quantity]) if source.interaction_quantity else None
        values = {
            name: stored_number(row[name], LARGEST_AMOUNT) if name in numeric else plain_value(row[name])
            for name in columns
        }
        event = Interaction(str(item), moment, rating, 1.0 if quantity is None else quantity, values)
        history = histories[row[CUSTOMER]]
        before = history.pop((event.item, moment), None)
        history[event.item, moment] = event if before is None else _one_purchase(source, before, event)
    return {customer: list(history.values()) for customer, history in histories.items()}


def _one_purchase(source: RecommenderSource, earlier: Interaction, later: Interaction) -> Interaction:
    """Two rows of one customer, item and moment as one purchase."""
    values: dict[str, object] = dict(later.values)
    for take in source.customer_from_interactions.values():
        if isinstance(take, Sum):
            amounts = [event.values[take.field] for event in (earlier, later)]
            numbers = [amount for amount in amounts if isinstance(amount, float)]
            values[take.field] = sum(numbers) if numbers else None
    rating = earlier.rating if later.rating is None else later.rating
    return Interaction(later.item, later.time, rating, earlier.quantity + later.quantity, values)


def _withheld(source: RecommenderSource, customers: list[Any]) -> dict[Any, frozenset[str]]:
    """Keys of what each of these customers (primary keys) bought and lists may not know of."""
    if not customers or source.interactions_withheld is None:
        return {}
    bought: dict[Any, set[str]] = defaultdict(set)
    rows = interactions_of(source, source.interactions_withheld).filter(**{f"{CUSTOMER}__in": customers}).order_by()
    for customer, key in with_keys(source, rows, ITEM_KEY).values_list(CUSTOMER, ITEM_KEY).distinct():
        if key is not None:
            bought[customer].add(str(key))
    return {customer: frozenset(keys) for customer, keys in bought.items()}


def _dismissed(keys: list[str]) -> dict[str, set[str]]:
    """Keys of the items that each customer, by key, does not want to be shown."""
    items: dict[str, set[str]] = defaultdict(set)
    for customer, item in _DISMISSALS.rows(keys):
        items[customer].add(item)
    return items


# --- queries that are compiled once -----------------------------------------------------------------------------------

_DISMISSALS = CompiledQuery(
    lambda keys: Dismissal.objects.filter(customer__in=keys).order_by().values_list("customer", "item")
)


@lru_cache(maxsize=8)
def _customers_query(source: RecommenderSource) -> CompiledQuery:
    """By key. Columns: primary key, key, whether they agree to personalisation, whether they withhold purchases (few
    do: those are read apart), their scope where they have one, static features."""
    scope = [source.customer_scope] if source.customer_scope else []
    columns = ("pk", source.customer_key, "_learnable", "_withholds", *scope, *source.static_features)
    withholds: Exists | Value = Value(False)
    if source.interactions_withheld is not None:
        withheld = interactions_of(source, source.interactions_withheld)
        withholds = Exists(withheld.filter(**{CUSTOMER: OuterRef("pk")}))

    def build(keys: Sequence[Any]) -> QuerySet:
        customers = with_consent(source).filter(In(F(source.customer_key), keys))
        return customers.annotate(_withholds=withholds).order_by().values_list(*columns)

    return CompiledQuery(build, source.customer_field)


@lru_cache(maxsize=16)
def _purchases_query(source: RecommenderSource, at_most: int | None, today: date) -> tuple[CompiledQuery, list[str]]:
    """The last so many purchases, or all, of each customer, by primary key, newest first; and the names of the columns.

    today : in UTC. What the query knows of the clock holds for a day; `_histories` compares with the moment.
    """
    tomorrow = datetime(today.year, today.month, today.day, tzinfo=UTC) + timedelta(days=1)
    optional = [name for name in (source.interaction_rating, source.interaction_quantity) if name]
    columns = list(dict.fromkeys([CUSTOMER, source.interaction_time, ITEM_KEY, *optional, *source.interaction_columns]))
    newest_first = [F(source.interaction_time).desc(), F("pk").desc()]
    of_everybody = with_keys(source, interactions_of(source), ITEM_KEY)

    def build(customers: Sequence[Any]) -> QuerySet:
        purchases = of_everybody.filter(credible_time(source, tomorrow + MAX_CLOCK_AHEAD), In(F(CUSTOMER), customers))
        if at_most is None or len(customers) == 1:
            return purchases.order_by(*newest_first).values_list(*columns)[:at_most]
        place = Window(RowNumber(), partition_by=[F(CUSTOMER)], order_by=newest_first)
        latest = purchases.annotate(_place=place).filter(_place__lte=at_most)
        return latest.order_by(CUSTOMER, "_place").values_list(*columns)

    return CompiledQuery(build, plain_field(source.customers.model._meta.pk)), columns
