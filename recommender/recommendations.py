"""The one door: every list and every predicted rating of pages, API, template tags and commands comes through here.

    recommend(customer="10001", count=5)
    recommend(profile={"Age": 28, "Country": "UK"}, filter={"category": ["Books"]})
    predict_rating(customer="10001", item="B7")

Who is known gets the two towers' list; who is not (or does not want to be) gets what is popular, and is told why.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import structlog
from django.db.models import Count
from django.utils import timezone

from recommender import people, serving
from recommender.engine import explain, retrieval
from recommender.engine.errors import EngineError
from recommender.engine.inference import Event, Person
from recommender.engine.inputs import Vectors
from recommender.errors import RecommendationError
from recommender.lists import (
    BOUGHT_TOGETHER,
    LONGEST_SCENARIO,
    MAX_COUNT,
    POPULAR,
    TWO_TOWER,
    ListRequest,
    RatingPrediction,
    Reason,
    Recommendation,
    RecommendationList,
    Source,
)
from recommender.live_catalog import LiveCatalog, Placed, learned_from
from recommender.models import ServedList
from recommender.page_tokens import MAX_SHOWN, read_token, write_token
from recommender.source import get_source

log = structlog.get_logger("recommender.recommendations")

POOL = 5  # candidates for each listed item, where a list is to be diverse
BUYERS = 500  # the latest buyers of an item, whose other purchases say what it is bought together with
TOGETHER_SHRINKAGE = 3.0  # so many imaginary buyers bought nothing else: one shared buyer proves little
LEAST_TOGETHER = 2


# --- lists ------------------------------------------------------------------------------------------------------------


def recommend(**request: Any) -> RecommendationList:
    """A list for a customer, a profile, a visitor's session or nobody in particular; see ListRequest for what to pass.

    RecommendationError names the part of the request that makes no sense. An unknown customer, one who opted out, or
    no model yet is no error: the list is then of popular items and says why.
    """
    answer = recommend_many([ListRequest(**request)])[0]
    if isinstance(answer, RecommendationError):
        raise answer
    return answer


def recommend_many(requests: Sequence[ListRequest]) -> list[RecommendationList | RecommendationError]:
    """One answer for each request, in their order; a request that makes no sense gets its error as the answer.

    All people are read with the same few queries and pass the user tower as one batch.
    """
    catalog = serving.catalog()
    known = people.find([r.customer for r in requests if r.customer is not None], _max_history(catalog))
    plans: list[_Plan | RecommendationError] = []
    for request in requests:
        try:
            plans.append(_plan(request, known, catalog))
        except RecommendationError as error:
            plans.append(error)
    users = _encode([plan for plan in plans if isinstance(plan, _Plan) and plan.person is not None], catalog)
    answers: list[RecommendationList | RecommendationError] = []
    served: list[ServedList] = []
    for plan in plans:
        if isinstance(plan, RecommendationError):
            answers.append(plan)
            continue
        answer = _answer(plan, users.get(id(plan)), catalog)
        answers.append(answer)
        if plan.may_be_logged and answer.items:
            served.append(_log_row(answer, plan.customer.key if plan.customer else "", plan.request.scenario, catalog))
    ServedList.objects.bulk_create(served)
    return answers


def popular(count: int = 10, *, scenario: str = "popular") -> RecommendationList:
    """What most people buy."""
    return recommend(count=count, scenario=scenario)


def similar(item: str, count: int = 10, *, scenario: str = "similar") -> RecommendationList:
    """Items that the same people want as this one, as the model sees it; before any model, items of the same kind."""
    _check_count(count)
    catalog = serving.catalog()
    row = _row_of(item, catalog)
    if catalog.placed is not None:
        rows, scores = retrieval.similar(catalog.placed.taste, row, count, catalog.shown)
        return _item_list(rows, scores, catalog, TWO_TOWER, None, scenario)
    shared = np.zeros(len(catalog))
    for values in catalog.values.values():
        shared += (values == values[row]) & (values[row] != "")
    order = catalog.popular[catalog.shown[catalog.popular] & (catalog.popular != row)]
    order = order[np.argsort(-shared[order], kind="stable")][:count]
    return _item_list(order, shared[order], catalog, POPULAR, "no_model", scenario)


def bought_together(item: str, count: int = 10, *, scenario: str = "bought_together") -> RecommendationList:
    """What the latest buyers of this item also buy, more than one would expect; similar items where that is unknown."""
    found = co_purchased(item, count, scenario=scenario)
    if found.items:
        return found
    return replace(similar(item, count, scenario=scenario), fallback_reason=found.fallback_reason)


def co_purchased(item: str, count: int = 10, *, scenario: str = "bought_together") -> RecommendationList:
    """What the latest buyers of this item also buy; an empty list where too few of them share anything."""
    _check_count(count)
    catalog = serving.catalog()
    row = _row_of(item, catalog)
    rows, shared = _co_purchases(catalog.pks[row], catalog)
    own = min(float(catalog.purchases[row]), BUYERS)
    # The cosine of the two items' buyers, drawn to nothing where few are shared (Linden, Smith & York 2003).
    cosine = shared / np.sqrt(np.maximum(own, shared) * np.maximum(catalog.purchases[rows], shared))
    scores = cosine * shared / (shared + TOGETHER_SHRINKAGE)
    best = np.argsort(-scores, kind="stable")[:count]
    fallback = None if len(best) else "never_bought_together"
    return _item_list(rows[best], scores[best], catalog, BOUGHT_TOGETHER, fallback, scenario)


# --- ratings ----------------------------------------------------------------------------------------------------------


def predict_rating(
    *,
    customer: str | None = None,
    profile: Mapping[str, object] | None = None,
    item: str | None = None,
    item_features: Mapping[str, object] | None = None,
) -> RatingPrediction:
    """The rating from 0 to 5 that a customer or profile (or anybody) would give an item, known or only described.

    Without a model, and for a customer who opted out, it is what people gave the item on average, drawn to the shop's
    mean where few did. RecommendationError for an unknown item, an unknown field or a value of the wrong type.
    """
    if customer is not None and profile is not None:
        raise RecommendationError("profile", "Give either a customer or a profile, not both.")
    if (item is None) == (item_features is None):
        raise RecommendationError("item", "Give either an item or item_features.")
    catalog = serving.catalog()
    checked = people.check_profile(profile or {})
    features = people.check_item(item_features or {})
    row = None if item is None else _row_of(item, catalog)
    average = RatingPrediction(catalog.mean_rating(row), None)
    placed = catalog.placed
    if placed is None:
        return average
    person = Person(checked)
    if customer is not None:
        known = people.find([customer], _max_history(catalog)).get(customer)
        if known is not None and not known.learnable:
            return average
        person = known.person if known else person
    try:
        user = placed.encode([person])
    except EngineError as error:
        log.error("model_cannot_read_person", customer=customer, error=str(error))
        return average
    inference = placed.live.inference
    described = inference.encode_items([features]) if row is None else placed.vectors[row : row + 1]
    return RatingPrediction(float(inference.ratings(user, described)[0, 0]), placed.live.version)


# --- from a request to a plan -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Plan:
    """A request that makes sense: for whom, and which rows may be listed."""

    request: ListRequest
    customer: people.Customer | None
    person: Person | None  # None: popular items, because of `fallback`
    fallback: str | None
    allowed: np.ndarray
    shown: np.ndarray  # digests of what earlier pages showed

    @property
    def may_be_logged(self) -> bool:
        return self.customer is None or self.customer.learnable


def _plan(request: ListRequest, known: Mapping[str, people.Customer], catalog: LiveCatalog) -> _Plan:
    _check_count(request.count)
    if request.customer is not None and request.profile is not None:
        raise RecommendationError("profile", "Give either a customer or a profile, not both.")
    if isinstance(request.diversity, bool) or not 0 <= request.diversity <= 1:
        raise RecommendationError("diversity", f"diversity is {request.diversity!r}; it must be from 0 to 1.")
    if len(request.scenario) > LONGEST_SCENARIO:
        message = f"scenario has {len(request.scenario)} characters; {LONGEST_SCENARIO} are allowed."
        raise RecommendationError("scenario", message)
    profile = None if request.profile is None else people.check_profile(request.profile)
    customer = known.get(request.customer) if request.customer is not None else None
    person, fallback = _audience(request, customer, profile, catalog)
    shown = read_token(request.page_token)
    allowed = catalog.shown.copy()
    for name, values in (request.filter or {}).items():
        allowed &= np.isin(catalog.values[_filter_field(name)], _filter_values(name, values))
    allowed[catalog.rows(request.exclude)] = False
    allowed[catalog.rows(request.session_items)] = False
    if customer is not None and request.exclude_purchased:
        allowed[catalog.rows(customer.bought)] = False
    if len(shown):
        allowed &= ~np.isin(catalog.digests, shown)
    return _Plan(request, customer, person, fallback, allowed, shown)


def _audience(
    request: ListRequest, customer: people.Customer | None, profile: Mapping[str, object] | None, catalog: LiveCatalog
) -> tuple[Person | None, str | None]:
    """Who the towers are to see; or nobody, and why."""
    looked_at = [key for key in request.session_items if key in catalog.row_of]
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


def _filter_field(name: str) -> str:
    fields = get_source().item_filters
    if name not in fields:
        raise RecommendationError("filter", f"{name!r} is nothing to filter by; there are {', '.join(fields)}.")
    return name


def _filter_values(name: str, values: object) -> list[str]:
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise RecommendationError("filter", f"The filter {name!r} is {values!r}; it must be a list of texts.")
    return list(values)


def _row_of(item: str, catalog: LiveCatalog) -> int:
    if not catalog.knows(item):
        raise RecommendationError("item", f"There is no item {item!r}.")
    return catalog.row_of[item]


def _max_history(catalog: LiveCatalog) -> int:
    return catalog.live.inference.max_history if catalog.live else people.MAX_HISTORY


# --- from a plan to a list --------------------------------------------------------------------------------------------


def _encode(plans: list[_Plan], catalog: LiveCatalog) -> dict[int, Vectors]:
    """The vectors of every plan's person, by id of the plan. One batch; where it fails, each on its own."""
    people_of_plans = [plan.person for plan in plans if plan.person is not None]
    if catalog.placed is None or not people_of_plans:
        return {}
    try:
        users = catalog.placed.encode(people_of_plans)
    except EngineError as error:
        if len(plans) > 1:
            return {key: user for plan in plans for key, user in _encode([plan], catalog).items()}
        log.error("model_cannot_read_person", customer=plans[0].request.customer, error=str(error))
        return {}
    return {id(plan): users[row : row + 1] for row, plan in enumerate(plans)}


def _answer(plan: _Plan, user: Vectors | None, catalog: LiveCatalog) -> RecommendationList:
    placed, request = catalog.placed, plan.request
    reach = request.count * (POOL if request.diversity else 1)
    if placed is None or plan.person is None or user is None:
        rows = catalog.popular[plan.allowed[catalog.popular]][:reach]
        rows, scores = _picked(rows, catalog.purchases[rows], request, catalog)
        items = [Recommendation(catalog.keys[row], float(score)) for row, score in zip(rows, scores, strict=True)]
        version, source, fallback = None, POPULAR, plan.fallback or "model_failed"
    else:
        found, best = placed.index.top_k(user.rank, reach, mask=plan.allowed)
        listed = found[0] >= 0
        rows, scores = _picked(found[0][listed], best[0][listed], request, catalog)
        items = _explained(plan, plan.person, user, rows, scores, placed, catalog)
        version, source, fallback = placed.live.version, TWO_TOWER, None
    return RecommendationList(
        recommendation_id=str(uuid.uuid4()),
        model_version=version,
        source=source,
        fallback_reason=fallback,
        next_page_token=_next_page(plan, rows, catalog),
        items=tuple(items),
    )


def _next_page(plan: _Plan, rows: np.ndarray, catalog: LiveCatalog) -> str | None:
    """The token of the page after this one, if there is one."""
    shown = [*plan.shown, *catalog.digests[rows]]
    if len(rows) == 0 or int(plan.allowed.sum()) == len(rows) or len(shown) + plan.request.count > MAX_SHOWN:
        return None
    return write_token(shown)


def _picked(
    rows: np.ndarray, scores: np.ndarray, request: ListRequest, catalog: LiveCatalog
) -> tuple[np.ndarray, np.ndarray]:
    """The wanted number of the candidates, so unlike each other as was asked for."""
    if catalog.placed is None or not request.diversity or len(rows) == 0:
        return rows[: request.count], scores[: request.count]
    order = retrieval.diversify(catalog.placed.taste[rows], scores, request.count, request.diversity)
    return rows[order], scores[order]


def _explained(
    plan: _Plan,
    person: Person,
    user: Vectors,
    rows: np.ndarray,
    scores: np.ndarray,
    placed: Placed,
    catalog: LiveCatalog,
) -> list[Recommendation]:
    """The rows as recommendations, with the rating this person would give and the evidence that lifted each."""
    inference, listed = placed.live.inference, placed.vectors[rows]
    ratings = inference.ratings(user, listed)[0]
    if not catalog.has_ratings:  # nobody ever taught the model what a rating is
        ratings = [None] * len(rows)
    found = explain.reasons(inference, person, listed, placed.vectors, placed.row_of)
    return [
        Recommendation(catalog.keys[row], float(score), None if rating is None else float(rating), _reasons(why, plan))
        for row, score, rating, why in zip(rows, scores, ratings, found, strict=True)
    ]


def _reasons(found: Iterable[explain.Reason], plan: _Plan) -> tuple[Reason, ...]:
    """The engine's reasons in the visitor's words: what was only looked at was not bought."""
    bought = plan.customer.bought if plan.customer else frozenset()
    kind = "because_in_your_cart" if plan.request.scenario == "cart" else "because_you_viewed"
    reasons = []
    for reason in found:
        if reason.item is not None and reason.item not in bought and reason.item in plan.request.session_items:
            reasons.append(Reason(kind, item=reason.item))
        elif not (plan.customer and reason.field in get_source().customer_from_interactions):
            # A customer's totals are no part of a profile that they would recognise.
            reasons.append(Reason(reason.kind, item=reason.item, field=reason.field))
    return tuple(reasons)


def _co_purchases(item_pk: Any, catalog: LiveCatalog) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the items that the latest buyers of an item bought, too, and how many of them did: int64, float64 [n]."""
    source = get_source()
    customer, item = source.interaction_customer, source.interaction_item
    bought = learned_from(source)
    buyers = bought.filter(**{item: item_pk}).order_by(f"-{source.interaction_time}").values_list(customer, flat=True)
    pairs = bought.filter(**{f"{customer}__in": set(buyers[:BUYERS])})
    counted = (
        pairs.exclude(**{item: item_pk})
        .order_by()
        .values_list(f"{item}__{source.item_key}")
        .annotate(n=Count(customer, distinct=True))
    )
    found = {str(key): n for key, n in counted.filter(n__gte=LEAST_TOGETHER)}
    rows = catalog.rows(found)
    rows = rows[catalog.shown[rows]]
    return rows, np.array([found[catalog.keys[row]] for row in rows], dtype=np.float64)


def _item_list(
    rows: np.ndarray, scores: np.ndarray, catalog: LiveCatalog, source: Source, fallback: str | None, scenario: str
) -> RecommendationList:
    """A list that belongs to an item, the same for everybody."""
    answer = RecommendationList(
        recommendation_id=str(uuid.uuid4()),
        model_version=catalog.live.version if source == TWO_TOWER and catalog.live else None,
        source=source,
        fallback_reason=fallback,
        next_page_token=None,
        items=tuple(Recommendation(catalog.keys[r], float(s)) for r, s in zip(rows, scores, strict=True)),
    )
    if answer.items:
        _log_row(answer, "", scenario, catalog).save(force_insert=True)
    return answer


def _log_row(answer: RecommendationList, customer: str, scenario: str, catalog: LiveCatalog) -> ServedList:
    live = catalog.live if answer.model_version else None
    return ServedList(
        id=uuid.UUID(answer.recommendation_id),
        customer=customer,
        scenario=scenario,
        source=answer.source,
        version_id=live.pk if live else None,
        items=[item.item for item in answer.items],
    )
