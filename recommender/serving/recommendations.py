"""The one door: every list and every predicted rating of pages, API, template tags and commands comes through here.

    recommend(customer="10001", count=5)
    recommend(profile={"Age": 28, "Country": "UK"}, filter={"category": ["Books"]})
    predict_rating(customer="10001", item="B7")

Who is known gets the two towers' list; who is not (or does not want to be) gets what is popular, and is told why.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import structlog
from django.utils import timezone

from recommender.engine.bundle import explain, retrieval
from recommender.engine.bundle.explain import Weighed
from recommender.engine.bundle.inference import Person
from recommender.engine.errors import EngineError
from recommender.errors import RecommendationError
from recommender.experiments import RunningArm
from recommender.feedback import bucket_of, new_list_id, record_lists
from recommender.models import POPULAR, TWO_TOWER, ServedList
from recommender.serving import customers as people
from recommender.serving import live as serving
from recommender.serving.answer import (
    ALSO_VIEWED,
    BOUGHT_TOGETHER,
    RECENTLY_VIEWED,
    TRENDING,
    Explanation,
    ListRequest,
    RatingPrediction,
    Reason,
    Recommendation,
    RecommendationList,
    Source,
)
from recommender.serving.availability import new_item, withdrawn
from recommender.serving.catalog import LiveCatalog, NewItem, Placed
from recommender.serving.paging import MAX_SHOWN, write_token
from recommender.serving.request import CART, Plan, check_who, plan, row_of
from recommender.serving.rotation import rotated
from recommender.serving.together import bought_with, viewed_with
from recommender.source import get_source

log = structlog.get_logger("recommender.serving.recommendations")

_NO_ROWS = (np.zeros(0, np.int64), np.zeros(0))
LATEST_BOUGHT = 5  # purchases that are looked at for one of which it is known what goes with it
POOL = 5  # candidates for each listed item, where a list is to be diverse
# Where listed items turn out to be withdrawn, so many times as many candidates are checked in the next rounds.
WIDER = (8, 64, 512)


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

    All people are read with the same few queries and pass the user tower together.
    """
    served = serving.served()
    known = people.find_customers([r.customer for r in requests if isinstance(r.customer, str)], served.max_history)
    plans: list[_Planned | RecommendationError] = []
    for request in requests:
        try:
            plans.append(_plan_of(request, known, served))
        except RecommendationError as error:
            plans.append(error)
    sound = [each for each in plans if isinstance(each, _Planned)]
    weighed: dict[int, Weighed] = {}
    for catalog in {id(each.catalog): each.catalog for each in sound}.values():  # one, but for an experiment
        its = [each.plan for each in sound if each.catalog is catalog and each.plan.person is not None]
        weighed |= _weigh(its, catalog)
    drafts = {id(each): _draft(each.plan, weighed.get(id(each.plan)), each.catalog) for each in sound}
    _keep_available(list(drafts.values()))
    answers: list[RecommendationList | RecommendationError] = []
    rows: list[ServedList] = []
    for each in plans:
        if isinstance(each, RecommendationError):
            answers.append(each)
            continue
        answer = drafts[id(each)].answer()
        answers.append(answer)
        if each.plan.may_be_logged and answer.items:
            rows.append(_log_row(answer, each.plan, each.catalog, each.arm))
    if rows:
        record_lists(rows)
    return answers


def cart(items: Sequence[str], count: int = 10, **options: Any) -> RecommendationList:
    """What goes with a cart, for whoever fills it; before any model, what people buy with the things in it.

    options : the other fields of ListRequest.
    """
    request = {"session_items": items, "count": count, "scenario": CART, **options}
    if serving.live_model() is None:
        asked, catalog = _planned(**request)
        inside = [pk for pk in (_pk_of(key, catalog) for key in items) if pk is not None]
        if inside and asked.fallback == "no_model":
            found = _listed(asked, bought_with(inside, catalog), catalog, BOUGHT_TOGETHER, "no_model")
            if found.items:
                return found
    return recommend(**request)


# --- the same list for everybody, less what this customer bought ------------------------------------------------------
# options : fields of ListRequest that restrict a list: filter, exclude, page_token, diversity, and customer, whose
# purchases are left out; scenario is the name the list goes by in the log.


def popular(count: int = 10, **options: Any) -> RecommendationList:
    """What most people buy."""
    asked, catalog = _planned(**{"count": count, "scenario": "popular", **options})
    return _listed(asked, (catalog.popular, catalog.purchases[catalog.popular]), catalog, POPULAR)


def trending(count: int = 10, **options: Any) -> RecommendationList:
    """What sells more this week than the weeks before; what is popular where nothing does."""
    asked, catalog = _planned(**{"count": count, "scenario": "trending", **options})
    found = _listed(asked, catalog.trending, catalog, TRENDING)
    if found.items:
        return found
    return replace(popular(count, **{"scenario": "trending", **options}), fallback_reason="nothing_trends")


def similar(item: str, count: int = 10, **options: Any) -> RecommendationList:
    """What buyers of this item want beside it, and items like it where few bought it (engine/neighbours.py); items of
    the same kind before any model, and for an item that was created a moment ago. Of an item of which neither purchases
    nor features say anything there is nothing alike: what is popular stands in."""
    asked, catalog = _planned(**{"count": count, "scenario": "similar", **options})
    created = new_item(item, catalog)
    if created is not None:
        shared = _shared_values(created, catalog)
        alike = catalog.popular[np.argsort(-shared[catalog.popular], kind="stable")]
        return _listed(asked, (alike, shared[alike]), catalog, POPULAR, "new_item" if shared.any() else "nothing_alike")
    row = row_of(item, catalog)
    fallback = "no_model"
    placed = catalog.placed
    if placed is not None and not placed.neighbours.knows(row):
        fallback = "nothing_alike"
    elif placed is not None:

        def nearest(reach: int) -> _Candidates:
            found = placed.neighbours.nearest(row, placed.index, reach, asked.allowed)
            return _Candidates(*found, int(asked.allowed.sum() - asked.allowed[row]))

        try:
            return _listed(asked, nearest, catalog, TWO_TOWER)
        except EngineError as error:
            log.error("model_failed", item=item, error=str(error))
            fallback = "model_failed"
    shared = np.zeros(len(catalog))
    for facet in catalog.values.values():
        shared += facet.same_as(row)
    alike = catalog.popular[catalog.popular != row]
    alike = alike[np.argsort(-shared[alike], kind="stable")]
    if fallback == "no_model" and not shared[alike].any():
        fallback = "nothing_alike"
    return _listed(asked, (alike, shared[alike]), catalog, POPULAR, fallback)


def because_you_bought(customer: str, count: int = 10, **options: Any) -> RecommendationList:
    """Items like what a customer bought last, each with that as its reason: the last of which anything is known, of the
    latest few; an empty list where that is nothing."""
    scenario = {"scenario": "because_you_bought", "customer": customer, **options}
    asked, catalog = _planned(**{"count": count, **scenario})
    history = asked.customer.person.history if asked.customer else ()
    latest_first = dict.fromkeys(event.item for event in reversed(history) if catalog.knows(event.item))
    for last in islice(latest_first, LATEST_BOUGHT):
        found = similar(last, count, **scenario)
        if found.fallback_reason != "nothing_alike":
            why = (Reason("because_you_bought", item=last),)
            return replace(found, items=tuple(replace(listed, reasons=why) for listed in found.items))
    reason = "nothing_alike" if latest_first else "never_bought"
    return _listed(asked, _NO_ROWS, catalog, BOUGHT_TOGETHER, reason)


def bought_together(item: str, count: int = 10, **options: Any) -> RecommendationList:
    """What buyers of this item also buy, more than one would expect; similar items where that is unknown."""
    found = co_purchased(item, count, **options)
    if found.items:
        return found
    stand_in = similar(item, count, **{"scenario": "bought_together", **options})
    return replace(stand_in, fallback_reason=found.fallback_reason)


def co_purchased(item: str, count: int = 10, **options: Any) -> RecommendationList:
    """What the latest buyers of this item also buy; an empty list where too few of them share anything."""
    asked, catalog = _planned(**{"count": count, "scenario": "bought_together", **options})
    pk = _existing(item, catalog)
    found = _listed(asked, bought_with([pk], catalog), catalog, BOUGHT_TOGETHER)
    return found if found.items else replace(found, fallback_reason="never_bought_together")


def also_viewed(item: str, count: int = 10, **options: Any) -> RecommendationList:
    """What viewers of this item also look at, more than one would expect; similar items where that is unknown."""
    found = co_viewed(item, count, **options)
    if found.items:
        return found
    stand_in = similar(item, count, **{"scenario": "also_viewed", **options})
    return replace(stand_in, fallback_reason=found.fallback_reason)


def co_viewed(item: str, count: int = 10, **options: Any) -> RecommendationList:
    """What the latest viewers of this item also look at; an empty list where too few of them share anything."""
    asked, catalog = _planned(**{"count": count, "scenario": "also_viewed", **options})
    _existing(item, catalog)
    found = _listed(asked, viewed_with(item, catalog), catalog, ALSO_VIEWED)
    return found if found.items else replace(found, fallback_reason="never_viewed_together")


def recently_viewed(session_items: Sequence[str] = (), count: int = 10, **options: Any) -> RecommendationList:
    """What a customer looked at within a day, or a visitor by their session (the latest last): the latest first."""
    asked, catalog = _planned(**{"count": count, "scenario": "recently_viewed", **options})
    on_record = asked.customer.viewed if asked.customer else ()
    latest_first = dict.fromkeys([*reversed(session_items), *reversed(on_record)])
    rows = catalog.rows(latest_first)
    found = _listed(asked, (rows, np.arange(len(rows), 0.0, -1)), catalog, RECENTLY_VIEWED)
    return found if found.items else replace(found, fallback_reason="never_viewed")


# --- reasons ----------------------------------------------------------------------------------------------------------


def why(item: str, **request: Any) -> Explanation:
    """What of all that is known of somebody lifts an item in their list; who, as for `recommend`. Nothing is recorded.

    Each piece of evidence is taken away and the item scored again, so the reasons are the model's own.
    """
    asked, catalog = _planned(**request)
    if new_item(item, catalog) is not None:
        return Explanation((), "new_item")
    row = row_of(item, catalog)
    weighed = _weigh([asked], catalog) if asked.person is not None else {}
    if catalog.placed is None or id(asked) not in weighed:
        return Explanation((), asked.fallback or "model_failed")
    found = weighed[id(asked)]
    if not found.evidence:
        return Explanation((), None)
    drops = found.drops(catalog.placed.vectors[row : row + 1])[:, 0]
    lifting = [n for n in np.argsort(-drops, kind="stable").tolist() if drops[n] > explain.LEAST_DROP]
    reasons = _reasons([found.evidence[n] for n in lifting], asked)
    shares = (drops[lifting] / drops[lifting].sum()).tolist() if lifting else []
    return Explanation(tuple(zip(reasons, shares, strict=True)), None)


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
    mean where few did. There is none where nobody rated anything, or where the model learned from no rating; the answer
    says so, and that a customer is unknown. RecommendationError for an unknown item, an unknown field or a value of the
    wrong type.
    """
    check_who(customer, profile)
    if (item is None) == (item_features is None):
        raise RecommendationError("item", "Give either an item or item_features.")
    catalog = serving.catalog()
    checked = people.check_profile({} if profile is None else profile)
    features = people.check_item({} if item_features is None else item_features)
    created = None if item is None else new_item(item, catalog)
    if created is not None:
        item, features = None, created.features(get_source())
    row = None if item is None else row_of(item, catalog)
    known = None
    if customer is not None:
        known = people.find_customers([customer], serving.max_history(catalog)).get(customer)
    unknown = "unknown_customer" if customer is not None and known is None else None
    unrated = _why_unrated(catalog)
    if unrated is not None:
        return RatingPrediction(None, None, unknown or unrated)
    mean, placed = catalog.mean_rating(row), catalog.placed
    if known is not None and not known.learnable:
        return RatingPrediction(mean, None, "opted_out")
    if placed is None:
        return RatingPrediction(mean, None, unknown or "no_model")
    person = Person(checked) if known is None else known.person
    inference = placed.live.inference
    try:
        user = placed.encode([person])
        described = inference.encode_items([features]) if row is None else placed.vectors[row : row + 1]
    except EngineError as error:
        log.error("model_failed", error=str(error))
        return RatingPrediction(mean, None, unknown or "model_failed")
    nobody = "anonymous" if customer is None and profile is None else None
    return RatingPrediction(float(inference.ratings(user, described)[0, 0]), placed.live.version, unknown or nobody)


def _why_unrated(catalog: LiveCatalog) -> str | None:
    """Why no rating can be predicted, a key of UNRATED_REASONS; None where ratings can be."""
    if not catalog.has_ratings:
        return "nobody_rated"
    if catalog.placed is not None and not catalog.placed.live.inference.has_ratings:
        return "model_without_ratings"
    return None


# --- from a request to a plan -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Planned:
    """A plan, the catalog that answers it, and the arm of an experiment that it is in, if any."""

    plan: Plan
    catalog: LiveCatalog
    arm: RunningArm | None


def _plan_of(request: ListRequest, known: Mapping[str, people.Customer], served: serving.Served) -> _Planned:
    arm = _arm_of(request, known, served)
    catalog = served.catalog_for(arm)
    asked = plan(replace(request, **arm.settings) if arm else request, known, catalog)
    asked.allowed[catalog.rows(asked.looked_at)] = False
    if arm is not None and arm.popular:
        asked = replace(asked, person=None, fallback="experiment")
    return _Planned(asked, catalog, arm)


def _arm_of(request: ListRequest, known: Mapping[str, people.Customer], served: serving.Served) -> RunningArm | None:
    """The arm of whom the list is for: a customer who agrees to it, or a visitor who can be told from others."""
    if served.running is None or request.profile is not None:
        return None
    if request.customer is None:
        return served.running.arm_of(request.visitor, request.scenario)
    customer = known.get(request.customer) if isinstance(request.customer, str) else None
    if customer is None or not customer.learnable:
        return None
    return served.running.arm_of(customer.key, request.scenario)


# --- from a plan to a list --------------------------------------------------------------------------------------------


def _planned(**request: Any) -> tuple[Plan, LiveCatalog]:
    asked, catalog = ListRequest(**request), serving.catalog()
    keys = [asked.customer] if isinstance(asked.customer, str) else []
    known = people.find_customers(keys, serving.max_history(catalog))
    return plan(asked, known, catalog), catalog


def _weigh(plans: list[Plan], catalog: LiveCatalog) -> dict[int, Weighed]:
    """Every plan's person as the towers see them, by id of the plan. Together; where that fails, each on their own."""
    # A customer's totals are no part of a profile that they would recognise.
    totals = tuple(get_source().customer_from_interactions)
    whom = [
        (plan.person, None if not plan.request.reasons else totals if plan.customer else ())
        for plan in plans
        if plan.person is not None
    ]
    if catalog.placed is None or not whom:
        return {}
    try:
        weighed = catalog.placed.weigh(whom)
    except EngineError as error:
        if len(plans) > 1:
            return {key: one for plan in plans for key, one in _weigh([plan], catalog).items()}
        log.error("model_failed", error=str(error))
        return {}
    return {id(plan): one for plan, one in zip(plans, weighed, strict=True)}


@dataclass(frozen=True)
class _Candidates:
    """rows : int64 [k] of a catalog that the plan allows, the best first.   scores : float64 [k].   total : how many
    there are in all."""

    rows: np.ndarray
    scores: np.ndarray
    total: int


@dataclass
class _Draft:
    """A list in the making.

    candidates : the best so many of what the plan allows now.   person : whom the model explains it to, if anybody.
    rows, scores : what is listed.   total : candidates in all.
    """

    plan: Plan
    catalog: LiveCatalog
    source: Source
    fallback: str | None
    candidates: Callable[[int], _Candidates]
    person: Weighed | None = None
    rows: np.ndarray = field(default_factory=lambda: _NO_ROWS[0])
    scores: np.ndarray = field(default_factory=lambda: _NO_ROWS[1])
    total: int = 0

    def choose(self) -> _Draft:
        """The same draft, with the best of what is allowed. EngineError where the model does not answer."""
        best = self.candidates(_reach(self.plan))
        self.rows, self.scores = _picked(best.rows, best.scores, self.plan, self.catalog)
        self.total = best.total
        return self

    def choose_again(self) -> None:
        """Like `choose`; where the model does not answer now, what is listed stays."""
        try:
            self.choose()
        except EngineError as error:
            log.error("model_failed", error=str(error))

    def best(self, times: int) -> np.ndarray:
        """The rows of the list; with `times` over 1, those of so many times as many candidates."""
        if times == 1:
            return self.rows
        try:
            return np.union1d(self.rows, self.candidates(times * _reach(self.plan)).rows)
        except EngineError as error:
            log.error("model_failed", error=str(error))
            return self.rows

    def leave_out(self, rows: np.ndarray) -> None:
        kept = ~np.isin(self.rows, rows)
        self.rows, self.scores = self.rows[kept], self.scores[kept]

    def answer(self) -> RecommendationList:
        plan, catalog = self.plan, self.catalog
        if self.person is not None and catalog.placed is not None:
            items = _explained(plan, self.person, self.rows, self.scores, catalog.placed, catalog)
        else:
            listed = zip(self.rows, self.scores, strict=True)
            items = [Recommendation(catalog.keys[row], float(score)) for row, score in listed]
        return RecommendationList(
            recommendation_id=str(new_list_id()),
            model_version=catalog.live.version if self.source == TWO_TOWER and catalog.live else None,
            source=self.source,
            fallback_reason=self.fallback,
            next_page_token=_next_page(plan, self.rows, self.total, catalog),
            items=tuple(items),
        )


def _draft(plan: Plan, person: Weighed | None, catalog: LiveCatalog) -> _Draft:
    """The personal list, chosen; the popular one where there is no person, or the model does not answer."""
    placed = catalog.placed
    if placed is not None and person is not None:

        def best(reach: int) -> _Candidates:
            found, scores = placed.index.top_k(person.user.rank, reach, mask=plan.allowed)
            listed = found[0] >= 0
            return _Candidates(found[0][listed], scores[0][listed], int(plan.allowed.sum()))

        try:
            return _Draft(plan, catalog, TWO_TOWER, None, best, person).choose()
        except EngineError as error:
            log.error("model_failed", error=str(error))

    def popular(reach: int) -> _Candidates:
        rows = catalog.popular[plan.allowed[catalog.popular]][:reach]
        return _Candidates(rows, catalog.purchases[rows], int(plan.allowed.sum()))

    return _Draft(plan, catalog, POPULAR, plan.fallback or "model_failed", popular).choose()


def _listed(
    plan: Plan,
    candidates: tuple[np.ndarray, np.ndarray] | Callable[[int], _Candidates],
    catalog: LiveCatalog,
    source: Source,
    fallback: str | None = None,
) -> RecommendationList:
    """The first of the candidates that the plan allows, on record.

    candidates : rows (the best first) and their scores, of which the plan may allow some; or what finds so many that
    it allows.
    """
    if not callable(candidates):
        rows, scores = candidates

        def candidates(reach: int) -> _Candidates:
            kept = plan.allowed[rows]
            return _Candidates(rows[kept][:reach], scores[kept][:reach], int(kept.sum()))

    draft = _Draft(plan, catalog, source, fallback, candidates).choose()
    _keep_available([draft])
    answer = draft.answer()
    if answer.items and plan.may_be_logged:
        record_lists([_log_row(answer, plan, catalog)])
    return answer


def _keep_available(drafts: Sequence[_Draft]) -> None:
    """See to it that all that is listed is available in the database: the next best take the place of what is not.

    One query where nothing changed since the catalog was read. Where much did, more and more candidates are checked.
    """
    rounds = (1, *WIDER, 1)
    for number, wider in enumerate(rounds, 1):
        gone = _leave_out_withdrawn(drafts, {id(draft): draft.best(wider) for draft in drafts})
        drafts = [draft for draft in drafts if np.isin(draft.rows, gone[id(draft.catalog)]).any()]
        if not drafts:
            return
        serving.items_changed()
        for draft in drafts:
            draft.leave_out(gone[id(draft.catalog)])
            if number < len(rounds):
                draft.choose_again()


def _leave_out_withdrawn(drafts: Sequence[_Draft], looked_at: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    """By id of a catalog, the rows among those looked at whose items are not available; no plan allows them any more.

    looked_at : rows by id of a draft.
    """
    gone: dict[int, np.ndarray] = {}
    for catalog in {id(draft.catalog): draft.catalog for draft in drafts}.values():
        its = [draft for draft in drafts if draft.catalog is catalog]
        gone[id(catalog)] = withdrawn(np.unique(np.concatenate([looked_at[id(draft)] for draft in its])), catalog)
        for draft in its:
            draft.plan.allowed[gone[id(catalog)]] = False
    return gone


def _pk_of(item: str, catalog: LiveCatalog) -> Any:
    """The primary key of an item, be it newer than the catalog; None where there is no such item."""
    if catalog.knows(item):
        return catalog.pks[catalog.row_of[item]]
    created = new_item(item, catalog)
    return None if created is None else created.pk


def _existing(item: str, catalog: LiveCatalog) -> Any:
    """The primary key of an item, be it newer than the catalog. RecommendationError for the key of none."""
    pk = _pk_of(item, catalog) if isinstance(item, str) else None
    return catalog.pks[row_of(item, catalog)] if pk is None else pk


def _shared_values(item: NewItem, catalog: LiveCatalog) -> np.ndarray:
    """float64 [n]: how many filterable fields each item has in common with one that is not in the catalog."""
    shared = np.zeros(len(catalog))
    for name, facet in catalog.values.items():
        if item.values[name]:
            shared += facet.is_any_of([item.values[name]])
    return shared


def _reach(plan: Plan) -> int:
    """How many of the best are looked at, to list as many as were asked for."""
    return plan.request.count * (POOL if plan.request.diversity or plan.request.rotation else 1)


def _next_page(plan: Plan, rows: np.ndarray, candidates: int, catalog: LiveCatalog) -> str | None:
    """The token of the page after this one, if there is one."""
    shown = np.concatenate([plan.shown, catalog.digests[rows]])
    if len(rows) == 0 or candidates == len(rows) or len(shown) + plan.request.count > MAX_SHOWN:
        return None
    return write_token(shown)


def _picked(rows: np.ndarray, scores: np.ndarray, plan: Plan, catalog: LiveCatalog) -> tuple[np.ndarray, np.ndarray]:
    """The wanted number of the candidates, turned as far and so unlike each other as was asked for."""
    request = plan.request
    if request.rotation and len(rows):
        visitor = plan.customer.key if plan.customer else ""
        order = rotated(scores, catalog.digests[rows], request.rotation, visitor, timezone.localdate())
        rows, scores = rows[order], scores[order]
    if catalog.placed is None or not request.diversity or len(rows) == 0:
        return rows[: request.count], scores[: request.count]
    order = retrieval.diversify(catalog.placed.taste(rows), scores, request.count, request.diversity)
    return rows[order], scores[order]


def _explained(
    plan: Plan,
    person: Weighed,
    rows: np.ndarray,
    scores: np.ndarray,
    placed: Placed,
    catalog: LiveCatalog,
) -> list[Recommendation]:
    """The rows as recommendations, with the rating this person would give and the evidence that lifted each."""
    listed = placed.vectors[rows]
    ratings: list[float | None] = placed.live.inference.ratings(person.user, listed)[0].tolist()
    if _why_unrated(catalog) is not None:
        ratings = [None] * len(rows)
    return [
        Recommendation(catalog.keys[row], score, rating, _reasons(why, plan))
        for row, score, rating, why in zip(rows, scores.tolist(), ratings, person.reasons(listed), strict=True)
    ]


def _reasons(found: Iterable[explain.Reason], plan: Plan) -> tuple[Reason, ...]:
    """The engine's reasons in the visitor's words: what was only looked at was not bought."""
    bought = plan.customer.bought if plan.customer else frozenset()
    kind = "because_in_your_cart" if plan.request.scenario == CART else "because_you_viewed"
    reasons = []
    for reason in found:
        if reason.item is not None and reason.item not in bought and reason.item in plan.looked_at:
            reasons.append(Reason(kind, item=reason.item))
        else:
            reasons.append(Reason(reason.kind, item=reason.item, field=reason.field))
    return tuple(reasons)


def _log_row(answer: RecommendationList, plan: Plan, catalog: LiveCatalog, arm: RunningArm | None = None) -> ServedList:
    live = catalog.live if answer.model_version else None
    customer = plan.customer.key if plan.customer else ""
    visitor = "" if customer else plan.request.visitor
    return ServedList(
        id=uuid.UUID(answer.recommendation_id),
        customer=customer,
        visitor=visitor,
        arm_id=arm.pk if arm else None,
        scenario=plan.request.scenario,
        source=answer.source,
        version_id=live.pk if live else None,
        items=[item.item for item in answer.items],
        length=len(answer.items),
        bucket=bucket_of(customer or visitor or answer.recommendation_id),
    )
