"""What people bought and how they rated it, counted by item; what is popular and what trends come from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from recommender.engine.data.encoders import HIGHEST_RATING, LOWEST_RATING, stored_rating
from recommender.serving.trends import trends
from recommender.source import RecommenderSource, credible_time

AT_ONCE = 500  # purchases whose earlier ones are looked up with one query


@dataclass(frozen=True)
class Tally:
    """What people bought, by item. Each person counts once for an item, and with the rating they gave it last.

    counts : item pk -> (people who bought it, people who rated it, sum of their ratings).   last : the newest pk
    counted.   trends : (item pk, score) of what sells more of late, as of when everything was counted.
    raters : people who rated anything, and the sum of their mean ratings.
    """

    counts: Mapping[Any, tuple[int, int, float]] = field(default_factory=dict)
    last: Any = None
    trends: Sequence[tuple[Any, float]] = ()
    raters: tuple[int, float] = (0, 0.0)

    def plus(self, newer: Tally) -> Tally:
        counts = dict(self.counts)
        for pk, (n, rated, total) in newer.counts.items():
            before = counts.get(pk, (0, 0, 0.0))
            counts[pk] = (before[0] + n, before[1] + rated, before[2] + total)
        raters = (self.raters[0] + newer.raters[0], self.raters[1] + newer.raters[1])
        return Tally(counts, newer.last, self.trends, raters)


def read_tally(source: RecommenderSource) -> Tally:
    """All purchases by item, and what trends, counted by the database: each person once for an item."""
    purchases, item, customer = learned_from(source).order_by(), source.interaction_item, source.interaction_customer
    ratings, raters = _latest_ratings(source, purchases)
    counts, last = {}, None
    measures = {"_n": Count(customer, distinct=True), "_last": Max("pk")}
    for pk, n, newest in purchases.values_list(item).annotate(**measures).iterator():
        counts[pk] = (n, *ratings.get(pk, (0, 0.0)))
        last = newest if last is None else max(last, newest)
    return Tally(counts, last, trends(source, purchases), raters)


def read_newer(source: RecommenderSource, since: Any) -> Tally:
    """Purchases stored after the pk `since` by item, counted here: to group them, a database may walk all there are.

    A person who bought or rated an item before is not counted again.
    """
    purchases, rating = learned_from(source).order_by("pk"), source.interaction_rating
    columns = ["pk", source.interaction_customer, source.interaction_item, *([rating] if rating else [])]
    newer = purchases if since is None else purchases.filter(pk__gt=since)
    rows = newer.values_list(*columns).iterator()
    counts: dict[Any, tuple[int, int, float]] = {}
    raters: dict[Any, float] = {}
    seen: set[tuple[Any, Any]] = set()
    rated_before: set[tuple[Any, Any]] = set()
    last = since
    while part := list(islice(rows, AT_ONCE)):
        if since is not None:
            before = _pairs_before(source, purchases, part, since)
            seen |= before.keys()
            rated_before |= {pair for pair, rated in before.items() if rated}
        for pk, customer, item, *given in part:
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
            last = pk
    return Tally(counts, last, raters=(len(raters), sum(raters.values())))


def learned_from(source: RecommenderSource) -> QuerySet:
    """The purchases of customers who agree to personalisation, at a time that can be true. Asked row by row: new ones
    are few, customers many."""
    agreeing = Exists(source.customers.filter(pk=OuterRef(source.interaction_customer)))
    return source.interactions.filter(credible_time(source), agreeing)


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
    who, what, rating = source.interaction_customer, source.interaction_item, source.interaction_rating
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
    source: RecommenderSource, purchases: QuerySet, rows: Sequence[tuple[Any, ...]], since: Any
) -> dict[tuple[Any, Any], int]:
    """Of the customers and items of these rows, which had met up to the pk `since`, and how often with a rating."""
    who, what = source.interaction_customer, source.interaction_item
    among = {f"{who}__in": {row[1] for row in rows}, f"{what}__in": {row[2] for row in rows}}
    before = purchases.filter(pk__lte=since, **among).order_by().values_list(who, what)
    counted = before.annotate(_rated=Count("pk", filter=_rated(source)))
    return {(customer, item): rated for customer, item, rated in counted}


def _rated(source: RecommenderSource) -> Q:
    """The purchases with a rating that is one: training leaves out any other, too."""
    if not source.interaction_rating:
        return Q(pk__isnull=False)
    bounds = {"gte": LOWEST_RATING, "lte": HIGHEST_RATING}
    return Q(**{f"{source.interaction_rating}__{name}": bound for name, bound in bounds.items()})
