"""What people bought and how they rated it, counted by item; what is popular and what trends come from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from recommender.engine.data.encoders import HIGHEST_RATING, LOWEST_RATING, stored_rating
from recommender.serving.trends import trends
from recommender.source import (
    CUSTOMER,
    ITEM,
    Mark,
    RecommenderSource,
    credible_time,
    interactions_of,
    mark_of,
    newer_than,
    within,
)

AT_ONCE = 500  # purchases whose earlier ones are looked up with one query


@dataclass(frozen=True)
class Tally:
    """What people bought, by item. Each person counts once for an item, and with the rating they gave it last.

    counts : item pk -> (people who bought it, people who rated it, sum of their ratings).   mark : what was counted.
    trends : (item pk, score) of what sells more of late, as of when everything was counted.
    raters : people who rated anything, and the sum of their mean ratings.
    """

    counts: Mapping[Any, tuple[int, int, float]] = field(default_factory=dict)
    mark: Mark = field(default_factory=Mark)
    trends: Sequence[tuple[Any, float]] = ()
    raters: tuple[int, float] = (0, 0.0)

    def plus(self, newer: Tally) -> Tally:
        counts = dict(self.counts)
        for pk, (n, rated, total) in newer.counts.items():
            before = counts.get(pk, (0, 0, 0.0))
            counts[pk] = (before[0] + n, before[1] + rated, before[2] + total)
        raters = (self.raters[0] + newer.raters[0], self.raters[1] + newer.raters[1])
        return Tally(counts, newer.mark, self.trends, raters)


def read_tally(source: RecommenderSource) -> Tally:
    """All purchases by item, and what trends, counted by the database: each person once for an item."""
    purchases = learned_from(source).order_by()
    mark = mark_of(source, purchases)
    ratings, raters = _latest_ratings(source, purchases)
    counted = purchases.values_list(ITEM).annotate(_n=Count(CUSTOMER, distinct=True))
    counts = {pk: (n, *ratings.get(pk, (0, 0.0))) for pk, n in counted.iterator()}
    return Tally(counts, mark, trends(source, purchases), raters)


def read_newer(source: RecommenderSource, mark: Mark) -> Tally | None:
    """Purchases that are new since the mark by item, counted here: to group them, a database may walk all there are.
    None where there are too many of them.

    A person who bought or rated an item before is not counted again.
    """
    newer = newer_than(source, learned_from(source), mark)
    if newer is None:
        return None
    rating = source.interaction_rating
    columns = [CUSTOMER, ITEM, *([rating] if rating else [])]
    rows = newer.rows.order_by(source.interaction_time).values_list(*columns).iterator()
    counts: dict[Any, tuple[int, int, float]] = {}
    raters: dict[Any, float] = {}
    seen: set[tuple[Any, Any]] = set()
    rated_before: set[tuple[Any, Any]] = set()
    while part := list(islice(rows, AT_ONCE)):
        before = _pairs_before(source, newer.before, part)
        seen |= before.keys()
        rated_before |= {pair for pair, rated in before.items() if rated}
        for customer, item, *given in part:
            pair = customer, item
            n, rated, total = counts.get(item, (0, 0, 0.0))
            n += pair not in seen
            stars = stored_rating(given[0]) if given else None
            if stars is not None and pair not in rated_before:
                rated, total = rated + 1, total + stars
                rated_before.add(pair)
                raters[customer] = stars
            counts[item] = (n, rated, total)
            seen.add(pair)
    return Tally(counts, newer.mark, raters=(len(raters), sum(raters.values())))


def learned_from(source: RecommenderSource, scope: str | None = None) -> QuerySet:
    """The purchases of customers who agree to personalisation, at a time that can be true, as `interactions_of` has
    them. Asked row by row: new ones are few, customers many. scope : of which the customers are, if one is named."""
    customers = within(source.customers, source.customer_scope, scope)
    agreeing = Exists(customers.filter(pk=OuterRef(CUSTOMER)))
    return interactions_of(source).filter(credible_time(source), agreeing)


# --- within -----------------------------------------------------------------------------------------------------------


def _latest_ratings(
    source: RecommenderSource, purchases: QuerySet
) -> tuple[dict[Any, tuple[int, float]], tuple[int, float]]:
    """By item, how many people rated it and the sum of what each said last; then the number of people who rated
    anything and the sum of their means, so that one who rated very much is one of them."""
    by_item: dict[Any, tuple[int, float]] = {}
    people, means = 0, 0.0
    if not source.interaction_rating:
        return by_item, (0, 0.0)
    who, what, rating = CUSTOMER, ITEM, source.interaction_rating
    newest_first = [F(source.interaction_time).desc(), F("pk").desc()]
    place = Window(RowNumber(), partition_by=[F(who), F(what)], order_by=newest_first)
    latest = purchases.filter(_rated(source)).annotate(_place=place).filter(_place=1)
    rows = latest.order_by(who).values_list(who, what, rating).iterator()
    for _, theirs in groupby(rows, key=itemgetter(0)):
        given = 0.0
        for number, (_, item, value) in enumerate(theirs, 1):  # noqa: B007
            n, total = by_item.get(item, (0, 0.0))
            by_item[item] = (n + 1, total + float(value))
            given += float(value)
        people, means = people + 1, means + given / number
    return by_item, (people, means)


def _pairs_before(
    source: RecommenderSource, before: QuerySet, rows: Sequence[tuple[Any, ...]]
) -> dict[tuple[Any, Any], int]:
    """Of the customers and items of these rows, which had met before, and how often with a rating."""
    among = {f"{CUSTOMER}__in": {row[0] for row in rows}, f"{ITEM}__in": {row[1] for row in rows}}
    met = before.filter(**among).order_by().values_list(CUSTOMER, ITEM)
    counted = met.annotate(_rated=Count("pk", filter=_rated(source)))
    return {(customer, item): rated for customer, item, rated in counted}


def _rated(source: RecommenderSource) -> Q:
    """The purchases with a rating that is one: training leaves out any other, too."""
    if not source.interaction_rating:
        return Q(pk__isnull=False)
    bounds = {"gte": LOWEST_RATING, "lte": HIGHEST_RATING}
    return Q(**{f"{source.interaction_rating}__{name}": bound for name, bound in bounds.items()})
