"""The one door: every list of pages, API, template tags and commands comes through here.

    recommend(customer="10001", count=5)
    recommend(profile={"Age": 28, "Country": "UK"}, filter={"category": ["Books"]})
    make_list("similar", "B7", 6)

A list goes one way: request -> context (who it is for, what may be listed) -> candidates (the kind of list) -> ranking
-> rules (what is listed is available now) -> answer, on record.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import structlog
from django.utils.translation import gettext as _

from recommender.engine.errors import EngineError
from recommender.errors import RecommendationError
from recommender.feedback import bucket_of, new_list_id, record_lists
from recommender.models import ServedList
from recommender.serving import live
from recommender.serving.answer import ListedItem, RecommendationList
from recommender.serving.context import ListContext, read_contexts, with_encoded
from recommender.serving.explanation import explained
from recommender.serving.kinds import KINDS
from recommender.serving.kinds.kind import ListKind
from recommender.serving.paging import MAX_SHOWN, write_token
from recommender.serving.ranking import rank, reach
from recommender.serving.request import ListRequest
from recommender.serving.rules.availability import withdrawn

log = structlog.get_logger("recommender.serving")

# Where listed items turn out to be withdrawn, so many times as many candidates are checked in the next rounds.
WIDER = (8, 64, 512)


def recommend(**request: Any) -> RecommendationList:
    """A list for a customer, a profile, a visitor's session or nobody in particular; see ListRequest for what to pass.

    RecommendationError names the part of the request that makes no sense. An unknown customer, one who opted out, or
    no model yet is no error: the list is then of popular items and says why.
    """
    if "kind" in request:
        message = f"recommend() lists what is for somebody; write make_list({request['kind']!r}, ...)."
        raise RecommendationError("kind", message)
    return make_list("for_you", **request)


def recommend_many(requests: Sequence[ListRequest]) -> list[RecommendationList | RecommendationError]:
    """One answer for each request, in their order; a request that makes no sense gets its error as the answer.

    All people are read with the same few queries and pass the user tower together.
    """
    return _make_lists(KINDS["for_you"], requests)


def make_list(
    kind: str, about: str | Sequence[str] | None = None, count: int = 10, *, stand_in: bool = True, **request: Any
) -> RecommendationList:
    """A list of one of the KINDS, whose names may be written with hyphens.

    about : the item, the session's items or the customer that it is about, as `ListKind.takes` says.   stand_in :
    whether another list takes its place where it would be empty.   request : the other fields of ListRequest.
    RecommendationError names the part of the request that makes no sense.
    """
    listed = _kind_named(kind)
    if about is not None:
        request[listed.takes] = about
    request.setdefault("scenario", listed.scenario or listed.name)
    answer = _make_lists(listed, [ListRequest(count=count, **request)], stand_in)[0]
    if isinstance(answer, RecommendationError):
        raise answer
    return answer


def _kind_named(name: str) -> ListKind:
    kind = KINDS.get(str(name).replace("-", "_"))
    if kind is None:
        near = ", ".join(get_close_matches(str(name), KINDS, n=2))
        message = _("There is no list kind {name!r}. Did you mean {near}? There are: {names}.")
        if not near:
            message = _("There is no list kind {name!r}. There are: {names}.")
        raise RecommendationError("kind", message.format(name=name, near=near, names=", ".join(KINDS)))
    return kind


# --- from requests to answers -----------------------------------------------------------------------------------------


def _make_lists(
    kind: ListKind, requests: Sequence[ListRequest], stand_in: bool = True
) -> list[RecommendationList | RecommendationError]:
    if kind.lists_purchased:
        requests = [replace(request, exclude_purchased=False) for request in requests]
    contexts = read_contexts(requests, personal=kind.personal, cart=kind.is_cart)
    sound = {n: context for n, context in enumerate(contexts) if isinstance(context, ListContext)}
    if kind.personal:
        sound = dict(zip(sound, with_encoded(list(sound.values())), strict=True))
    answers: list[Any] = list(contexts)  # the errors among them are answers already
    drafts: dict[int, _Draft] = {}
    for n, context in sound.items():
        try:
            drafts[n] = _Draft(kind, context, stand_in)
        except RecommendationError as error:
            answers[n] = error
    _fill(list(drafts.values()))
    answers = [drafts[n].answer() if n in drafts else answer for n, answer in enumerate(answers)]
    rows = [_log_row(answers[n], sound[n]) for n in drafts if answers[n].items and sound[n].may_be_logged]
    if rows:
        record_lists(rows)
    return answers


class _Draft:
    """A list in the making: the attempt of its kind that fills it, and what is listed.

    rows : int64 [k] of the catalog.   scores : float64 [k].   total : candidates in all.   RecommendationError where
    what the list is about does not exist.
    """

    def __init__(self, kind: ListKind, context: ListContext, stand_in: bool):
        self.context = context
        self._stand_in = stand_in
        self._attempts = kind.attempts(context)
        self.attempt = next(self._attempts)
        self.rows, self.scores, self.total = np.zeros(0, np.int64), np.zeros(0), 0

    @property
    def wants_stand_in(self) -> bool:
        return len(self.rows) == 0 and not self.attempt.last_resort

    def fill(self) -> None:
        """List the best of what is allowed; by the next attempt, where this one lists nothing and is no last resort, or
        the model does not answer."""
        while True:
            try:
                self._list_best()
            except EngineError as error:
                log.error("model_failed", error=str(error))
                self.attempt = next(self._attempts)
                continue
            if not self.wants_stand_in:
                return
            following = next(self._attempts)
            without = replace(self.attempt, fallback=following.fallback, last_resort=True)
            self.attempt = following if self._stand_in else without

    def fill_again(self) -> None:
        """List the best of what is allowed now; where the model does not answer, what is listed stays."""
        try:
            self._list_best()
        except EngineError as error:
            log.error("model_failed", error=str(error))

    def best(self, times: int) -> np.ndarray:
        """The rows of the list; with `times` over 1, those of so many times as many candidates."""
        if times == 1:
            return self.rows
        try:
            return np.union1d(self.rows, self.attempt.find(times * reach(self.context)).rows)
        except EngineError as error:
            log.error("model_failed", error=str(error))
            return self.rows

    def leave_out(self, rows: np.ndarray) -> None:
        kept = ~np.isin(self.rows, rows)
        self.rows, self.scores = self.rows[kept], self.scores[kept]

    def answer(self) -> RecommendationList:
        context, attempt, catalog = self.context, self.attempt, self.context.catalog
        if attempt.person is not None:
            items = explained(context, attempt.person, self.rows, self.scores)
        else:
            listed = zip(self.rows.tolist(), self.scores.tolist(), strict=True)
            items = [ListedItem(catalog.keys[row], score, None, attempt.reasons) for row, score in listed]
        return RecommendationList(
            recommendation_id=str(new_list_id()),
            model_version=catalog.live.version if attempt.by_model and catalog.live else None,
            source=attempt.source,
            fallback_reason=attempt.fallback,
            next_page_token=self._next_page(),
            items=tuple(items),
        )

    def _list_best(self) -> None:
        candidates = self.attempt.find(reach(self.context))
        self.rows, self.scores = rank(candidates, self.context)
        self.total = candidates.total

    def _next_page(self) -> str | None:
        """The token of the page after this one, if there is one."""
        shown = np.concatenate([self.context.shown, self.context.catalog.digests[self.rows]])
        whole = len(self.rows) == 0 or self.total == len(self.rows)
        return None if whole or len(shown) + self.context.request.count > MAX_SHOWN else write_token(shown)


def _fill(drafts: Sequence[_Draft]) -> None:
    """List what is allowed, and available in the database."""
    while drafts:
        for draft in drafts:
            draft.fill()
        _keep_available(drafts)
        drafts = [draft for draft in drafts if draft.wants_stand_in]


def _keep_available(drafts: Sequence[_Draft]) -> None:
    """See to it that all that is listed is available in the database: the next best take the place of what is not.

    One query where nothing changed since the catalog was read. Where much did, more and more candidates are checked.
    """
    rounds = (1, *WIDER, 1)
    for number, wider in enumerate(rounds, 1):
        gone = _leave_out_withdrawn(drafts, {id(draft): draft.best(wider) for draft in drafts})
        drafts = [draft for draft in drafts if np.isin(draft.rows, gone[id(draft.context.catalog)]).any()]
        if not drafts:
            return
        live.items_changed()
        for draft in drafts:
            draft.leave_out(gone[id(draft.context.catalog)])
            if number < len(rounds):
                draft.fill_again()


def _leave_out_withdrawn(drafts: Sequence[_Draft], candidates: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    """By id of a catalog, the rows among the candidates whose items are not available; none is allowed any more.

    candidates : rows by id of a draft.
    """
    gone: dict[int, np.ndarray] = {}
    for catalog in {id(draft.context.catalog): draft.context.catalog for draft in drafts}.values():
        of_catalog = [draft for draft in drafts if draft.context.catalog is catalog]
        rows = np.unique(np.concatenate([candidates[id(draft)] for draft in of_catalog]))
        gone[id(catalog)] = withdrawn(rows, catalog)
        for draft in of_catalog:
            draft.context.allowed[gone[id(catalog)]] = False
    return gone


def _log_row(answer: RecommendationList, context: ListContext) -> ServedList:
    live_model = context.catalog.live if answer.model_version else None
    customer = context.customer.key if context.customer else ""
    visitor = "" if customer else context.request.visitor
    return ServedList(
        id=uuid.UUID(answer.recommendation_id),
        customer=customer,
        visitor=visitor,
        arm_id=context.arm.pk if context.arm else None,
        scenario=context.request.scenario,
        scope=context.catalog.scope or "",
        source=answer.source,
        version_id=live_model.pk if live_model else None,
        items=[item.item for item in answer.items],
        length=len(answer.items),
        bucket=bucket_of(customer or visitor or answer.recommendation_id),
    )
