"""Lists on record: who was shown what, which clicks, reports and experiments go back to.

A process that serves (`keep_records`, in gunicorn's workers) puts lists on record a moment after it answered, many at
once, in a thread of its own: no visitor waits for a row to be written. Elsewhere a list is on record before it is
answered. If such a process dies without a word, the lists of its last moment were never there.
"""

from __future__ import annotations

import atexit
import secrets
import threading
import time
import uuid
from collections.abc import Sequence

import structlog
from django.db import Error, IntegrityError, close_old_connections, connections

from recommender.models import ServedList
from recommender.source import learnable_keys

log = structlog.get_logger("recommender.feedback.served_lists")

GATHERED_FOR = 0.1  # seconds that lists wait for others
MOST_WAITING = 10_000  # lists, some 20 MB: more come on record one by one, at the database's own pace
ON_ITS_WAY = 1.0  # seconds since a list was made in which its row may be written yet


def new_list_id() -> uuid.UUID:
    """An id for a list that tells when it was made (version 7 of RFC 9562): a table of such ids grows at its end."""
    chance = secrets.randbits(74)
    made = time.time_ns() // 1_000_000  # milliseconds
    return uuid.UUID(int=made << 80 | 7 << 76 | (chance >> 62) << 64 | 2 << 62 | chance & (1 << 62) - 1)


def find(recommendation_id: uuid.UUID) -> ServedList | None:
    """The list of an id, if it is on record. One made a moment ago, here or by another process, is waited for."""
    rows = ServedList.objects.filter(pk=recommendation_id)
    found = rows.first()
    if found is None and abs(time.time() - (recommendation_id.int >> 80) / 1e3) < ON_ITS_WAY:
        time.sleep(2 * GATHERED_FOR)
        found = rows.first()
    return found


class Recorder:
    """The one of this process is `RECORDER`. Safe for many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[ServedList] = []
        self._ends = False
        self._writer = threading.Thread(target=self._write_forever, name="recommender-records", daemon=True)

    def record(self, lists: Sequence[ServedList]) -> None:
        """Put lists on record; now, unless a thread was started that does and keeps up."""
        if not self._writer.is_alive() or len(self._waiting) >= MOST_WAITING:
            ServedList.objects.bulk_create(lists)
            return
        with self._changed:
            self._waiting += lists
            self._changed.notify()

    def start(self) -> None:
        self._writer.start()
        atexit.register(self.finish)

    def finish(self) -> None:
        """End the thread, once all that waits is on record; whoever started it need not, for the process's end does."""
        with self._changed:
            self._ends = True
            self._changed.notify()
        if self._writer.is_alive():
            self._writer.join()

    def _write_forever(self) -> None:
        ends = False
        while not ends:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ends)
            if not self._ends:
                time.sleep(GATHERED_FOR)
            with self._changed:
                lists, self._waiting, ends = self._waiting, [], self._ends
            close_old_connections()
            try:
                _write(_of_learnable_people(lists))
            except Error as error:
                log.error("lists_not_recorded", lists=len(lists), error=str(error))
        connections.close_all()  # this thread's


def _of_learnable_people(lists: Sequence[ServedList]) -> list[ServedList]:
    """Without those of customers who left, or opted out, since they were answered."""
    customers = {one.customer for one in lists if one.customer}
    gone = customers - learnable_keys(customers) if customers else set()
    return [one for one in lists if one.customer not in gone]


def _write(lists: list[ServedList]) -> None:
    """Store what can be stored: a list whose model version is gone by now costs no other one its row."""
    try:
        ServedList.objects.bulk_create(lists)
    except IntegrityError as error:
        if len(lists) > 1:
            for one in lists:
                _write([one])
        else:
            log.error("lists_not_recorded", lists=1, error=str(error))


RECORDER = Recorder()


def record_lists(lists: Sequence[ServedList]) -> None:
    """Put lists on record."""
    RECORDER.record(lists)


def start_recorder() -> None:
    """From now on a thread writes. For a process that serves, once, after any fork."""
    RECORDER.start()
