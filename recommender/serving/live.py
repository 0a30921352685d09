"""What this process serves: the promoted model, opened once, beside the catalog as it is now.

Every process asks the database once a second whether another model was promoted or an item changed, and swaps both in
one assignment; whoever is making a list keeps the object it took. Where `keep_watch` was called, as gunicorn's workers
do, a thread of its own looks, so that no request waits for a model that opens; elsewhere the first request of a second
does. A model that does not open is logged and the old one goes on serving. No torch here.
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
from recommender.serving.catalog import (
    Live,
    LiveCatalog,
    Placed,
    Tally,
    catalog_state,
    changed_slice,
    read_catalog,
    read_newer,
    read_tally,
)
from recommender.serving.customers import MAX_HISTORY
from recommender.source import RecommenderSource, get_source

log = structlog.get_logger("recommender.serving.live")

CHECK_EVERY = 1.0  # seconds between two looks at the database
LOOKING_SHARE = 0.1  # of its time that a watch looks, at most: counting a huge catalog takes a while
# Seconds of a look in which items are compared with the catalog: so many, or as long as the hint took that all of them
# together give, where a catalog is large.
COMPARE_FOR = 0.01
RETRY_EVERY = 30.0  # seconds before a model that did not open is tried again: its files may have arrived
# Counting every purchase again corrects what counting only the new ones misses (deleted, late or withdrawn ones). It is
# done every ten minutes, and never for more than a hundredth of the time where counting is slow.
RECOUNT_EVERY, RECOUNT_SHARE = 600.0, 0.01


@dataclass(frozen=True)
class Served:
    """Everything known at one moment. A refresh makes the next one from it.

    running : the experiment that runs.   beside : the catalog as other versions than the live one see it, by the
    version's pk, for the experiment's arms. unopened : versions that an arm wants and that do not open, with when they
    are tried again; the live one stands in for them.
    """

    catalog: LiveCatalog
    state: tuple[Any, ...]
    tally: Tally
    recount_at: float
    promotion: int | None = None
    problem: str = ""  # with that promotion's model, which is tried again at `retry_at`
    retry_at: float = 0.0
    running: RunningExperiment | None = None
    beside: Mapping[int, LiveCatalog] = field(default_factory=dict)
    unopened: Mapping[int, float] = field(default_factory=dict)
    next_slice: int = 0  # of the catalog, to be compared with the database

    @property
    def max_history(self) -> int:
        """The purchases of a customer that any of the models here reads."""
        return max(max_history(catalog) for catalog in (self.catalog, *self.beside.values()))

    def catalog_for(self, arm: RunningArm | None) -> LiveCatalog:
        """The catalog as the model of an arm sees it; as the live one does, where that cannot serve."""
        return self.catalog if arm is None or arm.version is None else self.beside.get(arm.version, self.catalog)


class Process:
    """The one of this process is `PROCESS`. Safe for many threads: one of them refreshes, the others keep what is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watch = threading.Thread(target=self._look_again_and_again, name="recommender-watch", daemon=True)
        self._served: Served | None = None
        self._checked = float("-inf")
        self._items_changed = False

    def served(self) -> Served:
        served = self._served
        if served is not None and (self._watch.is_alive() or time.monotonic() - self._checked < CHECK_EVERY):
            return served
        # Whoever has nothing to serve waits for the first look; everybody else serves what there is meanwhile.
        if not self._lock.acquire(blocking=served is None):
            assert served is not None
            return served
        try:
            if self._served is None or time.monotonic() - self._checked >= CHECK_EVERY:
                return self._refreshed()
            return self._served
        finally:
            self._lock.release()

    def _refreshed(self) -> Served:
        """What there is now. For whoever holds the lock."""
        items_changed, self._items_changed = self._items_changed, False
        self._served = _refresh(self._served, items_changed)
        self._checked = time.monotonic()
        return self._served

    def keep_watch(self) -> None:
        self._watch.start()

    def _look_again_and_again(self) -> None:
        while True:
            started = time.monotonic()
            close_old_connections()
            try:
                with self._lock:
                    self._refreshed()
            except DatabaseError as error:
                log.warning("database_does_not_answer", error=str(error))
            time.sleep(max(CHECK_EVERY, (time.monotonic() - started) / LOOKING_SHARE))

    def forget(self) -> None:
        with self._lock:
            self._served, self._checked = None, float("-inf")

    def items_changed(self) -> None:
        self._items_changed, self._checked = True, float("-inf")


PROCESS = Process()


def catalog() -> LiveCatalog:
    """The catalog and the model that serves it, `catalog().live`, as one object that never changes under its reader."""
    return PROCESS.served().catalog


def served() -> Served:
    """The same with the experiment that runs, and the models of its arms."""
    return PROCESS.served()


def live_model() -> Live | None:
    """The promoted model, open; None before the first promotion, or when no promoted model opens here."""
    return catalog().live


def serving_problem() -> str:
    """Why the model that was promoted last is not the one that serves, as a sentence; "" when it is."""
    return PROCESS.served().problem


def keep_watch() -> None:
    """From now on a thread looks at the database once a second. For a process that serves, once, after any fork."""
    PROCESS.keep_watch()


def forget() -> None:
    """Look at everything anew at the next request: for tests, and for a command that just promoted."""
    PROCESS.forget()


def items_changed() -> None:
    """An item of the catalog is not what it was: the next look, which is due where requests look, reads all again."""
    PROCESS.items_changed()


def max_history(catalog: LiveCatalog) -> int:
    """The purchases of a customer that the model of a catalog reads."""
    return catalog.live.inference.max_history if catalog.live else MAX_HISTORY


# --- one look at the database -----------------------------------------------------------------------------------------


def _refresh(old: Served | None, items_changed: bool = False) -> Served:
    """items_changed : a list found that items of the catalog are not what they were."""
    source = get_source()
    now = time.monotonic()
    promotion, current, problem = _promoted(old, now)
    asked = time.monotonic()
    state = catalog_state(source)
    compare_for = max(COMPARE_FOR, time.monotonic() - asked)
    if old is None or now >= old.recount_at:
        tally, newer = read_tally(source), None
        recount_at = now + max(RECOUNT_EVERY, (time.monotonic() - now) / RECOUNT_SHARE)
    else:
        newer = read_newer(source, old.tally.last)
        tally, recount_at = old.tally.plus(newer) if newer.counts else old.tally, old.recount_at
    same_items, next_slice = old is not None and state == old.state and not items_changed, 0
    if old is not None and same_items:
        changed, next_slice = changed_slice(source, old.catalog.slices, old.next_slice, compare_for)
        same_items = not changed
    places = [each.placed for each in (old.catalog, *old.beside.values()) if each.placed] if old else []
    if old is None or current is not old.catalog.live or not same_items:
        before = old.catalog.live if old and old.catalog.live is not current else None
        fresh, unplaced = _placed(source, [current, before], tally, places)
        problem = unplaced or problem
    else:
        fresh = _counted_on(old.catalog, tally, newer)
    running = running_experiment()
    beside, unopened = {}, {}
    for pk, name in _versions_beside(running, fresh.live):
        known = old.beside.get(pk) if old else None
        if known is not None and same_items:
            beside[pk] = _counted_on(known, tally, newer)
            continue
        try_at = old.unopened.get(pk, now) if old else now
        opened = known.live if known else _opened(pk, name, old) if now >= try_at else None
        catalog, unplaced = _placed(source, [opened], tally, places) if opened else (None, "")
        if catalog is None or unplaced:
            unopened[pk] = try_at if try_at > now else now + RETRY_EVERY
        else:
            beside[pk] = catalog
    told_before = old is not None and (old.promotion, old.problem) == (promotion, problem)
    retry_at = old.retry_at if old is not None and told_before and now < old.retry_at else now + RETRY_EVERY
    return Served(fresh, state, tally, recount_at, promotion, problem, retry_at, running, beside, unopened, next_slice)


def _counted_on(catalog: LiveCatalog, tally: Tally, newer: Tally | None) -> LiveCatalog:
    """The catalog with what was bought since. newer : that alone; None where everything was counted anew."""
    if newer is None:
        return catalog.counting_only(tally)
    return catalog.counting(newer) if newer.counts else catalog


def _versions_beside(running: RunningExperiment | None, live: Live | None) -> list[tuple[int, str]]:
    """Primary keys and names of the versions that the arms want and that are not live."""
    wanted = {arm.version: arm.version_name for arm in (running.arms if running else ()) if arm.version is not None}
    return [(pk, name) for pk, name in wanted.items() if live is None or live.pk != pk]


def _opened(pk: int, name: str, old: Served | None) -> Live | None:
    """The model of an arm; None, and the log says why, when it does not open."""
    if old is not None and old.catalog.live is not None and old.catalog.live.pk == pk:
        return old.catalog.live  # it served until now
    try:
        return _open(pk, name)
    except EngineError as error:
        log.error("model_does_not_open", version=name, error=str(error))
        return None


def _open(pk: int, name: str) -> Live:
    inference = Inference.open(bundle_folder(name))
    return Live(pk, name, inference, collection_for(inference))


def _placed(
    source: RecommenderSource, models: list[Live | None], tally: Tally, places: list[Placed]
) -> tuple[LiveCatalog, str]:
    """The catalog with the first of the models that can place the items created since; with none, where none can.

    And what is wrong with the first model, if it is not that one. places : where models placed the items until now.
    """
    problem = ""
    for live in filter(None, models):
        before = next((each for each in places if each.live is live), None)
        try:
            return read_catalog(source, live, tally, before), problem
        except EngineError as error:
            log.error("model_cannot_place_items", version=live.version, error=str(error))
            problem = problem or f"Version {live.version} cannot place the items created since: {error}"
    return read_catalog(source, None, tally), problem


def _promoted(old: Served | None, now: float) -> tuple[int | None, Live | None, str]:
    """The newest promotion, the model to serve from now on, and what is wrong with its own if that is another."""
    serving = old.catalog.live if old else None
    promotion = Promotion.objects.select_related("version").order_by("-pk").first()
    if promotion is None:
        return None, None, ""
    if serving is not None and serving.pk == promotion.version_id:
        return promotion.pk, serving, ""
    if old is not None and old.problem and old.promotion == promotion.pk and now < old.retry_at:
        return promotion.pk, serving, old.problem
    name = promotion.version.name
    beside = old.beside.get(promotion.version_id) if old else None
    try:
        opened = (beside.live if beside else None) or _open(promotion.version_id, name)
    except EngineError as error:
        log.error("model_does_not_open", version=name, error=str(error))
        return promotion.pk, serving, f"Version {name} does not open: {error}"
    log.info("model_serves", version=opened.version, before=serving.version if serving else None)
    return promotion.pk, opened, ""
