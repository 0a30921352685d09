"""gunicorn as the site is deployed: gunicorn -c deploy/gunicorn.conf.py recsite.wsgi

Any of it can be overridden on the command line, and the number of processes by WEB_CONCURRENCY. PIN_WORKERS=0 lets
workers wander from core to core.
"""

import ctypes
import gc
import os
from pathlib import Path

from recsite.logs import LOG_JSON, LOGGING

# Each request has a thread. Arithmetic with threads of its own beside it would only take turns with the other requests.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# One heap for all threads: with one each, as glibc has it, a worker keeps 10 MB more of what requests no longer need.
if hasattr(libc := ctypes.CDLL(None), "mallopt"):  # not everywhere is glibc
    libc.mallopt(-8, 1)  # M_ARENA_MAX
    # What a large answer took for a moment goes back at once; glibc would keep as much as the largest ever took.
    libc.mallopt(-1, 512 << 10)  # M_TRIM_THRESHOLD, bytes

worker_class = "gthread"
threads = 4
# Several workers are copies of one process that has imported the site already: four hold 320 MB together, where each
# importing it for itself took 480. One alone is lighter without the process that it would be a copy of.
preload_app = int(os.environ.get("WEB_CONCURRENCY", "1")) > 1
keepalive = 15  # seconds; longer than the proxy in front keeps an idle connection, or it would send into a closed one

# gunicorn's own lines look like the site's. Should you switch its access log on (accesslog = "-"): a path holds
# customers' keys, search words or the key of a password reset, so neither path, query, referrer nor address is in it.
logconfig_dict = LOGGING
access_log_format = (
    '{"event": "request", "method": "%(m)s", "status": "%(s)s", "bytes": "%(B)s", "ms": "%(M)s"}'
    if LOG_JSON
    else "%(m)s %(s)s %(B)s bytes %(M)s ms"
)


def _cores():
    """Those that workers are pinned to, one each; none where that is not wanted or might do harm.

    Only one thread of a worker runs at a time: on two cores they would hand each other the interpreter, and what the
    one has in its cache the other has to fetch. Whoever has no more than a share of the machine's time is not pinned:
    others may be pinned to the same core, and no one would know.
    """
    if os.environ.get("PIN_WORKERS", "1") == "0" or not hasattr(os, "sched_setaffinity"):  # not everywhere is Linux
        return []
    for name in ("cpu.max", "cpu/cpu.cfs_quota_us"):  # of control groups 2 and 1
        quota = Path("/sys/fs/cgroup", name)
        if quota.exists() and quota.read_text().split()[0] not in ("max", "-1"):
            return []
    return sorted(os.sched_getaffinity(0))


_CORES = _cores()


def pre_fork(server, worker):
    taken = [each.core for each in server.WORKERS.values()]
    worker.core = min(_CORES, key=taken.count, default=None)


def when_ready(server):
    _keep_what_is_imported()  # before there are copies: to search it would tear apart what they share


def post_worker_init(worker):
    """Each worker follows what is promoted, and puts lists on record, in threads of its own, which may run on any core:
    no visitor waits for a model that opens, or for a row."""
    from recommender import feedback, serving

    pass

    _keep_what_is_imported()
    serving.keep_watch()
    feedback.start_recorder()
    if worker.core is not None:
        os.sched_setaffinity(0, {worker.core})  # of this thread, and of those that it starts to answer


def _keep_what_is_imported():
    """It stays: to search it for garbage again and again would cost some request a tenth of a second."""
    gc.collect()
    gc.freeze()
