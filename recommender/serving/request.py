"""What a list request says, and whether that makes sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.errors import RecommendationError
from recommender.source import get_source
from recommender.words import Words

MAX_COUNT = 100
LONGEST_SCENARIO = 50


@dataclass(frozen=True)
class ListRequest:
    """What is asked of the door.

    customer : a key.   profile : any part of one, instead of a customer.   item : the item that the list belongs to,
    for the kinds of list that belong to one.   item_features : the description of an item instead, for `similar`.
    session_items : keys of what is being looked at, the latest last; they
    count as the latest history. In a cart's list: of what is in the cart.
    filter : field -> allowed values.   exclude : keys not to list.   diversity : 0 (best first) to 1 (all different).
    rotation : 0 (always the same order) to 1: how far items of nearly the same score change places from day to day.
    page_token : `next_page_token` of the page before, to go on without repeating an item.
    visitor : for nobody known, what tells this visit from others (`feedback.begin_visit`): who they are to an
    experiment, and whose clicks count for the list.   scenario : the name that the list goes by in results.
    scope : the site, tenant or market that it is of, where the source names them: that of the customer unless said.
    reasons : whether to say why each item is there, which costs about as much as the rest of a customer's list.
    """

    customer: str | None = None
    profile: Mapping[str, object] | None = None
    item: str | None = None
    item_features: Mapping[str, object] | None = None
    session_items: Sequence[str] = ()
    count: int = 10
    exclude_purchased: bool = True
    exclude: Sequence[str] = ()
    filter: Mapping[str, Sequence[str]] | None = None
    diversity: float = 0.0
    rotation: float = 0.0
    page_token: str | None = None
    scenario: str = "home"
    reasons: bool = True
    visitor: str = ""
    scope: Any = None


def check_request(request: ListRequest) -> None:
    """RecommendationError names the part of the request that makes no sense."""
    count = request.count
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
        raise RecommendationError(
            "count",
            Words("count is {count!r}; it must be a whole number from 1 to {most}.", count=count, most=MAX_COUNT),
        )
    check_who(request.customer, request.profile)
    _check_keys("exclude", request.exclude)
    _check_keys("session_items", request.session_items)
    for name, share in (("diversity", request.diversity), ("rotation", request.rotation)):
        if isinstance(share, bool) or not 0 <= share <= 1:
            raise RecommendationError(
                name, Words("{name} is {share!r}; it must be from 0 to 1.", name=name, share=share)
            )
    if len(request.scenario) > LONGEST_SCENARIO:
        message = Words(
            "scenario has {count} characters; {most} are allowed.", count=len(request.scenario), most=LONGEST_SCENARIO
        )
        raise RecommendationError("scenario", message)
    fields = get_source().item_filters
    for name, values in (request.filter or {}).items():
        if name not in fields:
            raise RecommendationError(
                "filter",
                Words("{name!r} is nothing to filter by; there are {fields}.", name=name, fields=", ".join(fields)),
            )
        if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
            raise RecommendationError(
                "filter",
                Words("The filter {name!r} is {values!r}; it must be a list of texts.", name=name, values=values),
            )


def check_who(customer: object, profile: object) -> None:
    """RecommendationError unless a customer is a key, and nobody is named twice."""
    if customer is not None and profile is not None:
        raise RecommendationError("profile", Words("Give either a customer or a profile, not both."))
    if customer is not None and not isinstance(customer, str):
        raise RecommendationError(
            "customer", Words("customer is {customer!r}; it must be a key, as text.", customer=customer)
        )


def _check_keys(field: str, keys: object) -> None:
    if not isinstance(keys, list | tuple | set | frozenset) or not all(isinstance(key, str) for key in keys):
        raise RecommendationError(
            field, Words("{field} is {keys!r}; it must be a list of keys, as text.", field=field, keys=keys)
        )
