"""What a list request asks, checked: for whom the list is, and which rows of the catalog may be in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from django.utils import timezone

from recommender.engine.bundle.inference import Event, Person
from recommender.errors import RecommendationError
from recommender.serving import customers as people
from recommender.serving.answer import LONGEST_SCENARIO, MAX_COUNT, ListRequest
from recommender.serving.catalog import LiveCatalog
from recommender.serving.paging import read_token
from recommender.source import get_source

CART = "cart"  # the scenario in which the session's items are those of the cart


@dataclass(frozen=True, eq=False)
class Plan:
    """A request that makes sense: for whom, and which rows may be listed."""

    request: ListRequest
    customer: people.Customer | None
    person: Person | None  # None: popular items, because of `fallback`
    fallback: str | None
    looked_at: tuple[str, ...]  # keys that count as history although they were not bought, the latest last
    allowed: np.ndarray  # bool [n]
    shown: np.ndarray  # digests of what earlier pages showed

    @property
    def may_be_logged(self) -> bool:
        return self.customer is None or self.customer.learnable


def plan(request: ListRequest, known: Mapping[str, people.Customer], catalog: LiveCatalog) -> Plan:
    """The plan of a request. known : the customers that exist, by key.

    RecommendationError names the part of the request that makes no sense.
    """
    _check_count(request.count)
    check_who(request.customer, request.profile)
    _check_keys("exclude", request.exclude)
    _check_keys("session_items", request.session_items)
    for name, share in (("diversity", request.diversity), ("rotation", request.rotation)):
        if isinstance(share, bool) or not 0 <= share <= 1:
            raise RecommendationError(name, f"{name} is {share!r}; it must be from 0 to 1.")
    if len(request.scenario) > LONGEST_SCENARIO:
        message = f"scenario has {len(request.scenario)} characters; {LONGEST_SCENARIO} are allowed."
        raise RecommendationError("scenario", message)
    profile = None if request.profile is None else people.check_profile(request.profile)
    customer = known.get(request.customer) if request.customer is not None else None
    looked_at = _looked_at(request, customer, catalog)
    person, fallback = _audience(request, customer, profile, looked_at, catalog)
    shown = read_token(request.page_token)
    allowed = catalog.shown.copy()
    for name, values in (request.filter or {}).items():
        allowed &= catalog.values[_filter_field(name)].is_any_of(_filter_values(name, values))
    allowed[catalog.rows(request.exclude)] = False
    if customer is not None:
        allowed[catalog.rows(customer.dismissed)] = False
    if customer is not None and request.exclude_purchased:
        allowed[catalog.rows(customer.bought)] = False
    if len(shown):
        allowed &= ~np.isin(catalog.digests, shown)
    return Plan(request, customer, person, fallback, looked_at, allowed, shown)


def check_who(customer: object, profile: object) -> None:
    """RecommendationError unless a customer is a key, and nobody is named twice."""
    if customer is not None and profile is not None:
        raise RecommendationError("profile", "Give either a customer or a profile, not both.")
    if customer is not None and not isinstance(customer, str):
        raise RecommendationError("customer", f"customer is {customer!r}; it must be a key, as text.")


def row_of(item: str, catalog: LiveCatalog) -> int:
    """The row of an item that exists now. RecommendationError for any other."""
    if not isinstance(item, str) or not catalog.knows(item):
        raise RecommendationError("item", f"There is no item {item!r}.")
    return catalog.row_of[item]


# --- within -----------------------------------------------------------------------------------------------------------


def _looked_at(request: ListRequest, customer: people.Customer | None, catalog: LiveCatalog) -> tuple[str, ...]:
    """What the customer is on record to have viewed, then what the request says. A cart speaks for itself."""
    on_record = customer.viewed if customer is not None and request.scenario != CART else ()
    latest_first = dict.fromkeys([*reversed(request.session_items), *reversed(on_record)])
    return tuple(key for key in reversed(latest_first) if key in catalog.row_of)


def _audience(
    request: ListRequest,
    customer: people.Customer | None,
    profile: Mapping[str, object] | None,
    looked_at: tuple[str, ...],
    catalog: LiveCatalog,
) -> tuple[Person | None, str | None]:
    """Who the towers are to see; or nobody, and why."""
    if request.customer is not None and customer is None:
        return None, "unknown_customer"
    if customer is not None and not customer.learnable:
        return None, "opted_out"
    if catalog.live is None:
        return None, "no_model"
    now = timezone.now().timestamp()
    session = [Event(item=key, time=now) for key in looked_at]
    if customer is not None:
        person = customer.person
        if session:
            # What is looked at is history for the sequence, but no purchase: counts and sums stay what they are.
            settled = catalog.live.inference.with_derived(person)
            person = replace(person, profile=settled, history=[*person.history, *session])
        return person, None
    if profile is None and not session:
        return None, "anonymous"
    return Person(profile or {}, session), None


def _check_count(count: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
        raise RecommendationError("count", f"count is {count!r}; it must be a whole number from 1 to {MAX_COUNT}.")


def _check_keys(field: str, keys: object) -> None:
    if not isinstance(keys, list | tuple | set | frozenset) or not all(isinstance(key, str) for key in keys):
        raise RecommendationError(field, f"{field} is {keys!r}; it must be a list of keys, as text.")


def _filter_field(name: str) -> str:
    fields = get_source().item_filters
    if name not in fields:
        raise RecommendationError("filter", f"{name!r} is nothing to filter by; there are {', '.join(fields)}.")
    return name


def _filter_values(name: str, values: object) -> list[str]:
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise RecommendationError("filter", f"The filter {name!r} is {values!r}; it must be a list of texts.")
    return list(values)
