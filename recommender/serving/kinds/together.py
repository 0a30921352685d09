"""What goes together: items that the same people bought, or looked at, counted in the shop's own rows as they are.

No table of pairs is kept. The latest people of an item stand for all of them, so that a count costs the same however
many there are, and what was sold a second ago is in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from django.core.cache import cache
from django.db.models import Case, Count, F, Q, QuerySet, When
from django.utils.translation import gettext_noop

from recommender.models import Event
from recommender.serving.catalog import LiveCatalog
from recommender.serving.context import ListContext
from recommender.serving.kinds.kind import Attempt, ListKind, among, primary_key_of
from recommender.serving.kinds.similar import Similar
from recommender.serving.tally import learned_from
from recommender.source import (
    CUSTOMER,
    ITEM,
    credible_time,
    credible_time_lookups,
    get_source,
    interactions_of,
    learnable_keys,
)

LATEST_PEOPLE = 200  # buyers or viewers of an item, who stand for all of them
LEAST_SHARED = 2  # one person who took both proves nothing
SHRINKAGE = 3.0
LATEST_VIEWS = 20_000  # of any item, by which it is counted how often each is looked at
COUNT_VIEWS_EVERY = 300  # seconds
# Where a few people have so many rows that nobody else is seen, they are left out and the next rows are read.
ROUNDS = 4  # queries at most
BUSIEST = 100  # people left out of the views in each round


class BoughtTogether(ListKind):
    """What buyers of this item also buy, more than one would expect; similar items where that is unknown."""

    name = "bought_together"
    summary = "What buyers of this item buy, too"
    description = "Similar items where too few people bought this one with something else."
    source = "bought_together"
    fallback_reasons = {"never_bought_together": gettext_noop("Too few people bought this with something else.")}
    takes = "item"
    path = "products/<item_key:key>/bought-together/"
    tag = "bought_together"
    title = gettext_noop("Often bought together")
    page_count = 4
    stands_in = False
    repeats_above = True
    why = gettext_noop("People who bought {} bought it, too, more often than one would expect.")

    def together(self, context: ListContext) -> Together:
        return bought_with([primary_key_of(context.request.item, context.catalog)], context.catalog)

    def attempts(self, context: ListContext) -> Iterator[Attempt]:
        yield Attempt(self.source, among(context, *self.together(context)), last_resort=False)
        for attempt in Similar().attempts(context):
            yield replace(attempt, fallback=next(iter(self.fallback_reasons)))


class AlsoViewed(BoughtTogether):
    """What viewers of this item also look at, more than one would expect; similar items where that is unknown."""

    name = "also_viewed"
    summary = "What viewers of this item look at, too"
    description = "Similar items where too few people looked at this one and at something else."
    source = "also_viewed"
    fallback_reasons = {"never_viewed_together": gettext_noop("Too few people looked at this and at something else.")}
    path = "products/<item_key:key>/also-viewed/"
    tag = "also_viewed"
    title = gettext_noop("Others also looked at")
    why = gettext_noop("People who looked at {} looked at it, too, more often than one would expect.")

    def together(self, context: ListContext) -> Together:
        item = str(context.request.item)
        primary_key_of(item, context.catalog)  # refuses the key of no item
        return viewed_with(next(context.catalog.listed_keys([item]), item), context.catalog)


class Together(NamedTuple):
    """rows : int64 [n] of a catalog, the strongest tie first.   lift : float64 [n], over 1."""

    rows: np.ndarray
    lift: np.ndarray


def bought_with(items: Sequence[Any], catalog: LiveCatalog) -> Together:
    """What the latest buyers of any of these items (primary keys) also buy, more than everybody does."""
    source = get_source()
    bought = learned_from(source, catalog.scope).filter(**{f"{ITEM}__in": items})
    buyers = {buyer for (buyer,) in latest_people(bought.order_by(f"-{source.interaction_time}"), [CUSTOMER])}
    theirs = (
        interactions_of(source)
        .filter(credible_time(source), **{f"{CUSTOMER}__in": buyers})
        .exclude(**{f"{ITEM}__in": items})
        .order_by()
    )
    shared = dict(theirs.values_list(ITEM).annotate(_n=Count(CUSTOMER, distinct=True)))
    rows = {catalog.row_of_pk[pk]: n for pk, n in shared.items() if pk in catalog.row_of_pk}
    return _strongest(_in_scope(rows, catalog), catalog.purchases)


def viewed_with(item: str, catalog: LiveCatalog) -> Together:
    """What the latest viewers of this item (a key) also look at, more than everybody does."""
    views = Event.objects.filter(kind__in=Event.VIEWED, **credible_time_lookups())
    latest = latest_people(views.filter(item=item).order_by("-time"), ["customer", "session"])
    customers = learnable_keys({customer for customer, _ in latest if customer}, catalog.scope)
    sessions = {session for customer, session in latest if session and not customer}
    theirs = views.filter(Q(customer__in=customers) | Q(customer="", session__in=sessions)).exclude(item=item)
    viewer = Case(When(customer="", then=F("session")), default=F("customer"))
    shared = dict(theirs.order_by().values_list("item").annotate(_n=Count(viewer, distinct=True)))
    rows = {catalog.row_of[key]: n for key, n in shared.items() if key in catalog.row_of}
    overall = np.zeros(len(catalog))
    for key, n in (cache.get_or_set("recommender:views", _latest_views, COUNT_VIEWS_EVERY) or {}).items():
        if key in catalog.row_of and catalog.admits(key):
            overall[catalog.row_of[key]] = n
    return _strongest(_in_scope(rows, catalog), overall)


def _in_scope(counts: Mapping[int, int], catalog: LiveCatalog) -> Mapping[int, int]:
    """Counts of the rows that are of the catalog's scope: what is expected of these people is that of the same."""
    return counts if catalog.in_scope is None else {row: n for row, n in counts.items() if catalog.in_scope[row]}


def _latest_views() -> dict[str, int]:
    """How many people looked at each item, among the latest views of anything."""
    views = Event.objects.filter(kind__in=Event.VIEWED, **credible_time_lookups()).order_by("-time")
    seen: set[tuple[str, tuple[str, str]]] = set()
    for _ in range(ROUNDS):
        rows = list(views.values_list("item", "customer", "session")[:LATEST_VIEWS])
        viewers = [(customer, "" if customer else session) for _, customer, session in rows]
        seen |= {(item, viewer) for (item, _, _), viewer in zip(rows, viewers, strict=True)}
        if len(rows) < LATEST_VIEWS or len(seen) >= LATEST_VIEWS / 2:
            break
        busiest = dict(Counter(viewers).most_common(BUSIEST))
        views = views.exclude(_any_of(["customer", "session"], busiest))
    return dict(Counter(item for item, _ in seen))


def latest_people(rows: QuerySet, fields: Sequence[str], at_most: int = LATEST_PEOPLE) -> set[tuple[Any, ...]]:
    """The people of the first of these rows, as values of `fields`, each once.

    One query; more where so few people have so many rows that nobody else would be seen.
    """
    people: set[tuple[Any, ...]] = set()
    for _ in range(ROUNDS):
        found = list(rows.values_list(*fields)[:at_most])
        people |= set(found)
        if len(found) < at_most or len(people) >= at_most / 2:
            break
        rows = rows.exclude(_any_of(fields, people))
    return people


def _any_of(fields: Sequence[str], people: Iterable[tuple[Any, ...]]) -> Q:
    """Rows of any of these people: of a customer, or of a visitor, who has a session and no customer."""
    if len(fields) == 1:
        return Q(**{f"{fields[0]}__in": [value for (value,) in people]})
    customers = {customer for customer, _ in people if customer}
    sessions = {session for customer, session in people if not customer}
    return Q(customer__in=customers) | Q(customer="", session__in=sessions)


def _strongest(shared: Mapping[int, int], overall: np.ndarray) -> Together:
    """Items by lift: how many of these people took one, over how many would if they were like everybody.

    shared : row -> people who took it.   overall : float64 [rows], how many people take each.
    Few people prove little: observed and expected both count SHRINKAGE more, which is the mean of the lift's gamma
    posterior about 1 (DuMouchel 1999).
    """
    rows, people = np.array([*shared.items()], dtype=np.int64).reshape(-1, 2).T
    expected = people.sum() * overall[rows] / max(overall.sum(), 1)
    lift = (people + SHRINKAGE) / (expected + SHRINKAGE)
    kept = np.flatnonzero((people >= LEAST_SHARED) & (lift > 1))
    kept = kept[np.argsort(-lift[kept], kind="stable")]
    return Together(rows[kept], lift[kept])
