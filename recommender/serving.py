"""What this process serves: the promoted model, opened once, beside the catalog as it is now.

Every process asks the database once a second whether another model was promoted or an item changed, and swaps both in
one assignment; whoever is making a list keeps the object it took. Where `keep_watch` was called, as gunicorn's workers
do, a thread of its own looks, so that no request waits for a model that opens; elsewhere the first request of a second
does. A model that does not open is logged and the old one goes on serving. No torch here.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections

from recommender.engine.errors import EngineError
from recommender.engine.inference import Inference
from recommender.live_catalog import Live, LiveCatalog, Tally, catalog_state, read_catalog, read_newer, read_tally
from recommender.models import Promotion
from recommender.retrieval import collection_of
from recommender.source import RecommenderSource, get_source

log = structlog.get_logger("recommender.serving")

CHECK_EVERY = 1.0  # seconds between two looks at the database
LOOKING_SHARE = 0.1  # of its time that a watch looks, at most: counting a huge catalog takes a while
RETRY_EVERY = 30.0  # seconds before a model that did not open is tried again: its files may have arrived
# Counting every purchase again corrects what counting only the new ones misses (deleted, late or withdrawn ones). It is
# done every ten minutes, and never for more than a hundredth of the time where counting is slow.
RECOUNT_EVERY, RECOUNT_SHARE = 600.0, 0.01


@dataclass(frozen=True)
class _Served:
    """Everything known at one moment. A refresh makes the next one from it."""

    catalog: LiveCatalog
    state: tuple[Any, ...]
    tally: Tally
    recount_at: float
    promotion: int | None = None
    problem: str = ""  # with that promotion's model, which is tried again at `retry_at`
    retry_at: float = 0.0


class Process:
    """The one of this process is `PROCESS`. Safe for many threads: one of them refreshes, the others keep what is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watch = threading.Thread(target=self._look_again_and_again, name="recommender-watch", daemon=True)
        self._served: _Served | None = None
        self._checked = float("-inf")

    def served(self) -> _Served:
        served = self._served
        if served is not None and (self._watch.is_alive() or time.monotonic() - self._checked < CHECK_EVERY):
            return served
        # Whoever has nothing to serve waits for the first look; everybody else serves what there is meanwhile.
        if not self._lock.acquire(blocking=served is None):
            assert served is not None
            return served
        try:
            if self._served is None or time.monotonic() - self._checked >= CHECK_EVERY:
                self._served = _refresh(self._served)
                self._checked = time.monotonic()
            return self._served
        finally:
            self._lock.release()

    def keep_watch(self) -> None:
        self._watch.start()

    def _look_again_and_again(self) -> None:
        while True:
            started = time.monotonic()
            close_old_connections()
            try:
                with self._lock:
                    self._served = _refresh(self._served)
                    self._checked = time.monotonic()
            except DatabaseError as error:
                log.warning("database_does_not_answer", error=str(error))
            time.sleep(max(CHECK_EVERY, (time.monotonic() - started) / LOOKING_SHARE))

    def forget(self) -> None:
        with self._lock:
            self._served, self._checked = None, float("-inf")


PROCESS = Process()


def catalog() -> LiveCatalog:
    """The catalog and the model that serves it, `catalog().live`, as one object that never changes under its reader."""
    return PROCESS.served().catalog


def live() -> Live | None:
    """The promoted model, open; None before the first promotion, or when no promoted model opens here."""
    return catalog().live


def problem() -> str:
    """Why the model that was promoted last is not the one that serves, as a sentence; "" when it is."""
    return PROCESS.served().problem


def keep_watch() -> None:
    """From now on a thread looks at the database once a second. For a process that serves, once, after any fork."""
    PROCESS.keep_watch()


def forget() -> None:
    """Look at everything anew at the next request: for tests, and for a command that just promoted."""
    PROCESS.forget()


# --- one look at the database -----------------------------------------------------------------------------------------


def _refresh(old: _Served | None) -> _Served:
    source = get_source()
    now = time.monotonic()
    promotion, current, problem = _promoted(old, now)
    state = catalog_state(source)
    if old is None or now >= old.recount_at:
        tally, newer = read_tally(source), None
        recount_at = now + max(RECOUNT_EVERY, (time.monotonic() - now) / RECOUNT_SHARE)
    else:
        newer = read_newer(source, old.tally.last)
        tally, recount_at = old.tally.plus(newer) if newer.counts else old.tally, old.recount_at
    if old is None or current is not old.catalog.live or state != old.state:
        before = old.catalog.live if old and old.catalog.live is not current else None
        fresh, unplaced = _placed(source, [current, before], tally)
        problem = unplaced or problem
    elif newer is None:
        fresh = old.catalog.counting_only(tally)
    elif newer.counts:
        fresh = old.catalog.counting(newer)
    else:
        fresh = old.catalog
    told_before = old is not None and (old.promotion, old.problem) == (promotion, problem)
    retry_at = old.retry_at if old is not None and told_before and now < old.retry_at else now + RETRY_EVERY
    return _Served(fresh, state, tally, recount_at, promotion, problem, retry_at)


def _placed(source: RecommenderSource, models: list[Live | None], tally: Tally) -> tuple[LiveCatalog, str]:
    """The catalog with the first of the models that can place the items created since; with none, where none can.

    And what is wrong with the first model, if it is not that one.
    """
    problem = ""
    for live in filter(None, models):
        try:
            return read_catalog(source, live, tally), problem
        except EngineError as error:
            log.error("model_cannot_place_items", version=live.version, error=str(error))
            problem = problem or f"Version {live.version} cannot place the items created since: {error}"
    return read_catalog(source, None, tally), problem


def _promoted(old: _Served | None, now: float) -> tuple[int | None, Live | None, str]:
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
    try:
        inference = Inference.open(Path(settings.BUNDLE_ROOT) / name)
        opened = Live(promotion.version_id, name, inference, collection_of(inference))
    except EngineError as error:
        log.error("model_does_not_open", version=name, error=str(error))
        return promotion.pk, serving, f"Version {name} does not open: {error}"
    log.info("model_serves", version=opened.version, before=serving.version if serving else None)
    return promotion.pk, opened, ""
