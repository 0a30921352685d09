"""Lists on record: who was shown what. Clicks, reports and experiments refer to them.

A process that serves (`start_recorder`, in gunicorn's workers) stores lists a moment after it answered, many at once,
in a thread of its own: no visitor waits for a row to be written. Elsewhere a list is stored before it is answered. When
such a process is killed, the lists of its last moment are lost.
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
from recommender.signals import list_served, send_after_commit
from recommender.source import learnable_keys

log = structlog.get_logger("recommender.feedback.served_lists")

BATCH_SECONDS = 0.1  # that lists wait for others
MAX_WAITING = 10_000  # lists, some 20 MB: more are stored one by one, at the database's own pace
MAX_DELAY_SECONDS = 1.0  # since a list was made, in which its row may not be written yet


def new_list_id() -> uuid.UUID:
    """An id that begins with the time (version 7 of RFC 9562): a table of such ids grows at its end."""
    milliseconds, random = time.time_ns() // 1_000_000, secrets.randbits(74)
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & (1 << 62) - 1)


def find(list_id: uuid.UUID) -> ServedList | None:
    """The list of an id, if it is on record. Waits for one that was made a moment ago, here or by another process."""
    rows = ServedList.objects.filter(pk=list_id)
    served_list = rows.first()
    if served_list is None and abs(time.time() - (list_id.int >> 80) / 1e3) < MAX_DELAY_SECONDS:
        time.sleep(2 * BATCH_SECONDS)
        served_list = rows.first()
    return served_list


class Recorder:
    """Stores lists in a thread. Safe for many threads; `RECORDER` is the one of this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[ServedList] = []
        self._finishing = False
        self._writer = threading.Thread(target=self._write_until_finished, name="recommender-records", daemon=True)

    def record(self, lists: Sequence[ServedList]) -> None:
        """Store lists; at once where no thread was started, or where it does not keep up."""
        if not self._writer.is_alive() or len(self._waiting) >= MAX_WAITING:
            ServedList.objects.bulk_create(lists)
            _announce(lists)
            return
        with self._changed:
            self._waiting += lists
            self._changed.notify()

    def start(self) -> None:
        """Store lists in a thread from now on. For a process that serves, once, after any fork."""
        self._writer.start()
        atexit.register(self.finish)

    def finish(self) -> None:
        """End the thread once all lists are stored. The end of the process calls this."""
        with self._changed:
            self._finishing = True
            self._changed.notify()
        if self._writer.is_alive():
            self._writer.join()

    def _write_until_finished(self) -> None:
        finished = False
        while not finished:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._finishing)
            if not self._finishing:
                time.sleep(BATCH_SECONDS)
            with self._changed:
                lists, self._waiting, finished = self._waiting, [], self._finishing
            close_old_connections()
            try:
                _write(_without_opted_out(lists))
            except Error as error:
                log.error("lists_not_recorded", lists=len(lists), error=str(error))
        connections.close_all()  # this thread's


def _without_opted_out(lists: Sequence[ServedList]) -> list[ServedList]:
    """Without the lists of customers who left, or opted out, since they were answered."""
    customers = {served_list.customer for served_list in lists if served_list.customer}
    gone = customers - learnable_keys(customers) if customers else set()
    return [served_list for served_list in lists if served_list.customer not in gone]


def _write(lists: list[ServedList]) -> None:
    """Store the lists, one by one where the model version of some is gone."""
    try:
        ServedList.objects.bulk_create(lists)
        _announce(lists)
    except IntegrityError as error:
        if len(lists) > 1:
            for served_list in lists:
                _write([served_list])
        else:
            log.error("lists_not_recorded", lists=1, error=str(error))


def _announce(lists: Sequence[ServedList]) -> None:
    """Where lists are stored in a thread, the receivers run in it, too: no visitor waits for them."""
    if list_served.has_listeners():
        for served_list in lists:
            send_after_commit(list_served, served_list=served_list)


RECORDER = Recorder()
record_lists = RECORDER.record
start_recorder = RECORDER.start
