"""Items like one item, and items like what a customer bought last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import ClassVar

import numpy as np
from django.utils.translation import gettext, gettext_noop

from recommender.models import POPULAR, TWO_TOWER
from recommender.serving.answer import Reason
from recommender.serving.catalog import LiveCatalog
from recommender.serving.context import ListContext
from recommender.serving.customers import check_item
from recommender.serving.kinds.kind import Attempt, Candidates, ListKind, among, new_item, nothing, row_of
from recommender.serving.reading import NewItem

LATEST_BOUGHT = 5  # purchases that are looked at for one of which it is known what goes with it


class Similar(ListKind):
    """What buyers of this item want beside it, and items like it where few bought it (engine/bundle/neighbours.py);
    items of the same kind before any model, and for an item that was created a moment ago. Of an item of which neither
    purchases nor features say anything there is nothing alike: what is popular stands in."""

    name = "similar"
    summary = "Items like this one"
    source = TWO_TOWER
    fallback_reasons = {
        "new_item": gettext_noop("This item was created a moment ago; items of the same kind stand in."),
        "nothing_alike": gettext_noop("Nothing is known of what goes with this item."),
    }
    takes = "item"
    may_be_described = True
    path = "products/<item_key:key>/similar/"
    tag = "similar_items"
    title = gettext_noop("Similar")
    page_count = 6
    about = gettext_noop("Items of the same kind, then what most people buy.")
    only_alike: ClassVar[bool] = False  # whether items that have nothing in common with it are left out
    why = gettext_noop("The same people like it who like {}.")

    def attempts(self, context: ListContext) -> Iterator[Attempt]:
        catalog, item = context.catalog, context.request.item
        if self.may_be_described and context.request.item_features is not None:
            yield from _attempts_described(context, check_item(context.request.item_features))
            return
        created = new_item(item, catalog)
        if created is not None:
            shared = _shared_with_new(created, catalog)
            yield self._alike(context, shared, catalog.popular, "new_item" if shared.any() else "nothing_alike")
            return
        row, placed = row_of(item, catalog), catalog.placed
        fallback = "no_model"
        if placed is not None and not placed.neighbours.knows(row):
            fallback = "nothing_alike"
        elif placed is not None:

            def find(reach: int) -> Candidates:
                found = placed.neighbours.nearest(row, placed.index, reach, context.allowed)
                return Candidates(*found, int(context.allowed.sum() - context.allowed[row]))

            yield Attempt(TWO_TOWER, find, by_model=True)
            fallback = "model_failed"
        shared = np.zeros(len(catalog))
        for facet in catalog.values.values():
            shared += facet.same_as(row)
        others = catalog.popular[catalog.popular != row]
        if fallback == "no_model" and not shared[others].any():
            fallback = "nothing_alike"
        yield self._alike(context, shared, others, fallback)

    def title_of(self, source: str, fallback: str | None) -> str:
        return gettext("Popular now") if fallback == "nothing_alike" else super().title_of(source, fallback)

    def about_popular(self, fallback: str | None) -> str:
        return gettext("What most people buy.") if fallback == "nothing_alike" else gettext(self.about)

    def _alike(self, context: ListContext, shared: np.ndarray, rows: np.ndarray, fallback: str) -> Attempt:
        attempt = _alike(context, shared, rows[shared[rows] > 0] if self.only_alike else rows, fallback)
        return replace(attempt, last_resort=not self.only_alike)


class BecauseYouBought(Similar):
    """Items like what a customer bought last, each with that as its reason: the last of which anything is known, of the
    latest few; an empty list where that is nothing."""

    name = "because_you_bought"
    summary = "Items like what a customer bought last"
    source = TWO_TOWER
    fallback_reasons = {"never_bought": gettext_noop("This customer bought nothing yet.")}
    takes = "customer"
    may_be_described = False
    path = "recommendations/because-you-bought/"
    tag = "because_you_bought"
    only_alike = True
    title = gettext_noop("Because you bought {}")
    about = gettext_noop("Items of the same kind.")

    def attempts(self, context: ListContext) -> Iterator[Attempt]:
        history = context.customer.person.history if context.customer else ()
        latest_first = dict.fromkeys(event.item for event in reversed(history) if context.catalog.knows(event.item))
        for bought in islice(latest_first, LATEST_BOUGHT):
            because = (Reason("because_you_bought", item=bought),)
            about = replace(context, request=replace(context.request, item=bought))
            for attempt in super().attempts(about):
                if attempt.fallback != "nothing_alike":
                    yield replace(attempt, reasons=because)
        yield Attempt("bought_together", nothing(context), "nothing_alike" if latest_first else "never_bought")


def _attempts_described(context: ListContext, features: Mapping[str, object]) -> Iterator[Attempt]:
    catalog, placed = context.catalog, context.catalog.placed
    if placed is not None:

        def find(reach: int) -> Candidates:
            return Candidates(*placed.like_described(features, reach, context.allowed), int(context.allowed.sum()))

        yield Attempt(TWO_TOWER, find, by_model=True)
    values = {name: str(features.get(name) or "") for name in catalog.values}
    shared = _shared_with_new(NewItem("", None, values), catalog)
    fallback = "model_failed" if placed else "no_model" if shared.any() else "nothing_alike"
    yield _alike(context, shared, catalog.popular, fallback)


def _alike(context: ListContext, shared: np.ndarray, rows: np.ndarray, fallback: str) -> Attempt:
    """The rows with most values in common first, of those the most bought. shared : float64 [items]."""
    alike = rows[np.argsort(-shared[rows], kind="stable")]
    return Attempt(POPULAR, among(context, alike, shared[alike]), fallback)


def _shared_with_new(item: NewItem, catalog: LiveCatalog) -> np.ndarray:
    """float64 [items]: how many filterable fields each item has in common with one that is not in the catalog."""
    shared = np.zeros(len(catalog))
    for name, facet in catalog.values.items():
        if item.values[name]:
            shared += facet.is_any_of([item.values[name]])
    return shared
