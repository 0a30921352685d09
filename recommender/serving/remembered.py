"""Whom a process was last told of, as the towers see them: whoever asks again need not pass the towers again.

A visitor asks for the next page, another list on the same page, the same one later.

What is kept is found by everything that the towers were told of the person. Whoever bought or looked at something since
is told differently, and is nobody known here: nothing can be out of date.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from recommender.engine.bundle.explain import Weighed

MOST_BYTES = 1 << 20  # some 750 people without reasons, 80 with: those of the last seconds or minutes
OVERHEAD, OF_EVIDENCE = 600, 150  # bytes of an entry beside its vectors, and of each piece of evidence


class Remembered:
    """The people who asked last, of one model and the items it places. Safe for many threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Weighed] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def weighed(self, told: Hashable, weigh: Callable[[], Weighed]) -> Weighed:
        """What `weigh` made of somebody before, or makes of them now. told : what it depends on."""
        with self._lock:
            if told in self._kept:
                self._kept.move_to_end(told)
                return self._kept[told]
        made = weigh()
        with self._lock:
            if told not in self._kept:
                self._kept[told] = made
                self._bytes += _bytes(made)
            while self._bytes > self._most_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= _bytes(oldest)
        return made


def _bytes(weighed: Weighed) -> int:
    vectors = weighed.without.nbytes + weighed.user.rank.nbytes + weighed.user.rate.nbytes
    return vectors + OF_EVIDENCE * len(weighed.evidence) + OVERHEAD
