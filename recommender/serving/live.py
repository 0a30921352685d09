"""The live state of this process: the promoted model, opened once, beside the catalog as it is now.

Every process asks the database once a second whether another model was promoted or an item changed, and swaps both in
one assignment; a request keeps the state it took. Where `keep_watch` was called, as in gunicorn's workers, a thread of
its own asks, so that no request waits for a model that opens; elsewhere the first request of a second does. A model
that does not open is logged, and the one before goes on serving. No torch here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import DatabaseError, close_old_connections

from recommender.engine.bundle.inference import Inference
from recommender.engine.errors import EngineError
from recommender.experiments import RunningArm, RunningExperiment, running_experiment
from recommender.models import Promotion
from recommender.registry import bundle_folder, collection_for
from recommender.serving.catalog import LiveCatalog, LiveModel, PlacedModel
from recommender.serving.customers import MAX_HISTORY
from recommender.serving.reading import catalog_state, changed_slice, read_catalog
from recommender.serving.tally import Tally, read_newer, read_tally
from recommender.source import RecommenderSource, get_source

log = structlog.get_logger("recommender.serving.live")

CHECK_EVERY = 1.0  # seconds between two refreshes
REFRESHING_SHARE = 0.1  # of its time that the thread refreshes, at most: counting a huge catalog takes a while
# Seconds of a refresh in which items are compared with the catalog: so many, or as long as `catalog_state` took, where
# a catalog is large.
COMPARE_FOR = 0.01
RETRY_EVERY = 30.0  # seconds before a model that did not open is tried again: its files may have arrived
# Counting every purchase again corrects what counting only the new ones misses (deleted, late or withdrawn ones). It is
# done every ten minutes, and never for more than a hundredth of the time where counting is slow.
RECOUNT_EVERY, RECOUNT_SHARE = 600.0, 0.01


@dataclass(frozen=True)
class LiveState:
    """Everything that lists are made from at one moment. A refresh makes the next one from it.

    catalog : as the live model sees it.   items_state : what `catalog_state` said when it was read.
    tally : the purchases it counts, all of which are counted again at `recount_at`.
    promotion : pk of the newest one.   problem : why its model is not the live one, a sentence; it is tried again at
    `retry_at`.
    running : the experiment that runs.   beside : the catalog as the versions of its arms see it, by the version's pk.
    unopened : versions of arms that do not open -> when they are tried again; the live one stands in for them.
    next_slice : number of the part of the catalog that is compared with the database next.
    """

    catalog: LiveCatalog
    items_state: tuple[Any, ...]
    tally: Tally
    recount_at: float
    promotion: int | None = None
    problem: str = ""
    retry_at: float = 0.0
    running: RunningExperiment | None = None
    beside: Mapping[int, LiveCatalog] = field(default_factory=dict)
    unopened: Mapping[int, float] = field(default_factory=dict)
    next_slice: int = 0

    @property
    def max_history(self) -> int:
        """The purchases of a customer that any of the models here reads."""
        return max(max_history(catalog) for catalog in (self.catalog, *self.beside.values()))

    def catalog_for(self, arm: RunningArm | None) -> LiveCatalog:
        """The catalog as the model of an arm sees it; as the live one does, where that cannot serve."""
        return self.catalog if arm is None or arm.version is None else self.beside.get(arm.version, self.catalog)


class Process:
    """Holds the live state and refreshes it. The one of this process is `PROCESS`.

    Safe for many threads: one of them refreshes, the others keep the state there is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watch = threading.Thread(target=self._refresh_forever, name="recommender-watch", daemon=True)
        self._state: LiveState | None = None
        self._checked = float("-inf")
        self._items_changed = False

    def state(self) -> LiveState:
        state = self._state
        if state is not None and (self._watch.is_alive() or time.monotonic() - self._checked < CHECK_EVERY):
            return state
        # A request without a state waits for the first one; all others go on with the one there is.
        if not self._lock.acquire(blocking=state is None):
            assert state is not None
            return state
        try:
            if self._state is None or time.monotonic() - self._checked >= CHECK_EVERY:
                return self._refreshed()
            return self._state
        finally:
            self._lock.release()

    def keep_watch(self) -> None:
        self._watch.start()

    def forget(self) -> None:
        with self._lock:
            self._state, self._checked = None, float("-inf")

    def items_changed(self) -> None:
        self._items_changed, self._checked = True, float("-inf")

    def _refreshed(self) -> LiveState:
        """The state as of now. The lock is held."""
        items_changed, self._items_changed = self._items_changed, False
        self._state = _refresh(self._state, items_changed)
        self._checked = time.monotonic()
        return self._state

    def _refresh_forever(self) -> None:
        while True:
            started = time.monotonic()
            close_old_connections()
            try:
                with self._lock:
                    self._refreshed()
            except DatabaseError as error:
                log.warning("database_does_not_answer", error=str(error))
            time.sleep(max(CHECK_EVERY, (time.monotonic() - started) / REFRESHING_SHARE))


PROCESS = Process()


def live_state() -> LiveState:
    """The live state, as one object that never changes under its reader."""
    return PROCESS.state()


def live_catalog() -> LiveCatalog:
    """The catalog of the live state. Its model is `live_catalog().live`."""
    return PROCESS.state().catalog


def live_model() -> LiveModel | None:
    """The promoted model, open; None before the first promotion, or when no promoted model opens here."""
    return live_catalog().live


def serving_problem() -> str:
    """Why the model that was promoted last is not the one that serves, as a sentence; "" when it is."""
    return PROCESS.state().problem


def keep_watch() -> None:
    """From now on a thread refreshes the live state. For a process that serves, once, after any fork."""
    PROCESS.keep_watch()


def forget_live_state() -> None:
    """Read everything anew at the next request: for tests, and for a command that just promoted."""
    PROCESS.forget()


def items_changed() -> None:
    """A list met an item that is not as the catalog has it: the next refresh, due at once, reads the catalog again."""
    PROCESS.items_changed()


def max_history(catalog: LiveCatalog) -> int:
    """The purchases of a customer that the model of a catalog reads."""
    return catalog.live.inference.max_history if catalog.live else MAX_HISTORY


# --- one refresh ------------------------------------------------------------------------------------------------------


def _refresh(old: LiveState | None, items_changed: bool = False) -> LiveState:
    """The state as of now, made from the one before.

    items_changed : a list met items that are not as the catalog has them.
    """
    source, now = get_source(), time.monotonic()
    promotion, model, problem = _promoted(old, now)
    began = time.monotonic()
    items_state = catalog_state(source)
    compare_for = max(COMPARE_FOR, time.monotonic() - began)
    tally, newer, recount_at = _count_purchases(source, old, now)
    same_items, next_slice = old is not None and items_state == old.items_state and not items_changed, 0
    if old is not None and same_items:
        changed, next_slice = changed_slice(source, old.catalog.slices, old.next_slice, compare_for)
        same_items = not changed
    if old is not None and same_items and model is old.catalog.live:
        catalog = _counted(old.catalog, tally, newer)
    else:
        before = old.catalog.live if old and old.catalog.live is not model else None
        catalog, unplaced = _read_with_first(source, [model, before], tally, _placements(old))
        problem = unplaced or problem
    running = running_experiment()
    beside, unopened = {}, {}
    for pk, name in _versions_beside(running, catalog.live):
        known = old.beside.get(pk) if old else None
        if known is not None and same_items:
            beside[pk] = _counted(known, tally, newer)
            continue
        try_at = old.unopened.get(pk, now) if old else now
        opened = known.live if known else _open_for_arm(pk, name, old) if now >= try_at else None
        as_seen, unplaced = _read_with_first(source, [opened], tally, _placements(old)) if opened else (None, "")
        if as_seen is None or unplaced:
            unopened[pk] = try_at if try_at > now else now + RETRY_EVERY
        else:
            beside[pk] = as_seen
    same_problem = old is not None and (old.promotion, old.problem) == (promotion, problem)
    retry_at = old.retry_at if old is not None and same_problem and now < old.retry_at else now + RETRY_EVERY
    return LiveState(
        catalog=catalog,
        items_state=items_state,
        tally=tally,
        recount_at=recount_at,
        promotion=promotion,
        problem=problem,
        retry_at=retry_at,
        running=running,
        beside=beside,
        unopened=unopened,
        next_slice=next_slice,
    )


def _count_purchases(source: RecommenderSource, old: LiveState | None, now: float) -> tuple[Tally, Tally | None, float]:
    """All purchases counted; those alone that are new since `old`, None where all were counted anew; and when all are
    counted again."""
    newer = None if old is None or now >= old.recount_at else read_newer(source, old.tally.mark)
    if old is None or newer is None:
        tally = read_tally(source)
        return tally, None, now + max(RECOUNT_EVERY, (time.monotonic() - now) / RECOUNT_SHARE)
    return old.tally.plus(newer) if newer.counts else old.tally, newer, old.recount_at


def _placements(old: LiveState | None) -> list[PlacedModel]:
    """The models of a state, each with the vectors that it gave the items."""
    return [catalog.placed for catalog in (old.catalog, *old.beside.values()) if catalog.placed] if old else []


def _counted(catalog: LiveCatalog, tally: Tally, newer: Tally | None) -> LiveCatalog:
    """The catalog with what was bought since. newer : that alone; None where everything was counted anew."""
    if newer is None:
        return catalog.with_tally(tally)
    return catalog.with_more(newer) if newer.counts else catalog


def _versions_beside(running: RunningExperiment | None, live: LiveModel | None) -> list[tuple[int, str]]:
    """Primary keys and names of the versions that the arms want and that are not live."""
    wanted = {arm.version: arm.version_name for arm in (running.arms if running else ()) if arm.version is not None}
    return [(pk, name) for pk, name in wanted.items() if live is None or live.pk != pk]


def _open_for_arm(pk: int, name: str, old: LiveState | None) -> LiveModel | None:
    """The model of an arm; None, and the log says why, when it does not open."""
    if old is not None and old.catalog.live is not None and old.catalog.live.pk == pk:
        return old.catalog.live  # it served until now
    try:
        return _open(pk, name)
    except EngineError as error:
        log.error("model_does_not_open", version=name, error=str(error))
        return None


def _open(pk: int, name: str) -> LiveModel:
    inference = Inference.open(bundle_folder(name))
    return LiveModel(pk, name, inference, collection_for(inference))


def _read_with_first(
    source: RecommenderSource, models: list[LiveModel | None], tally: Tally, placements: list[PlacedModel]
) -> tuple[LiveCatalog, str]:
    """The catalog with the first of the models that can place the items created since; with none, where none can.

    And what is wrong with the first model, if it is not that one. placements : of items, as models placed them before.
    """
    problem = ""
    for model in filter(None, models):
        before = next((placed for placed in placements if placed.model is model), None)
        try:
            return read_catalog(source, model, tally, before), problem
        except EngineError as error:
            log.error("model_cannot_place_items", version=model.version, error=str(error))
            problem = problem or f"Version {model.version} cannot place the items created since: {error}"
    return read_catalog(source, None, tally), problem


def _promoted(old: LiveState | None, now: float) -> tuple[int | None, LiveModel | None, str]:
    """The newest promotion, the model to serve from now on, and what is wrong with its own if that is another."""
    current = old.catalog.live if old else None
    promotion = Promotion.objects.select_related("version").order_by("-pk").first()
    if promotion is None:
        return None, None, ""
    if current is not None and current.pk == promotion.version_id:
        return promotion.pk, current, ""
    if old is not None and old.problem and old.promotion == promotion.pk and now < old.retry_at:
        return promotion.pk, current, old.problem
    name = promotion.version.name
    beside = old.beside.get(promotion.version_id) if old else None
    try:
        opened = (beside.live if beside else None) or _open(promotion.version_id, name)
    except EngineError as error:
        log.error("model_does_not_open", version=name, error=str(error))
        return promotion.pk, current, f"Version {name} does not open: {error}"
    log.info("model_serves", version=opened.version, before=current.version if current else None)
    return promotion.pk, opened, ""
