"""The context of a list: who it is for, the catalog as it is now, and which of its rows may be listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog
from django.utils import timezone

from recommender.engine.bundle.explain import EncodedCustomer
from recommender.engine.bundle.inference import Interaction, Person
from recommender.engine.errors import EngineError
from recommender.errors import RecommendationError
from recommender.experiments import RunningArm
from recommender.serving import live
from recommender.serving.catalog import LiveCatalog
from recommender.serving.customers import CustomerContext, check_profile, find_customers
from recommender.serving.paging import read_token
from recommender.serving.request import ListRequest, check_request
from recommender.serving.rules.restrictions import allowed_rows
from recommender.source import get_source, is_storable, settled_scope

log = structlog.get_logger("recommender.serving")

CART = "cart"  # the scenario of a list whose session items are those of a cart

Profile = Mapping[str, object]


@dataclass(frozen=True, eq=False)
class ListContext:
    """A request that makes sense, with all that making the list takes.

    customer : None for nobody known.   person : what the towers may know of whom the list is for; None: nothing, for
    the reason `fallback`, a key of FALLBACK_REASONS.   looked_at : keys that count as history although they were not
    bought, the latest last.   shown : uint64, digests of what earlier pages showed.   allowed : bool [items], the rows
    that may be listed.   in_cart : whether the session's items are those of a cart, which speaks for itself.
    arm : of the running experiment.   encoded : the person in vectors; None before `with_encoded`, and where the model
    does not answer.
    """

    request: ListRequest
    catalog: LiveCatalog
    customer: CustomerContext | None
    person: Person | None
    fallback: str | None
    looked_at: tuple[str, ...]
    shown: np.ndarray
    allowed: np.ndarray
    in_cart: bool = False
    arm: RunningArm | None = None
    encoded: EncodedCustomer | None = None

    @property
    def may_be_logged(self) -> bool:
        if self.customer is None:
            return True
        return self.customer.learnable and is_storable(self.customer.key)


def read_contexts(
    requests: Sequence[ListRequest], *, personal: bool, cart: bool = False
) -> list[ListContext | RecommendationError]:
    """The context of each request; the error of one that makes no sense. All customers are read together.

    personal : whether the list is made for whom it is shown to, who may then be in an experiment.   cart : whether it
    is a cart's.
    """
    state = live.live_state()
    customers = find_customers([r.customer for r in requests if isinstance(r.customer, str)], state.max_history)
    contexts: list[ListContext | RecommendationError] = []
    of_scopes: dict[tuple[int, str | None], LiveCatalog] = {}  # of each scope one, which its lists share
    for request in requests:
        try:
            check_request(request)
            customer = customers.get(request.customer) if request.customer is not None else None
            scope = _scope_of(request, customer)
            if customer is not None and not customer.is_of(scope):
                customer = None
            arm = _arm_of(request, customer, state) if personal else None
            asked = replace(request, scope=scope, **(arm.settings if arm else {}))
            seen = state.catalog_for(arm)
            catalog = of_scopes.setdefault((id(seen), scope), seen.of_scope(scope))
            context = _read_context(asked, customer, catalog, cart or request.scenario == CART)
        except RecommendationError as error:
            contexts.append(error)
            continue
        if personal:
            context.allowed[context.catalog.rows(context.looked_at)] = False
        if arm is not None and arm.popular:
            context = replace(context, person=None, fallback="experiment")
        contexts.append(replace(context, arm=arm))
    return contexts


def with_encoded(contexts: Sequence[ListContext]) -> list[ListContext]:
    """The same contexts with their people encoded. People of one catalog pass the user tower in one batch."""
    personal = [context for context in contexts if context.person is not None]
    encoded: dict[int, EncodedCustomer] = {}
    for catalog in {id(context.catalog): context.catalog for context in personal}.values():  # one, but for experiments
        encoded |= _encode([context for context in personal if context.catalog is catalog], catalog)
    return [replace(context, encoded=encoded.get(id(context))) for context in contexts]


def _scope_of(request: ListRequest, customer: CustomerContext | None) -> str | None:
    """The scope of a request: the one it names, else its customer's. RecommendationError where it needs one."""
    if request.scope is None and customer is not None and customer.scope:
        return customer.scope
    return settled_scope(request.scope)


def _read_context(
    request: ListRequest, customer: CustomerContext | None, catalog: LiveCatalog, in_cart: bool
) -> ListContext:
    profile = None if request.profile is None else check_profile(request.profile)
    on_record = customer.viewed if customer is not None and not in_cart else ()
    latest_first = dict.fromkeys(catalog.listed_keys([*reversed(request.session_items), *reversed(on_record)]))
    looked_at = tuple(reversed(latest_first))
    person, fallback = _person_of(request, customer, profile, looked_at, catalog)
    shown = read_token(request.page_token)
    allowed = allowed_rows(request, customer, catalog, shown)
    return ListContext(request, catalog, customer, person, fallback, looked_at, shown, allowed, in_cart)


def _person_of(
    request: ListRequest,
    customer: CustomerContext | None,
    profile: Profile | None,
    looked_at: Sequence[str],
    catalog: LiveCatalog,
) -> tuple[Person | None, str | None]:
    """The person that the user tower encodes; or None, and the reason, a key of FALLBACK_REASONS."""
    if request.customer is not None and customer is None:
        return None, "unknown_customer"
    if customer is not None and not customer.learnable:
        return None, "opted_out"
    if catalog.live is None:
        return None, "no_model"
    now = timezone.now().timestamp()
    session = [Interaction(item=key, time=now) for key in looked_at]
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


def _arm_of(request: ListRequest, customer: CustomerContext | None, state: live.LiveState) -> RunningArm | None:
    """The arm of whom the list is for: a customer who agrees to it, or a visitor who can be told from others."""
    if state.running is None or request.profile is not None:
        return None
    if request.customer is None:
        return state.running.arm_of(request.visitor, request.scenario)
    if customer is None or not customer.learnable:
        return None
    return state.running.arm_of(customer.key, request.scenario)


def _encode(contexts: Sequence[ListContext], catalog: LiveCatalog) -> dict[int, EncodedCustomer]:
    """Each context's person as the towers see them, by id of the context; where that fails together, one by one."""
    # A customer's totals are no part of a profile that they would recognise.
    totals = tuple(get_source().customer_from_interactions)
    people = [
        (context.person, None if not context.request.reasons else totals if context.customer else ())
        for context in contexts
        if context.person is not None
    ]
    if catalog.placed is None:
        return {}
    try:
        encoded = catalog.placed.encode_with_ablations(people)
    except EngineError as error:
        if len(contexts) > 1:
            return {key: one for context in contexts for key, one in _encode([context], catalog).items()}
        log.error("model_failed", error=str(error))
        return {}
    return {id(context): one for context, one in zip(contexts, encoded, strict=True)}
