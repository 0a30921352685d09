"""What a kind of list is: one class, from which its API endpoint, template tag, command and documentation come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from django.utils.translation import gettext, gettext_noop

from recommender.engine.bundle.explain import EncodedCustomer
from recommender.errors import RecommendationError
from recommender.models import POPULAR
from recommender.serving.answer import Reason
from recommender.serving.catalog import LiveCatalog
from recommender.serving.context import ListContext
from recommender.serving.reading import NewItem, read_new_item
from recommender.source import get_source
from recommender.words import Words

ABOUT_POPULAR = {
    "no_model": gettext_noop(
        "What most people buy. Lists of your own come as soon as the shop has learned from its purchases."
    ),
    "opted_out": gettext_noop("What most people buy: personalisation is off."),
}


@dataclass(frozen=True)
class Candidates:
    """rows : int64 [k] of a catalog, all allowed, the best first.   scores : float64 [k].   total : how many there are
    in all."""

    rows: np.ndarray
    scores: np.ndarray
    total: int


@dataclass(frozen=True)
class Attempt:
    """One way to fill a list.

    source : what made the list, as the answer says.   find : the best so many of what is allowed now; EngineError where
    the model does not answer.   fallback : why the list is not what was asked for, a key of FALLBACK_REASONS.
    person : whom the model explains the list to.   reasons : why every item is there.   last_resort : False where the
    next attempt takes the place of a list that would be empty.   by_model : whether the live model makes the list.
    """

    source: str
    find: Callable[[int], Candidates]
    fallback: str | None = None
    person: EncodedCustomer | None = None
    reasons: tuple[Reason, ...] = ()
    last_resort: bool = True
    by_model: bool = False


class ListKind:
    """A kind of list. A subclass, named in kinds/__init__.py, is all that a new kind takes.

    name : in Python, on the command line, and as the scenario of its lists unless `scenario` is another.
    summary, description : for the API's document and `manage.py recommend --help`; a sentence each.
    source : what its lists say made them.   fallback_reasons : what else they may say, key -> sentence.
    takes : "item", "session_items" or "customer", the field of the request that the list is about; "": none.
    is_cart : what it is about lies in a cart.
    may_be_described : whether `item_features` may stand in for the item that it takes.
    personal : whether the list is made for whom it is shown to.   lists_purchased : whether it is of what was bought.
    path : the address under /api/v1/, answered to GET, or to POST where `request_body`.

    On pages, all texts marked with gettext_noop:
    tag, title, page_count : the template tag, the words above the list, and how many items it shows.
    title_when_popular, about, empty : the title of a list of popular items, what it says of itself, and what stands for
    a list with nothing in it; "": nothing.
    stands_in : whether another list takes the place of an empty one.   repeats_above : whether it may show what lists
    above it on the page show.   may_be_repeated : whether lists below it may show what it shows.
    why : the sentence of the page that says why an item is here; {} stands for what the list is about.
    """

    name: ClassVar[str]
    scenario: ClassVar[str] = ""
    summary: ClassVar[str]
    description: ClassVar[str] = ""
    source: ClassVar[str]
    fallback_reasons: ClassVar[dict[str, str]] = {}
    takes: ClassVar[str] = ""
    is_cart: ClassVar[bool] = False
    may_be_described: ClassVar[bool] = False
    personal: ClassVar[bool] = False
    lists_purchased: ClassVar[bool] = False
    path: ClassVar[str]
    request_body: ClassVar[bool] = False

    tag: ClassVar[str]
    title: ClassVar[str]
    page_count: ClassVar[int] = 10
    title_when_popular: ClassVar[str] = ""
    about: ClassVar[str] = ""
    empty: ClassVar[str] = ""
    stands_in: ClassVar[bool] = True
    repeats_above: ClassVar[bool] = False
    may_be_repeated: ClassVar[bool] = False
    why: ClassVar[str]

    @property
    def about_customer(self) -> bool:
        """Whether the list is nothing without a customer or a profile."""
        return self.takes == "customer" or (self.personal and not self.is_cart)

    def title_of(self, source: str, fallback: str | None) -> str:
        """The words above a list of this kind that was made so."""
        return gettext((self.title_when_popular if source == POPULAR else "") or self.title)

    def about_popular(self, fallback: str | None) -> str:
        """What a list of popular items says of itself, so that nobody takes it for their own."""
        return gettext(ABOUT_POPULAR.get(fallback or "", self.about)) if self.about else ""

    def attempts(self, context: ListContext) -> Iterator[Attempt]:
        """What the list may be made of, the best way first. The next one is asked for where a list would be empty, or
        the model does not answer. RecommendationError where what the list is about does not exist."""
        raise NotImplementedError


def among(context: ListContext, rows: np.ndarray, scores: np.ndarray) -> Callable[[int], Candidates]:
    """Finds those of the rows, int64 [n], the best first, that are allowed. scores : float64 [n]."""

    def find(reach: int) -> Candidates:
        kept = context.allowed[rows]
        return Candidates(rows[kept][:reach], scores[kept][:reach], int(kept.sum()))

    return find


def nothing(context: ListContext) -> Callable[[int], Candidates]:
    return among(context, np.zeros(0, np.int64), np.zeros(0))


def popular_items(context: ListContext) -> Callable[[int], Candidates]:
    """What most people buy."""
    popular = context.catalog.popular
    return among(context, popular, context.catalog.purchases[popular])


def new_item(key: object, catalog: LiveCatalog) -> NewItem | None:
    """The item of this key, where it is in the database and not yet in the catalog; else None. One query."""
    if not isinstance(key, str) or catalog.knows(key):
        return None
    return read_new_item(get_source(), key, catalog.scope)


def row_of(item: object, catalog: LiveCatalog) -> int:
    """The row of an item that exists now. RecommendationError for any other."""
    if not isinstance(item, str) or not catalog.knows(item):
        raise RecommendationError("item", Words("There is no item {item!r}.", item=item))
    return catalog.row_of[item]


def find_primary_key(item: object, catalog: LiveCatalog) -> Any:
    """The primary key of an item, be it newer than the catalog; None for the key of no item."""
    if isinstance(item, str) and catalog.knows(item):
        return catalog.pks[catalog.row_of[item]]
    created = new_item(item, catalog)
    return None if created is None else created.pk


def primary_key_of(item: object, catalog: LiveCatalog) -> Any:
    """The same. RecommendationError for the key of no item."""
    found = find_primary_key(item, catalog)
    return catalog.pks[row_of(item, catalog)] if found is None else found
